//! More cameras than the usual limit of descriptors allows.
