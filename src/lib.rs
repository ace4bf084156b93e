//! Spotter: the edge video tagger.
//!
//! Camera frames come in through GStreamer, objects and activities are recognised with ONNX Runtime over time, and
//! tags go out over MQTT. Data flows one way, and a stage knows the type it takes and the type it gives:
//!
//! ```text
//! capture -> board -> recognize (detect > track > activity > rules) -> publish -> broker
//! ```
//!
//! `docs/architecture.md` is the map of the house; `tests/architecture.rs` holds the code to it.

pub mod activity;
pub mod capture;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod detect;
pub mod discover;
pub mod doctor;
pub mod eval;
pub mod frame;
pub mod geometry;
pub mod model;
pub mod name;
pub mod picture;
pub mod publish;
pub mod recognize;
pub mod rules;
pub mod tag;
pub mod telemetry;
pub mod track;
