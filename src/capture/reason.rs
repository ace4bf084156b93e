//! From an element's error message to a reason that says what to do: which status a server gave, what is missing, what comes
//! in the place of video.

mod genicam;

use gstreamer as gst;
use gstreamer::glib;

use super::error::CaptureError;
use super::heard::{Missing, Notes};
use super::pictures::{Came, WEB_PAGE};
use super::reach::{Unreachable, reach};
use crate::config::{Capture, Decoder, Source, Transport};

/// How the operating system says that a device is in use.
const BUSY: &str = "Device or resource busy";
/// Said when every decoder of what comes is one that the configuration leaves out.
const NO_ALLOWED_DECODER: &str = "nothing decodes it that the key decoder allows";

/// An element's error message, and what was heard before it.
pub(super) struct Failure<'a> {
    pub(super) message: &'a gst::message::Error,
    pub(super) capture: &'a Capture,
    /// Whether no frame had come yet.
    pub(super) at_first: bool,
    pub(super) notes: Notes,
}

/// What the element says, taken apart.
struct Said {
    text: String,
    /// The element's own words, without its place in the code.
    detail: Option<String>,
}

impl Failure<'_> {
    /// Why the camera gives no frames.
    pub(super) fn reason(&self) -> CaptureError {
        let source = &self.capture.source;
        let error = self.message.error();
        let debug = self.message.debug();
        // The detail follows the last colon of the debug text, after file and line.
        let detail = debug.as_ref().and_then(|debug| debug.rsplit('\n').next().map(str::to_owned));
        let said = Said::new(error.to_string(), detail);
        // GStreamer has a kind for that; a driver that does not even let a second one open shows in the debug text only.
        if error.matches(gst::ResourceError::Busy) || debug.is_some_and(|debug| debug.contains(BUSY)) {
            return CaptureError::busy(source, &said.whole());
        }
        if matches!(source, Source::Genicam(_))
            && let Some(known) = genicam::reason(&error, said.detail.as_deref())
        {
            return match known {
                genicam::Reason::Held(reason) => CaptureError::busy(source, &reason),
                genicam::Reason::Other(reason) => CaptureError::failed(source, &reason),
            };
        }
        if let Some(fault) = &self.notes.certificate {
            return CaptureError::untrusted(source, fault);
        }
        if lacks_plugin(&error)
            && let Some(reason) = lacking(&self.capture.decoder, self.notes.missing.as_ref())
        {
            return CaptureError::failed(source, &reason);
        }
        if let Some(known) = self.of_server(&error, &said) {
            return known;
        }
        if self.at_first
            && let Some(known) = self.of_beginning(&error, &said)
        {
            return known;
        }
        let reason = match said.detail.as_deref() {
            // The HTTP source of GStreamer 1.22 keeps the reason to itself.
            Some("streaming stopped, reason error (-5)") if matches!(source, Source::Http { .. }) => {
                "cannot connect, or the connection broke".to_owned()
            }
            _ => said.whole(),
        };
        CaptureError::failed(source, &reason)
    }

    /// What the server has answered, by its status.
    fn of_server(&self, error: &glib::Error, said: &Said) -> Option<CaptureError> {
        let source = &self.capture.source;
        if source.url().is_none() && !matches!(source, Source::Pipeline { .. }) {
            return None;
        }
        if said.is_of_broken_connection() {
            let is_picture = self.notes.came.as_ref().is_some_and(Came::is_in_picture);
            return Some(CaptureError::failed(source, if is_picture { BROKE_IN_PICTURE } else { BROKE }));
        }
        let told = said.of_server();
        let status = said.status().or(match error.kind::<gst::ResourceError>() {
            Some(gst::ResourceError::NotAuthorized) => Some(401),
            Some(gst::ResourceError::NotFound) if source.url().is_some() => Some(404),
            _ => None,
        });
        if status == Some(461) || said.text.starts_with("No supported stream was found") {
            return Some(CaptureError::refused(source, &transport(source, status)));
        }
        let refused = |why: &str| Some(CaptureError::refused(source, &format!("{why}: {told}")));
        let failed = |why: &str| Some(CaptureError::failed(source, &format!("{why}: {told}")));
        match status? {
            401 | 407 => refused("user name or password is wrong, or missing"),
            403 => refused(
                "access is forbidden: this user may not watch it, the account is locked, or too many watch it already",
            ),
            404 | 410 => refused("the server has no such stream"),
            453 | 503 | 429 => failed("the server has no room for one more, or is not ready yet"),
            405 | 501 | 551 => failed("the server does not do what a stream takes: it may be no camera's"),
            500..600 => failed("the server failed"),
            400..500 => failed("the server refuses"),
            300..400 => failed("the server sends on to another address"),
            _ => None,
        }
    }

    /// Why nothing has come at all.
    fn of_beginning(&self, error: &glib::Error, said: &Said) -> Option<CaptureError> {
        let source = &self.capture.source;
        let detail = said.detail.as_deref().unwrap_or_default();
        let failed = |reason: &str| Some(CaptureError::failed(source, reason));
        if detail.contains("reason not-linked") {
            return failed(SOUND_ONLY);
        }
        if detail.contains("Parse error") && matches!(source, Source::Rtsp { .. }) {
            return failed(
                "what answers there does not speak RTSP, or not at this path: look at the port and the path",
            );
        }
        if detail.contains("Server can not provide an SDP") {
            return failed("what answers there describes no stream: look at the port and the path");
        }
        let is_http = matches!(source, Source::Http { .. });
        if is_http && detail.contains("Can't typefind") {
            let why = self.notes.came.as_ref().and_then(Came::why_ended);
            return failed(why.as_deref().unwrap_or(UNTOLD));
        }
        if is_http && (error.matches(gst::StreamError::TypeNotFound) || said.text.contains("type of stream"))
        {
            let called = self.notes.content_type.as_deref().map_or(String::new(), |called| {
                format!(": the server calls it {}", called.split(';').next().unwrap_or(called).trim())
            });
            return failed(&format!("{UNTOLD}{called}"));
        }
        let is_unconnected = match source {
            Source::Http { .. } => detail == "streaming stopped, reason error (-5)" || detail.is_empty(),
            Source::Rtsp { .. } => detail.contains("Failed to connect"),
            _ => false,
        };
        let (url, verify_tls) = match source {
            Source::Http { url, verify_tls } | Source::Rtsp { url, verify_tls, .. } if is_unconnected => {
                (url, *verify_tls)
            }
            _ => return None,
        };
        let (plain, encrypted) = if is_http { ("http", "https") } else { ("rtsp", "rtsps") };
        match reach(url, verify_tls) {
            Err(Unreachable::Untrusted(fault)) => Some(CaptureError::untrusted(source, &fault)),
            Err(Unreachable::NoTls) => failed(&format!(
                "it answers, and not with TLS: the address may have to begin with {plain}://, or its port is wrong"
            )),
            Err(Unreachable::No(why)) => failed(&format!("cannot connect: {why}")),
            Ok(()) if is_http && !url.is_encrypted() => failed(&format!(
                "it ends the connection without an answer: the address may have to begin with {encrypted}://, or its \
                 port is wrong"
            )),
            Ok(()) if is_http => None,
            Ok(()) => failed("cannot connect: it took no connection, and takes one a moment later"),
        }
    }
}

