//! Capture: a camera's source becomes frames on the board.
//!
//! One GStreamer pipeline and one control thread per camera; [`crate::daemon`] starts them, `replay` reads a
//! [`Stream`] directly. Only this module uses GStreamer.

mod apart;
mod arrivals;
mod board;
mod branches;
mod buffer;
mod build;
mod camera;
mod colour;
mod container;
mod decoders;
mod decoding;
mod description;
mod devices;
mod endless;
mod error;
mod exif;
mod flow;
mod gaps;
mod genicam;
mod header;
mod health;
mod heard;
mod jpegs;
mod layout;
mod length;
mod orientations;
mod pick;
mod pictures;
mod probe;
mod reach;
mod reason;
mod remote;
mod room;
mod sender_clock;
mod stamps;
mod still;
mod stream;
mod timeline;
mod variants;

pub use board::{Board, Item};
pub use camera::{Camera, Stopping};
pub use decoders::{DecoderInfo, ElementInfo, decoders, elements};
pub use description::{Pace, describe};
pub use devices::{VideoDevice, video_devices};
pub use error::CaptureError;
pub use flow::Seen;
pub use health::Health;
pub use length::missing_bytes;
pub use probe::{Probe, probe};
pub use remote::{Remote, SnapshotError};
pub use room::{Room, raise_limits};
pub use stream::{Next, Stream, Timing};
