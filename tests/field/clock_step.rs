//! A clock that is set while Spotter runs.
