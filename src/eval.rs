//! Evaluation: how good the stages are, measured on data with a known truth.
//!
//! The command line prints what is measured here, and tests hold it to its promises. Nothing of this runs in the
//! daemon.

pub mod activity;
pub mod mot;
pub mod skeleton;
