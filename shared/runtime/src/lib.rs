//! Config (the only reader of the environment), clock and telemetry.
