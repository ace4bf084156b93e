//! Factory cameras, and finding cameras.
