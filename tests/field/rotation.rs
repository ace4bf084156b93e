//! Pictures that are to be turned.
