//! Why a camera gives no frames, in words that an installer understands.

use std::time::Duration;

use gstreamer as gst;

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
        let reason = match detail.as_deref() {
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
