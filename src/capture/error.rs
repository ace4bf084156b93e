//! Why a camera gives no frames, in words that an installer understands.

use std::time::Duration;

use crate::config::Source;

/// Why a camera gives no frames. Whoever logs or publishes it says which camera.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// GStreamer itself cannot start.
    #[error("GStreamer cannot start: {0}")]
    NoGstreamer(String),
    /// The pipeline's text is wrong, or an element of it is not installed.
    #[error("the pipeline cannot be built: {reason}")]
    Unbuildable {
        /// What GStreamer says.
        reason: String,
    },
    /// Pipelines that were abandoned still hang.
    #[error("{source_name}: {hanging} pipelines of it hang; none is opened until one of them ends")]
    Crowded {
        /// The source.
        source_name: String,
        /// How many.
        hanging: usize,
    },
    /// The process may have no more open files or threads.
    #[error(
        "{source_name}: no room for its pipeline: this process may have {most} {what}, and other cameras take them; `spotter \
         check` tells what all of them need"
    )]
    NoRoom {
        /// The source.
        source_name: String,
        /// What there is too little of.
        what: &'static str,
        /// How much this process may have.
        most: u64,
    },
    /// An element failed.
    #[error("{source_name}: {reason}")]
    Failed {
        /// What it was reading, without credentials.
        source_name: String,
        /// What the element says, without credentials.
        reason: String,
    },
    /// The server does not let it in, or has no such stream. Asking again soon is of little use.
    #[error("{source_name}: {reason}")]
    Refused {
        /// What it was reading, without credentials.
        source_name: String,
        /// What the server says, without credentials.
        reason: String,
    },
    /// Somebody else uses the device.
    #[error("{source_name}: {reason}")]
    Busy {
        /// The device.
        source_name: String,
        /// What the element says.
        reason: String,
    },
    /// Starting or stopping takes too long.
    #[error("{source_name}: the pipeline does not {what} within {} s", limit.as_secs())]
    Hangs {
        /// What it was reading, without credentials.
        source_name: String,
        /// What it is to do.
        what: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A frame is not what its caps say.
    #[error("a frame cannot be read: {reason}")]
    BadFrame {
        /// What is wrong with it.
        reason: String,
    },
    /// It gives the same picture over and over.
    #[error("{source_name}: the same picture for {} s more; connecting anew", same.as_secs())]
    Frozen {
        /// What it was reading, without credentials.
        source_name: String,
        /// How long it has been told as frozen.
        same: Duration,
    },
    /// Frames come, and few of them can be decoded.
    #[error("{source_name}: only {decoded} of the last {sent} frames could be decoded; connecting anew")]
    Undecoded {
        /// What it was reading, without credentials.
        source_name: String,
        /// How many could be.
        decoded: u64,
        /// How many came.
        sent: u64,
    },
    /// Nothing came in time.
    #[error("{source_name}: no frame for {} s", waited.as_secs())]
    NoFrames {
        /// What it was reading, without credentials.
        source_name: String,
        /// How long nothing came.
        waited: Duration,
    },
}

impl CaptureError {
    /// The server of `source` has shown a certificate that is not trusted; `fault` says why, as in "has expired".
    pub(super) fn untrusted(source: &Source, fault: &str) -> Self {
        CaptureError::refused(
            source,
            &format!("its certificate {fault}; with verify_tls = false it is taken all the same"),
        )
    }

    /// The server of `source` does not want to.
    pub(super) fn refused(source: &Source, reason: &str) -> Self {
        CaptureError::Refused { source_name: source.to_string(), reason: redacted(source, reason) }
    }

    /// Somebody else uses the device `source`.
    pub(super) fn busy(source: &Source, reason: &str) -> Self {
        CaptureError::Busy { source_name: source.to_string(), reason: redacted(source, reason) }
    }

    /// Something that `source` was read with has failed.
    pub(super) fn failed(source: &Source, reason: &str) -> Self {
        CaptureError::Failed { source_name: source.to_string(), reason: redacted(source, reason) }
    }

    /// The pipeline of `source` cannot be built.
    pub(super) fn unbuildable(source: &Source, reason: &str) -> Self {
        CaptureError::Unbuildable { reason: redacted(source, reason) }
    }

    /// Whether the server is there and does not want to.
    pub fn is_refusal(&self) -> bool {
        matches!(self, CaptureError::Refused { .. })
    }
}

/// `text` in one line, without the credentials of `source`.
fn redacted(source: &Source, text: &str) -> String {
    source.redact(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}