/// Why a source gives no frames of which all streams are known, and none is video that was decoded.
pub(super) fn without_video(capture: &Capture, notes: &Notes) -> CaptureError {
    let missing = notes.missing.as_ref().filter(|missing| is_video(&missing.media));
    let reason = missing.and_then(|missing| lacking(&capture.decoder, Some(missing)));
    CaptureError::failed(&capture.source, reason.as_deref().unwrap_or(SOUND_ONLY))
}

/// That nothing installed, or nothing allowed, plays what comes.
fn lacking(decoder: &Decoder, missing: Option<&Missing>) -> Option<String> {
    let Some(Missing { media, name }) = missing else {
        return (*decoder != Decoder::Auto).then(|| NO_ALLOWED_DECODER.to_owned());
    };
    Some(match &**media {
        "text/html" => WEB_PAGE.to_owned(),
        _ if *decoder != Decoder::Auto && is_video(media) => NO_ALLOWED_DECODER.to_owned(),
        text if text.starts_with("text/") || NO_VIDEO.contains(&text) => {
            format!("it is {text} and no video")
        }
        _ => format!("nothing that is installed plays it: GStreamer misses \"{name}\" for {media}"),
    })
}

/// Whether a type is decoded to pictures.
fn is_video(media: &str) -> bool {
    media.starts_with("video/") || media.starts_with("image/")
}

