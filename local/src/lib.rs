//! The whole system on one machine: demo, publisher, poller and table commands.
