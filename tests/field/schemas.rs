//! The published schemas in validators that people use.
