//! A test of nothing but tags leaving the device: files, look-ups and connections of a running Spotter.
