//! Live sources that begin with a burst of old frames.
