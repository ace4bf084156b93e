//! Where a camera's frames come from, out of one configuration text.

mod address;
mod secrets;

use std::fmt;
use std::path::{Path, PathBuf};

use url::Url;

use super::genicam::{self, Genicam};

/// How many characters of a pipeline are shown.
const LONGEST_FRAGMENT: usize = 60;

/// Where a camera's frames come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A video file, played as fast as it was recorded.
    File {
        /// The file.
        path: PathBuf,
        /// Whether to begin again at its end.
        repeat: bool,
        /// Frames per second that it was recorded at, when that is not what it states.
        frame_rate: Option<f64>,
    },
    /// An RTSP camera (`rtsp://`, `rtsps://`).
    Rtsp {
        /// Its address.
        url: CameraUrl,
        /// How its packets travel.
        transport: Transport,
        /// Whether the certificate of an `rtsps://` camera must be one that this machine trusts.
        verify_tls: bool,
    },
    /// A stream over HTTP (`http://`, `https://`): MJPEG, HLS, or a file.
    Http {
        /// Its address.
        url: CameraUrl,
        /// Whether the certificate of an `https://` server must be one that this machine trusts.
        verify_tls: bool,
    },
    /// A Video4Linux device (`/dev/video0`).
    V4l2 {
        /// The device node.
        device: PathBuf,
    },
    /// A camera that libcamera knows (`libcamera:`, `libcamera:NAME`).
    Libcamera {
        /// Which; the first when absent.
        camera: Option<String>,
    },
    /// A GigE Vision or USB3 Vision camera (`genicam:`, `genicam:NAME`).
    Genicam(Genicam),
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

/// A camera's address. Printing it hides user name, password and query, which often holds both.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraUrl(Url);

impl CameraUrl {
    /// With everything, for the one call that connects.
    pub fn reveal(&self) -> &str {
        self.0.as_str()
    }

    /// The same as GStreamer's RTSP source reads it, which wants a colon after a user, also before an empty password.
    pub fn reveal_to_rtspsrc(&self) -> String {
        let text = self.reveal();
        if self.0.username().is_empty() || self.0.password().is_some() {
            text.to_owned()
        } else {
            text.replacen('@', ":@", 1)
        }
    }

    /// Whether it is spoken to through TLS.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.0.scheme(), "rtsps" | "https")
    }

    /// Whether it names a user or a password.
    pub fn has_login(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// Its host and its port.
    pub fn place(&self) -> Option<(&str, u16)> {
        let port = match self.0.scheme() {
            "rtsp" => Some(554),
            "rtsps" => Some(322),
            _ => None,
        };
        self.0.host_str().zip(self.0.port_or_known_default().or(port))
    }

    /// Its path, without what may hold secrets.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Writes a login into it. An address of a scheme that [`Source::parse`] allows can always take one.
    /// Both stand as they are: whatever an address could take for something else, `%` among it, is escaped.
    pub fn log_in(&mut self, user: &str, password: &str) {
        let (user, password) = (address::escaped(user), address::escaped(password));
        let taken = self.0.set_username(&user).and_then(|()| self.0.set_password(Some(&password)));
        debug_assert!(taken.is_ok(), "addresses of cameras have hosts");
    }
}

