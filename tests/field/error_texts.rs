//! Errors that name their cause.
