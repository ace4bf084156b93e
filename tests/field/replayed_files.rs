//! Files that players play and `replay` once refused.