impl fmt::Display for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&secrets::of_url(&self.0))
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
    #[error("has the scheme `{0}`; allowed: rtsp, rtsps, http, https, file, libcamera, genicam; {instead}", instead = address::instead_of(.0))]
    UnknownScheme(String),
    /// A host without a scheme.
    #[error(
        "has no scheme: an address begins with rtsp://, rtsps://, http:// or https://. If it is a file, begin it with ./"
    )]
    NoScheme,
    /// A login with a character that ends the host.
    #[error(
        "has an `@` after its host, as when a user name or a password holds `/`, `?` or `#`: write them as %2F, %3F and \
         %23, and an `@` that belongs to no login as %40, or give username and password_file instead"
    )]
    StrayAt,
    /// A login with a character that begins an escape and does not.
    #[error(
        "has a `%` in its user name or password that begins no escape such as %2F: write it as %25, or give username and \
         password_file instead"
    )]
    BadEscape,
    /// A variable that nobody has filled in.
    #[error(
        "holds {0}, which nothing fills in: Spotter reads no variables. Write the value, or give a login as username and \
         password_file"
    )]
    Placeholder(&'static str),
    /// A name that no camera has.
    #[error("is no camera's name: name, serial number or address, without control characters")]
    BadCameraName,
    /// A character that ends a text for the system and for GStreamer.
    #[error("holds the character NUL")]
    Nul,
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
        if text.contains('\0') {
            return Err(BadSource::Nul);
        }
        if let Some(camera) = text.strip_prefix("libcamera:") {
            let camera = camera.trim_start_matches("//");
            return Ok(Source::Libcamera { camera: (!camera.is_empty()).then(|| camera.to_owned()) });
        }
        if let Some(camera) = text.strip_prefix("genicam:") {
            let camera =
                genicam::camera(camera).map_err(|genicam::BadCameraName| BadSource::BadCameraName)?;
            return Ok(Source::Genicam(Genicam { camera, ..Genicam::default() }));
        }
        address::check(text)?;
        if !text.contains("://") {
            let path = base.join(text);
            return Ok(if path.starts_with("/dev/") {
                Source::V4l2 { device: path }
            } else {
                Source::File { path, repeat: false, frame_rate: None }
            });
        }
        // The parser's own words do not repeat the text, which may hold a password.
        let url = Url::parse(text).map_err(|error| BadSource::BadUrl(error.to_string()))?;
        match url.scheme() {
            "rtsp" | "rtsps" | "http" | "https" if url.host_str().is_none_or(str::is_empty) => {
                Err(BadSource::BadUrl("the host is missing".to_owned()))
            }
            "rtsp" | "rtsps" => {
                Ok(Source::Rtsp { url: CameraUrl(url), transport: Transport::default(), verify_tls: true })
            }
            "http" | "https" => Ok(Source::Http { url: CameraUrl(url), verify_tls: true }),
            "file" => {
                let path = url
                    .to_file_path()
                    .map_err(|()| BadSource::BadUrl("a file address needs an absolute path".to_owned()))?;
                if path.as_os_str().as_encoded_bytes().contains(&0) {
                    return Err(BadSource::Nul);
                }
                Ok(Source::File { path, repeat: false, frame_rate: None })
            }
            other => Err(BadSource::UnknownScheme(other.to_owned())),
        }
    }

    /// The address that it has, when it has one.
    pub fn url(&self) -> Option<&CameraUrl> {
        match self {
            Source::Rtsp { url, .. } | Source::Http { url, .. } => Some(url),
            Source::File { .. }
            | Source::V4l2 { .. }
            | Source::Libcamera { .. }
            | Source::Genicam(_)
            | Source::Pipeline { .. } => None,
        }
    }

    /// Reads a fragment of a pipeline, which is only looked at when it is built.
    ///
    /// # Errors
    /// When it holds the character NUL.
    pub(super) fn fragment(text: &str) -> Result<String, BadSource> {
        if text.contains('\0') {
            return Err(BadSource::Nul);
        }
        address::filled_in(text)?;
        Ok(text.to_owned())
    }

    /// Hides this source's credentials in `text`, a message of somebody else.
    pub fn redact(&self, text: &str) -> String {
        match self {
            Source::Rtsp { url, .. } | Source::Http { url, .. } => secrets::of_message(text, &url.0),
            Source::Pipeline { fragment } => secrets::of_pipeline(text, fragment),
            Source::File { .. } | Source::V4l2 { .. } | Source::Libcamera { .. } | Source::Genicam(_) => {
                text.to_owned()
            }
        }
    }
}

/// Whether `text`, an address or a fragment of a pipeline, holds a login or another secret, or a query, which often is one.
pub(super) fn holds_login(text: &str) -> bool {
    without_secrets(text) != text
}

/// The same text without these.
pub(super) fn without_secrets(text: &str) -> String {
    secrets::of_pipeline(text, text)
}

/// For logs and messages; without credentials.
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File { path, .. } => path.display().fmt(f),
            Source::Rtsp { url, .. } | Source::Http { url, .. } => url.fmt(f),
            Source::V4l2 { device } => device.display().fmt(f),
            Source::Libcamera { camera } => write!(f, "libcamera:{}", camera.as_deref().unwrap_or_default()),
            Source::Genicam(Genicam { camera, .. }) => {
                write!(f, "genicam:{}", camera.as_deref().unwrap_or_default())
            }
            Source::Pipeline { fragment } => {
                let masked = secrets::of_pipeline(fragment, fragment);
                let shown: String = masked.chars().take(LONGEST_FRAGMENT).collect();
                let rest = if shown.len() < masked.len() { " ..." } else { "" };
                write!(f, "pipeline \"{shown}{rest}\"")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_source_holds_what_would_end_its_text() {
        for text in ["a\0.avi", "/dev/video\0", "file:///a%00.avi"] {
            assert_eq!(Source::parse(text, Path::new("/srv")), Err(BadSource::Nul), "{text:?}");
        }
        assert_eq!(Source::fragment("videotestsrc\0"), Err(BadSource::Nul));
        // In an address it stays a percent and two digits.
        assert!(Source::parse("rtsp://cam/%00", Path::new("/srv")).is_ok());
    }

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
                "File { path: \"/etc/spotter/clip.avi\", repeat: false, frame_rate: None }",
            ),
            Ok(
                "File { path: \"/srv/a b.mp4\", repeat: false, frame_rate: None }",
            ),
            Ok(
                "File { path: \"/srv/a.mp4\", repeat: false, frame_rate: None }",
            ),
            Ok(
                "V4l2 { device: \"/dev/video0\" }",
            ),
            Ok(
                "Rtsp { url: rtsp://cam:554/s1, transport: Tcp, verify_tls: true }",
            ),
            Ok(
                "Rtsp { url: rtsps://***@cam/s1, transport: Tcp, verify_tls: true }",
            ),
            Ok(
                "Http { url: http://***@cam/mjpeg, verify_tls: true }",
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
    fn a_pipeline_is_shown_by_its_first_words() {
        let shown = |fragment: &str| Source::Pipeline { fragment: fragment.to_owned() }.to_string();
        assert_eq!(shown("videotestsrc"), "pipeline \"videotestsrc\"");
        assert_eq!(
            shown("rtspsrc location=rtsp://cam/1 user-pw=s3cret latency=200 ! rtph264depay ! h264parse"),
            "pipeline \"rtspsrc location=rtsp://cam/1 user-pw=*** latency=200 ! rtph ...\""
        );
    }
}
