//! User names and password files as people write them.
