//! Somebody seen oddly: cut boxes, jumping clocks, no poses.
