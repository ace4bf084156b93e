//! What came of a server's answer before its first picture, and why there was none, in words for whoever wrote the address.
//!
//! Pure. Read by [`super::super::reason`] and [`super::super::stream`].

/// So many bytes of the beginning are kept: enough for the headers of the first part.
const KEPT: usize = 1024;
/// So many characters of a text are shown.
const SHOWN: usize = 40;
/// Said of a page in the place of video.
pub(in crate::capture) const WEB_PAGE: &str =
    "it is a web page and no video: the address leads to a page of the camera, such as the one to log in";
/// Said when the answer ends before its first byte.
const EMPTY: &str = "the server's answer is empty";

/// What came of one answer.
#[derive(Clone, Debug, Default)]
pub(in crate::capture) struct Came {
    /// What the server calls it, in small letters and without parameters.
    pub(super) content_type: String,
    /// How many bytes.
    pub(super) bytes: u64,
    /// The first of them.
    pub(super) first: Vec<u8>,
    pub(super) pictures: Pictures,
}

/// How far an answer is with its pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pictures {
    /// It should hold some, and has held none.
    #[default]
    None,
    /// The first one has begun.
    Begun,
    /// One has come, or something else than pictures comes.
    NoMatter,
}

impl Came {
    /// Of an answer that the server calls `content_type`.
    pub(super) fn of(content_type: String) -> Self {
        Came { content_type, ..Came::default() }
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        let room = KEPT - self.first.len();
        self.first.extend_from_slice(&piece[..piece.len().min(room)]);
    }

    /// Why an answer has held no picture that has ended; nothing where it has held one or should hold none.
    pub(in crate::capture) fn why_ended(&self) -> Option<String> {
        if self.bytes == 0 { Some(EMPTY.to_owned()) } else { self.why_none() }
    }

    /// Why an answer that goes on has held no picture so far; nothing where that is not known.
    pub(in crate::capture) fn why_none(&self) -> Option<String> {
        match self.pictures {
            _ if self.bytes == 0 => None,
            Pictures::NoMatter => None,
            Pictures::Begun => Some("a picture has begun, and its end has not come".to_owned()),
            Pictures::None => Some(self.what_it_is()),
        }
    }

    /// Whether the first picture has begun and not ended.
    pub(in crate::capture) fn is_in_picture(&self) -> bool {
        self.pictures == Pictures::Begun
    }

    /// In the place of pictures.
    fn what_it_is(&self) -> String {
        let part = self.part();
        let is_page = part.as_deref() == Some("text/html") || is_markup(&self.first) && !is_xml(&self.first);
        if is_page {
            return WEB_PAGE.to_owned();
        }
        if let Some(kind) = picture_type(&self.first) {
            return format!("it is a picture of the type {kind}; JPEG, PNG and WebP are read");
        }
        let called = match &*self.content_type {
            "" => "no JPEG picture in what the server sends".to_owned(),
            called => format!("no JPEG picture in what the server calls {called}"),
        };
        match (part, text(&self.first)) {
            (Some(part), _) if !is_jpeg(&part) => format!("{called}: its parts are {part}"),
            (None, Some(text)) => format!("{called}: it begins with \"{text}\""),
            _ => called,
        }
    }

    /// What the server calls the first part, of several.
    fn part(&self) -> Option<String> {
        let lines = self.first.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(line));
        let types = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let value = value.split(';').next().unwrap_or_default().trim();
            let is_type = name.trim().eq_ignore_ascii_case("content-type") && is_plain(value);
            is_type.then(|| value.to_ascii_lowercase())
        });
        types.take(1).next()
    }
}

/// Whether a type is one of the many that firmwares give to JPEG.
pub(super) fn is_jpeg(called: &str) -> bool {
    ["jpeg", "jpg"].iter().any(|jpeg| called.contains(jpeg))
}

/// Of a picture by its first bytes.
pub(super) fn picture_type(first: &[u8]) -> Option<&'static str> {
    match first {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        // The size of the file, and four bytes that are 0.
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some("image/bmp"),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some("image/tiff"),
        _ => None,
    }
}

/// Whether it begins as pages, XML and JSON do.
pub(super) fn is_document(first: &[u8]) -> bool {
    is_markup(first) || first.trim_ascii_start().starts_with(b"{")
}

fn is_markup(first: &[u8]) -> bool {
    first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start().starts_with(b"<")
}

fn is_xml(first: &[u8]) -> bool {
    first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start().starts_with(b"<?xml")
}

/// The beginning of `first`, where it is a text.
fn text(first: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(first.get(..SHOWN).unwrap_or(first)).ok()?.trim();
    (!text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace()))
        .then(|| text.to_owned())
}

/// Whether a type can be shown.
fn is_plain(value: &str) -> bool {
    value.len() < 100 && value.contains('/') && value.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(content_type: &str, first: &[u8]) -> Option<String> {
        let mut came = Came::of(content_type.to_owned());
        came.add(first);
        came.why_none()
    }

    #[test]
    fn what_comes_in_the_place_of_pictures_is_named() {
        let mixed = "multipart/x-mixed-replace";
        let called = "no JPEG picture in what the server calls";
        for (content_type, first, words) in [
            ("image/jpeg", &b"<!DOCTYPE html><html></html>"[..], WEB_PAGE.to_owned()),
            ("image/jpeg", b"\xef\xbb\xbf\r\n<html>", WEB_PAGE.to_owned()),
            (mixed, b"--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\nlogin", WEB_PAGE.to_owned()),
            (
                mixed,
                b"\r\n--b\ncontent-type:image/PNG\n\n\x89PNG",
                format!("{called} {mixed}: its parts are image/png"),
            ),
            (mixed, b"--b\r\nContent-Type: image/jpeg\r\n\r\n\0\0", format!("{called} {mixed}")),
            (
                "image/jpeg",
                b"{\"error\":1}\n",
                format!("{called} image/jpeg: it begins with \"{{\"error\":1}}\""),
            ),
            (
                "image/jpeg",
                b"<?xml version=\"1.0\"?>",
                format!("{called} image/jpeg: it begins with \"<?xml version=\"1.0\"?>\""),
            ),
            ("image/jpeg", b"\0\x01\x02", format!("{called} image/jpeg")),
            ("", b"--b\r\n\0", "no JPEG picture in what the server sends".to_owned()),
            (
                "image/bmp",
                b"BM\x36\xe1\0\0\0\0\0\0",
                "it is a picture of the type image/bmp; JPEG, PNG and WebP are read".to_owned(),
            ),
        ] {
            assert_eq!(why(content_type, first), Some(words), "{content_type} {first:?}");
        }
    }

    #[test]
    fn only_an_answer_without_a_byte_is_empty() {
        let mut came = Came::of("image/jpeg".to_owned());
        assert_eq!((came.why_none(), came.why_ended()), (None, Some(EMPTY.to_owned())));
        (0..100).for_each(|_| came.add(&[7; 100]));
        assert_eq!((came.bytes, came.first.len()), (10_000, KEPT));
        assert!(came.why_ended().is_some_and(|why| why.starts_with("no JPEG picture")));
        came.pictures = Pictures::Begun;
        assert!(came.why_ended().is_some_and(|why| why.starts_with("a picture has begun")));
        came.pictures = Pictures::NoMatter;
        assert_eq!((came.why_none(), came.why_ended()), (None, None));
    }
}
