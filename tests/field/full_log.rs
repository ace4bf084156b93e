//! A log that cannot be written.
