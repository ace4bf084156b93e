//! People who sway about a line.
