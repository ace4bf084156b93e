//! People who pass behind something.
