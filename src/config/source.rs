//! Where a camera's frames come from, out of one configuration text.

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

/// Where a camera's frames come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A video file, played at its own speed.
    File {
        /// The file.
        path: PathBuf,
        /// Whether to begin again at its end.
        repeat: bool,
    },
    /// An RTSP camera (`rtsp://`, `rtsps://`).
    Rtsp {
        /// Its address.
        url: CameraUrl,
        /// How its packets travel.
        transport: Transport,
    },
    /// A stream over HTTP (`http://`, `https://`): MJPEG, or a file.
    Http {
        /// Its address.
        url: CameraUrl,
    },
    /// A Video4Linux device (`/dev/video0`).
    V4l2 {
        /// The device node.
        device: PathBuf,
    },
    /// A fragment of a GStreamer pipeline that ends in raw or encoded video.
    Pipeline {
        /// The text, as `gst-launch-1.0` takes it.
        fragment: String,
    },
}

/// How RTP packets travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Interleaved in the RTSP connection: passes firewalls, loses nothing.
    #[default]
    Tcp,
    /// As datagrams.
    Udp,
}

/// A camera's address. Printing it hides user name and password.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraUrl(Url);

impl CameraUrl {
    /// With everything, for the one call that connects.
    pub fn reveal(&self) -> &str {
        self.0.as_str()
    }

    /// User name and password, as they stand in the address, for hiding them in other people's messages.
    pub fn credentials(&self) -> impl Iterator<Item = &str> {
        [self.0.password(), Some(self.0.username())].into_iter().flatten().filter(|part| !part.is_empty())
    }
}

impl fmt::Display for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.username().is_empty() && self.0.password().is_none() {
            return f.write_str(self.0.as_str());
        }
        let mut bare = self.0.clone();
        let cleared = bare.set_username("").and_then(|()| bare.set_password(None));
        match cleared {
            Ok(()) => f.write_str(&bare.as_str().replacen("://", "://***@", 1)),
            Err(()) => write!(f, "{}://***", self.0.scheme()),
        }
    }
}

impl fmt::Debug for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that names no source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSource {
    /// Nothing is there.
    #[error("is empty: give a file, a device such as /dev/video0, or an rtsp:// or http:// address")]
    Empty,
    /// An address that is none.
    #[error("is no address: {0}")]
    BadUrl(String),
    /// A scheme that nothing here speaks.
    #[error("has the scheme `{0}`; allowed: rtsp, rtsps, http, https, file")]
    UnknownScheme(String),
}

impl Source {
    /// Reads `text`: an address with a scheme, a device under `/dev/`, or else a file, relative to `base`.
    ///
    /// # Errors
    /// When the text is empty, or an address that is malformed or of an unknown scheme.
    pub fn parse(text: &str, base: &Path) -> Result<Source, BadSource> {
        if text.trim().is_empty() {
            return Err(BadSource::Empty);
        }
        if !text.contains("://") {
            let path = base.join(text);
            return Ok(if path.starts_with("/dev/") {
                Source::V4l2 { device: path }
            } else {
                Source::File { path, repeat: false }
            });
        }
        // The parser's own words do not repeat the text, which may hold a password.
        let url = Url::parse(text).map_err(|error| BadSource::BadUrl(error.to_string()))?;
        match url.scheme() {
            "rtsp" | "rtsps" | "http" | "https" if url.host_str().is_none_or(str::is_empty) => {
                Err(BadSource::BadUrl("the host is missing".to_owned()))
            }
            "rtsp" | "rtsps" => Ok(Source::Rtsp { url: CameraUrl(url), transport: Transport::default() }),
            "http" | "https" => Ok(Source::Http { url: CameraUrl(url) }),
            "file" => {
                let path = url
                    .to_file_path()
                    .map_err(|()| BadSource::BadUrl("a file address needs an absolute path".to_owned()))?;
                Ok(Source::File { path, repeat: false })
            }
            other => Err(BadSource::UnknownScheme(other.to_owned())),
        }
    }

    /// Hides this source's credentials in `text`, a message of somebody else.
    pub fn redact(&self, text: &str) -> String {
        match self {
            Source::Rtsp { url, .. } | Source::Http { url } => {
                url.credentials().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
            }
            Source::File { .. } | Source::V4l2 { .. } | Source::Pipeline { .. } => text.to_owned(),
        }
    }
}

/// For logs and messages; without credentials.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File { path, .. } => path.display().fmt(f),
            Source::Rtsp { url, .. } | Source::Http { url } => url.fmt(f),
            Source::V4l2 { device } => device.display().fmt(f),
            Source::Pipeline { .. } => f.write_str("its pipeline"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_sources() {
        let base = Path::new("/etc/spotter");
        let shown = |text| Source::parse(text, base).map(|source| format!("{source:?}"));
        insta::assert_debug_snapshot!(
            [
                "clip.avi", "/srv/a b.mp4", "file:///srv/a.mp4", "/dev/video0", "rtsp://cam:554/s1",
                "rtsps://me:secret@cam/s1", "http://me@cam/mjpeg", "", "rtsp:///x", "rtsp://me:se cret@[", "srt://cam",
            ]
            .map(shown),
            @r#"
        [
            Ok(
                "File { path: \"/etc/spotter/clip.avi\", repeat: false }",
            ),
            Ok(
                "File { path: \"/srv/a b.mp4\", repeat: false }",
            ),
            Ok(
                "File { path: \"/srv/a.mp4\", repeat: false }",
            ),
            Ok(
                "V4l2 { device: \"/dev/video0\" }",
            ),
            Ok(
                "Rtsp { url: rtsp://cam:554/s1, transport: Tcp }",
            ),
            Ok(
                "Rtsp { url: rtsps://***@cam/s1, transport: Tcp }",
            ),
            Ok(
                "Http { url: http://***@cam/mjpeg }",
            ),
            Err(
                Empty,
            ),
            Err(
                BadUrl(
                    "the host is missing",
                ),
            ),
            Err(
                BadUrl(
                    "invalid IPv6 address",
                ),
            ),
            Err(
                UnknownScheme(
                    "srt",
                ),
            ),
        ]
        "#
        );
    }

    #[test]
    fn credentials_are_hidden_in_messages() {
        let source = Source::parse("rtsp://admin:s3cret@cam/s1", Path::new("")).expect("a source");
        let redacted = source.redact("could not open rtsp://admin:s3cret@cam/s1 as admin");
        assert_eq!(redacted, "could not open rtsp://***:***@cam/s1 as ***");
    }
}
