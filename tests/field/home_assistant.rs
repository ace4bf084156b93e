//! Home Assistant's own discovery schema.
