//! HLS with several variants, and transport streams whose programme changes.
