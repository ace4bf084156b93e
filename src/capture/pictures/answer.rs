//! One answer of a server: which kind of content it has, the pictures in it, and whether it was a single one.
//!
//! Pure but for the headers, which GStreamer reads.

use gstreamer as gst;

use super::super::jpegs::Jpegs;
use super::came::{self, Came, Pictures};

/// GStreamer looks at what comes only when it has this many bytes, for which it would wait for several small pictures. Zeros
/// behind the first one are skipped.
pub(super) const TELLING: usize = 2048;
/// So many of the last bytes are kept: a boundary has 70 at most (RFC 2046).
const LAST: usize = 128;

/// What comes from the server.
#[derive(Default)]
pub(super) struct Answer {
    came: Came,
    /// How many bytes the server says that there are.
    stated: Option<u64>,
    content: Content,
    /// The last bytes.
    last: Vec<u8>,
    /// The time stamp of the last piece.
    pub(super) at: Option<gst::ClockTime>,
    /// Whether a picture has come, of this answer or one before.
    has_begun: bool,
}

#[derive(Debug, Default)]
enum Content {
    /// Nothing has come.
    #[default]
    Unknown,
    /// JPEG pictures.
    Jpegs(Jpegs),
    /// A picture of another type, as it is.
    Picture,
    /// A picture of a type that nothing here makes frames of.
    Foreign,
    /// Anything else.
    Other,
}

impl Content {
    /// By what the server calls it, and by its first bytes, which are right where the two differ.
    fn of(called: &str, first: &[u8]) -> Content {
        match came::picture_type(first) {
            _ if called.starts_with("multipart/") => Content::Jpegs(Jpegs::default()),
            Some("image/jpeg") => Content::Jpegs(Jpegs::default()),
            Some("image/png" | "image/webp") => Content::Picture,
            Some(_) => Content::Foreign,
            None if came::is_jpeg(called) || first.trim_ascii_start().starts_with(b"--") => {
                Content::Jpegs(Jpegs::default())
            }
            None if called.starts_with("image/") && !came::is_document(first) => Content::Picture,
            None => Content::Other,
        }
    }
}

impl Answer {
    /// The server answers, with these headers.
    pub(super) fn hear(&mut self, headers: &gst::StructureRef) {
        let Ok(response) = headers.get::<gst::Structure>("response-headers") else { return };
        let value = |wanted: &str| {
            let is_wanted = |name: &str| name.eq_ignore_ascii_case(wanted);
            let (_, value) = response.iter().find(|(name, _)| is_wanted(name))?;
            value.get::<String>().ok()
        };
        let called = value("content-type").unwrap_or_default().to_ascii_lowercase();
        let called = called.split(';').next().unwrap_or_default().trim().to_owned();
        let stated = value("content-length").and_then(|length| length.trim().parse().ok());
        *self = Answer { came: Came::of(called), stated, has_begun: self.has_begun, ..Answer::default() };
    }

    /// What takes the place of a piece; nothing when the piece stays as it is.
    pub(super) fn read(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        if matches!(self.content, Content::Unknown) && !piece.is_empty() {
            self.content = Content::of(&self.came.content_type, piece);
        }
        self.came.add(piece);
        self.last.extend_from_slice(&piece[piece.len().saturating_sub(LAST)..]);
        self.last.drain(..self.last.len().saturating_sub(LAST));
        match &mut self.content {
            Content::Jpegs(jpegs) => {
                let pictures = jpegs.read(piece);
                Some(self.telling(pictures))
            }
            Content::Foreign => Some(Vec::new()),
            Content::Unknown | Content::Picture | Content::Other => None,
        }
    }

