//! Capture: a camera's source becomes frames on the board.
//!
//! One GStreamer pipeline and one control thread per camera; [`crate::daemon`] starts them, `replay` reads a
//! [`Stream`] directly. Only this module uses GStreamer.

mod board;
mod camera;
mod description;
mod health;
mod remote;
mod riff;
mod stream;

pub use board::{Board, Item};
pub use camera::{Camera, Stopping};
pub use description::{Pace, describe};
pub use health::Health;
pub use remote::{Remote, SnapshotError};
pub use riff::missing_bytes;
pub use stream::{CaptureError, Next, Stream, Timing};
