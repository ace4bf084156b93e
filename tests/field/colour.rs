//! Full range, colour boxes and pixels that are not square.
