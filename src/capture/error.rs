//! Why a camera gives no frames, in words that an installer understands.

use std::time::Duration;

use gstreamer as gst;

use super::genicam::{self, Reason};
use crate::config::Source;

/// How the operating system says that a device is in use.
const BUSY: &str = "Device or resource busy";

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
    /// Reads an element's error message. `at_first` is whether no frame had come yet.
    pub(super) fn of_message(message: &gst::message::Error, source: &Source, at_first: bool) -> Self {
        let error = message.error();
        let text = error.to_string();
        // The element's own detail follows the last colon of the debug text, after file and line.
        let detail = message.debug().and_then(|debug| debug.rsplit('\n').next().map(str::to_owned));
        let is_http = matches!(source, Source::Http { .. });
        // GStreamer has a kind for that; a driver that does not even let a second one open shows in the debug text only.
        let is_busy = error.matches(gst::ResourceError::Busy)
            || message.debug().is_some_and(|debug| debug.contains(BUSY));
        let known = matches!(source, Source::Genicam(_))
            .then(|| genicam::reason(&error, detail.as_deref()))
            .flatten();
        let is_busy = is_busy || matches!(known, Some(Reason::Held(_)));
        let reason = match detail.as_deref() {
            _ if let Some(Reason::Held(reason) | Reason::Other(reason)) = known => reason,
            Some(detail) if detail.contains("reason not-linked") && at_first => {
                "there is no video in it".to_owned()
            }
            // The HTTP source of GStreamer 1.22 keeps the reason to itself.
            Some("streaming stopped, reason error (-5)") if is_http => {
                "cannot connect, or the connection broke".to_owned()
            }
            Some(detail) if !detail.is_empty() && detail.len() < 200 && !detail.contains(".c(") => {
                format!("{text} ({detail})")
            }
            _ => text,
        };
        if is_busy {
            let reason = redacted(source, &reason);
            return CaptureError::Busy { source_name: source.to_string(), reason };
        }
        let refusal = match error.kind::<gst::ResourceError>() {
            Some(gst::ResourceError::NotAuthorized) => Some("user name or password is wrong, or missing"),
            Some(gst::ResourceError::NotFound) if source.url().is_some() => {
                Some("the server has no such stream")
            }
            _ => None,
        };
        match refusal {
            Some(why) => CaptureError::Refused {
                source_name: source.to_string(),
                reason: format!("{why}: {}", redacted(source, &reason)),
            },
            None => CaptureError::failed(source, &reason),
        }
    }

    /// The server of `source` has shown a certificate that is not trusted.
    pub(super) fn untrusted(source: &Source) -> Self {
        CaptureError::Refused {
            source_name: source.to_string(),
            reason: "its certificate is not one that this machine trusts; with verify_tls = false it is taken all the \
                     same"
                .to_owned(),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_somebody_uses_is_busy() {
        gst::init().unwrap();
        let source = Source::V4l2 { device: "/dev/video0".into() };
        let open = gst::ResourceError::OpenReadWrite;
        for (kind, debug, busy) in [
            (gst::ResourceError::Busy, "v4l2object.c(1): x (): /x:\nCall to S_FMT failed", true),
            (open, "v4l2_calls.c(1): x (): /x:\nsystem error: Device or resource busy", true),
            (open, "v4l2_calls.c(1): x (): /x:\nsystem error: Permission denied", false),
            (gst::ResourceError::NotFound, "v4l2_calls.c(1): x (): /x:\nsystem error: No such device", false),
        ] {
            let message = gst::message::Error::builder(kind, "Device '/dev/video0'").debug(debug).build();
            let gst::MessageView::Error(message) = message.view() else { panic!("{message:?}") };
            let error = CaptureError::of_message(message, &source, true);
            assert_eq!(matches!(error, CaptureError::Busy { .. }), busy, "{error}");
            assert!(error.to_string().starts_with("/dev/video0: Device '/dev/video0' ("), "{error}");
        }
    }
}