/// Said when a server ends the connection before all has come that it has stated.
const BROKE: &str = "the connection broke before all came that the server had announced";
/// Said when that was a picture.
const BROKE_IN_PICTURE: &str = "the connection broke in the middle of a picture";
/// Said when there are other streams.
const SOUND_ONLY: &str = "there is no video in it";
/// Said when nothing tells what comes.
const UNTOLD: &str = "what comes is no video that can be told";
/// Types beside `text/` of what is no video.
const NO_VIDEO: [&str; 5] =
    ["application/pdf", "application/zip", "application/xml", "application/x-executable", "application/sdp"];

impl Said {
    fn new(text: String, detail: Option<String>) -> Self {
        // What the HTTP source adds is the address once more.
        let detail = detail.map(|detail| match detail.split_once(", URL: ") {
            Some((detail, _)) => detail.to_owned(),
            None => detail,
        });
        Said { text, detail }
    }

    fn detail(&self) -> Option<&str> {
        self.detail
            .as_deref()
            .filter(|detail| !detail.is_empty() && detail.len() < 200 && !detail.contains(".c("))
    }

    fn whole(&self) -> String {
        self.detail().map_or_else(|| self.text.clone(), |detail| format!("{} ({detail})", self.text))
    }

    /// What the server has said, without what GStreamer makes of it where that helps nobody.
    fn of_server(&self) -> String {
        let is_empty = self.text == "Unhandled error" || self.text.starts_with("Could not ");
        self.detail().filter(|_| is_empty).map_or_else(|| self.whole(), str::to_owned)
    }

    /// Whether the server gave less than it had stated. GStreamer asks for the rest then, which servers of pictures do not
    /// have: they send the whole once more, or refuse.
    fn is_of_broken_connection(&self) -> bool {
        self.detail.as_deref().is_some_and(|detail| detail.contains("does not accept Range"))
            || self.status() == Some(416)
    }

    /// The three digits in brackets that are a status of HTTP or RTSP.
    fn status(&self) -> Option<u16> {
        let detail = self.detail()?;
        let digits = detail.split('(').skip(1).filter_map(|rest| rest.split_once(')'));
        digits
            .filter(|(digits, _)| digits.len() == 3)
            .filter_map(|(digits, _)| digits.parse().ok())
            .find(|status| (300..600).contains(status))
    }
}

/// What to do about a server that does not send as it is asked to.
fn transport(source: &Source, status: Option<u16>) -> String {
    let status = status.map_or(String::new(), |status| format!(" ({status})"));
    match source {
        Source::Rtsp { transport: Transport::Tcp, .. } => {
            format!("the server does not send over TCP{status}: set transport = \"udp\"")
        }
        Source::Rtsp { transport: Transport::Udp, .. } => {
            format!("the server does not send over UDP{status}: set transport = \"tcp\"")
        }
        _ => format!(
            "the server does not send in this way{status}: rtspsrc has protocols=tcp and protocols=udp"
        ),
    }
}

