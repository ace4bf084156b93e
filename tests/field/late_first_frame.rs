//! Streams whose first frame takes long although data come.
