//! What crosses crates: end to end against real servers.