/// Whether decodebin has found nothing that it may plug.
fn lacks_plugin(error: &glib::Error) -> bool {
    error.matches(gst::CoreError::MissingPlugin) || error.matches(gst::StreamError::CodecNotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(capture: &Capture, message: &gst::Message, notes: Notes) -> CaptureError {
        let gst::MessageView::Error(message) = message.view() else { panic!("{message:?}") };
        Failure { message, capture, at_first: true, notes }.reason()
    }

    #[test]
    fn a_device_that_somebody_uses_is_busy() {
        gst::init().unwrap();
        let capture = Capture::of(Source::V4l2 { device: "/dev/video0".into() });
        let open = gst::ResourceError::OpenReadWrite;
        for (kind, debug, busy) in [
            (gst::ResourceError::Busy, "v4l2object.c(1): x (): /x:\nCall to S_FMT failed", true),
            (open, "v4l2_calls.c(1): x (): /x:\nsystem error: Device or resource busy", true),
            (open, "v4l2_calls.c(1): x (): /x:\nsystem error: Permission denied", false),
            (gst::ResourceError::NotFound, "v4l2_calls.c(1): x (): /x:\nsystem error: No such device", false),
        ] {
            let message = gst::message::Error::builder(kind, "Device '/dev/video0'").debug(debug).build();
            let error = reason(&capture, &message, Notes::default());
            assert_eq!(matches!(error, CaptureError::Busy { .. }), busy, "{error}");
            assert!(error.to_string().starts_with("/dev/video0: Device '/dev/video0' ("), "{error}");
        }
    }

    #[test]
    fn a_status_is_found_in_what_elements_say() {
        for (text, detail, status) in [
            ("Unhandled error", "Forbidden (403)", Some(403)),
            ("Could not write to resource.", "Error (404): Not Found", Some(404)),
            ("Not Found", "Not Found (404), URL: http://cam/500 (500), Redirect to: (NULL)", Some(404)),
            ("x", "atom has bogus size (12345678)", None),
            ("x", "reason error (-5)", None),
            ("x", "Generic error (200)", None),
        ] {
            let said = Said::new(text.to_owned(), Some(detail.to_owned()));
            assert_eq!(said.status(), status, "{detail}");
        }
    }

    #[test]
    fn a_missing_plug_in_is_named_and_other_things_are_not_called_one() {
        gst::init().unwrap();
        let lacking = |media: &str, decoder: Decoder| {
            let source = Source::parse("http://cam/x", std::path::Path::new("")).unwrap();
            let capture = Capture { decoder, ..Capture::of(source) };
            let missing = Some(Missing { media: media.to_owned(), name: "Quux decoder".to_owned() });
            let text = "Your GStreamer installation is missing a plug-in.";
            let message = gst::message::Error::builder(gst::CoreError::MissingPlugin, text).build();
            reason(&capture, &message, Notes { missing, ..Notes::default() }).to_string()
        };
        let named = "http://cam/x: nothing that is installed plays it: GStreamer misses \"Quux decoder\" for video/x-quux";
        assert_eq!(lacking("video/x-quux", Decoder::Auto), named);
        assert_eq!(lacking("video/x-quux", Decoder::Software), format!("http://cam/x: {NO_ALLOWED_DECODER}"));
        assert_eq!(lacking("text/html", Decoder::Software), format!("http://cam/x: {WEB_PAGE}"));
        assert_eq!(
            lacking("application/pdf", Decoder::Auto),
            "http://cam/x: it is application/pdf and no video"
        );
    }

    #[test]
    fn a_video_that_nothing_decodes_beside_sound_is_not_called_sound_alone() {
        let capture = Capture::of(Source::parse("http://cam/x", std::path::Path::new("")).unwrap());
        let told = |media: &str| {
            let missing = Some(Missing { media: media.to_owned(), name: "Quux decoder".to_owned() });
            without_video(&capture, &Notes { missing, ..Notes::default() }).to_string()
        };
        let named = "http://cam/x: nothing that is installed plays it: GStreamer misses \"Quux decoder\" for video/x-quux";
        assert_eq!(told("video/x-quux"), named);
        assert_eq!(told("application/x-subtitle"), format!("http://cam/x: {SOUND_ONLY}"));
    }
}
