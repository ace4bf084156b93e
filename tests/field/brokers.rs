//! Brokers that differ.