    /// The answer has ended. Gives a single picture whose end the server has left out; what is left of an answer or a stream
    /// that broke is none.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let is_short = self.stated.is_some_and(|stated| stated > self.came.bytes);
        let is_broken = is_short || self.has_parts() && !self.is_whole();
        let Content::Jpegs(jpegs) = &mut self.content else { return None };
        if is_broken || jpegs.count() > 0 {
            return None;
        }
        let picture = jpegs.finish()?;
        Some(self.telling(picture))
    }

    /// The same pictures; the very first with enough behind it to tell what it is.
    fn telling(&mut self, mut pictures: Vec<u8>) -> Vec<u8> {
        if !pictures.is_empty() && !std::mem::replace(&mut self.has_begun, true) {
            pictures.resize(pictures.len().max(TELLING), 0);
        }
        pictures
    }

    /// Whether this was a single picture. One in an answer of several parts may be the first of a stream that broke, unless
    /// the answer was whole.
    pub(super) fn is_picture(&self) -> bool {
        match &self.content {
            Content::Jpegs(jpegs) => jpegs.count() == 1 && (!self.has_parts() || self.is_whole()),
            Content::Picture => true,
            Content::Unknown | Content::Foreign | Content::Other => false,
        }
    }

    fn has_parts(&self) -> bool {
        self.came.content_type.starts_with("multipart/")
    }

    /// Whether it ended where the server wanted it to: with the last boundary, or after as many bytes as were stated.
    fn is_whole(&self) -> bool {
        let text = self.last.trim_ascii_end();
        let line = text.rsplit(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
        let is_last_boundary = line.len() > 4 && line.starts_with(b"--") && line.ends_with(b"--");
        is_last_boundary || self.stated == Some(self.came.bytes)
    }

    /// What has come so far.
    pub(super) fn came(&self) -> Came {
        let pictures = match &self.content {
            Content::Jpegs(jpegs) if jpegs.count() > 0 => Pictures::NoMatter,
            Content::Jpegs(jpegs) if jpegs.is_in_picture() => Pictures::Begun,
            Content::Picture | Content::Other => Pictures::NoMatter,
            Content::Unknown | Content::Jpegs(_) | Content::Foreign => Pictures::None,
        };
        Came { pictures, ..self.came.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::HEADERS;
    use super::*;

    fn answer(content_type: &str, length: Option<usize>) -> Answer {
        gst::init().unwrap();
        let mut response = gst::Structure::builder("response-headers").field("content-TYPE", content_type);
        if let Some(length) = length {
            response = response.field("Content-Length", length.to_string());
        }
        let headers = gst::Structure::builder(HEADERS).field("response-headers", response.build()).build();
        let mut answer = Answer::default();
        answer.hear(&headers);
        answer
    }

    const JPEG: &[u8] = b"\xff\xd8\xff\xda\0\x02abc\xff\xd9";
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    const MIXED: &str = "multipart/x-mixed-replace";

    #[test]
    fn what_comes_is_known_by_its_name_or_its_first_bytes() {
        for (content_type, first, expected) in [
            ("multipart/x-mixed-replace;boundary=\"a\"", &b"Content-Type: image/jpeg"[..], "Jpegs"),
            ("Multipart/Mixed", b"x", "Jpegs"),
            ("image/jpg", b"x", "Jpegs"),
            ("image/pjpeg", b"x", "Jpegs"),
            ("video/x-motion-jpeg", b"x", "Jpegs"),
            ("video/x-mjpg", b"x", "Jpegs"),
            ("application/octet-stream", JPEG, "Jpegs"),
            ("image/png", JPEG, "Jpegs"),
            ("", b"\r\n--boundary\r\n", "Jpegs"),
            ("image/png", PNG, "Picture"),
            ("image/jpeg", PNG, "Picture"),
            ("text/plain", b"RIFF\0\0\0\0WEBPVP8 ", "Picture"),
            ("image/x-portable-pixmap", b"P6\n", "Picture"),
            ("image/bmp", b"BM\0\0\0\0\0\0\0\0", "Foreign"),
            ("image/jpeg", b"GIF89a", "Foreign"),
            ("image/png", b"<html>", "Other"),
            ("text/html", b"<html>", "Other"),
            ("text/plain", b"BMW", "Other"),
            ("video/mp4", b"\0\0\0\x18ftypmp42", "Other"),
            ("application/octet-stream", b"FLV\x01", "Other"),
        ] {
            let mut answer = answer(content_type, None);
            answer.read(first);
            let content = format!("{:?}", answer.content);
            assert!(content.starts_with(expected), "{content_type} {first:?}: {content}");
        }
    }

    /// Whether an answer in these pieces was a single picture.
    fn is_picture(content_type: &str, length: Option<usize>, pieces: &[&[u8]]) -> bool {
        let mut answer = answer(content_type, length);
        for piece in pieces {
            answer.read(piece);
        }
        answer.finish();
        answer.is_picture()
    }

    #[test]
    fn a_single_picture_is_told_from_a_stream() {
        let two = [JPEG, JPEG].concat();
        for (content_type, pieces, expected) in [
            ("image/jpeg", &[JPEG][..], true),
            ("image/jpeg", &[&JPEG[..4], &JPEG[4..]], true),
            ("image/jpeg", &[&JPEG[..8]], true),
            ("application/octet-stream", &[JPEG], true),
            ("image/png", &[PNG], true),
            ("image/jpeg", &[JPEG, JPEG], false),
            ("image/jpeg", &[&two], false),
            ("image/jpeg", &[b"<html>"], false),
            ("image/png", &[b"<html>"], false),
            ("image/gif", &[b"GIF89a"], false),
            ("video/mp4", &[b"ftyp"], false),
            ("image/jpeg", &[], false),
        ] {
            assert_eq!(is_picture(content_type, None, pieces), expected, "{content_type} {pieces:?}");
        }
    }

    #[test]
    fn a_single_part_is_a_picture_when_the_answer_was_whole() {
        let head = &b"--b\r\nContent-Type: image/jpeg\r\n\r\n"[..];
        let part = [head, JPEG].concat();
        for (end, expected) in [
            (&b"\r\n--b--\r\n"[..], true),
            (b"\n--b--", true),
            (b"\r\n--b\r\n", false),
            (b"\r\n----\r\n", false),
            (b"\r\n", false),
            (b"", false),
        ] {
            for cut in [0, 1, end.len().saturating_sub(3)] {
                let pieces = [&part[..], &end[..cut.min(end.len())], &end[cut.min(end.len())..]];
                assert_eq!(is_picture(MIXED, None, &pieces), expected, "{end:?} {cut}");
            }
            let whole = part.len() + end.len();
            assert!(is_picture(MIXED, Some(whole), &[&part, end]), "all that was stated has come: {end:?}");
        }
        assert!(!is_picture(MIXED, Some(part.len() + 1), &[&part]), "it broke");
        assert!(!is_picture(MIXED, None, &[&part, b"\r\n", &part, b"\r\n--b--\r\n"]), "two");
    }

    #[test]
    fn an_answer_that_breaks_off_in_a_picture_gives_none() {
        for (piece, breaks) in [(&JPEG[..9], true), (JPEG, false), (b"<html>", false), (b"", false)] {
            let mut answer = answer("image/jpeg", Some(JPEG.len()));
            answer.read(piece);
            assert_eq!(answer.finish(), None, "{piece:?}");
            assert_eq!(answer.came().is_in_picture(), breaks, "{piece:?}");
            assert_eq!(answer.is_picture(), piece == JPEG, "{piece:?}");
        }
    }

    #[test]
    fn the_first_picture_is_long_enough_to_tell_what_it_is() {
        let two = [JPEG, JPEG].concat();
        let mut answers = answer("image/jpeg", None);
        let first = answers.read(&two).unwrap();
        assert!(first.starts_with(&two) && first.len() == TELLING);
        assert_eq!(answers.read(&two), Some(two));
        assert_eq!(answer("video/mp4", None).read(b"ftyp"), None);
        let mut cut = answer("image/jpeg", None);
        assert_eq!(cut.read(&JPEG[..9]), Some(Vec::new()));
        let picture = cut.finish().unwrap();
        assert!(picture.starts_with(JPEG) && picture.len() == TELLING);
        // What is left of a stream is no picture.
        for (content_type, pieces) in [("image/jpeg", &[JPEG, &JPEG[..9]][..]), (MIXED, &[&JPEG[..9]])] {
            let mut broken = answer(content_type, None);
            pieces.iter().for_each(|piece| drop(broken.read(piece)));
            assert_eq!(broken.finish(), None, "{content_type}");
        }
    }
}
