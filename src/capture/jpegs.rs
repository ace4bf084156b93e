//! Whole JPEG pictures out of bytes in which they stand one after the other, whatever stands between them.
//!
//! Firmwares write MJPEG over HTTP as they like: no boundary before the first part, parts of odd types or without headers,
//! a length that is wrong. A picture itself says where it begins and ends (ITU-T T.81, annex B), so nothing else is read.
//!
//! Pure. Called by [`super::pictures`] with what a server sends.

/// A picture that is longer is none. The largest cameras give 10 MB.
const LONGEST: usize = 32 << 20;
/// Of the end of a picture.
const END: [u8; 2] = [0xff, 0xd9];

/// Takes pictures out of bytes that come in pieces. It holds one picture, unfinished, and no more.
#[derive(Debug, Default)]
pub(super) struct Jpegs {
    /// Bytes from the picture's beginning on; outside of one, the last few.
    bytes: Vec<u8>,
    /// How far they have been read.
    at: usize,
    place: Place,
    /// Whether the picture has begun to show something.
    has_scan: bool,
    /// How many pictures were given.
    count: u64,
}

/// Where in a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Between two.
    #[default]
    Outside,
    /// Where a marker must stand.
    Marker,
    /// In a scan, up to the next marker that ends it.
    Scan,
}

/// What reading one step came to.
enum Step {
    /// It went on.
    Further,
    /// More bytes must come.
    Wait,
    /// The picture ends here.
    Whole,
    /// Another one begins here, before the end of this one.
    Another,
    /// This is no picture.
    Broken,
}

impl Jpegs {
    /// Reads the next piece; gives the pictures that end in it, one after the other in one vector. One whose end never came is
    /// ended where the next begins.
    pub(super) fn read(&mut self, piece: &[u8]) -> Vec<u8> {
        self.bytes.extend_from_slice(piece);
        let mut pictures = Vec::new();
        loop {
            match self.step() {
                Step::Further => {}
                Step::Wait => break,
                Step::Whole => {
                    let end = self.at;
                    if self.has_scan {
                        self.count += 1;
                        pictures.extend_from_slice(&self.bytes[..end]);
                    }
                    self.begin_after(end);
                }
                Step::Another => {
                    let end = self.at;
                    if self.has_scan {
                        self.count += 1;
                        pictures.extend_from_slice(&self.bytes[..end]);
                        pictures.extend_from_slice(&END);
                    }
                    self.begin_after(end);
                }
                // Its two first bytes were no beginning.
                Step::Broken => self.begin_after(2),
            }
        }
        if self.bytes.len() > LONGEST {
            self.begin_after(self.bytes.len());
        }
        pictures
    }

    /// Nothing more comes; gives the picture whose end has not come.
    pub(super) fn finish(&mut self) -> Option<Vec<u8>> {
        let has_scan = std::mem::take(&mut self.has_scan);
        let mut bytes = std::mem::take(&mut self.bytes);
        *self = Jpegs { count: self.count + u64::from(has_scan), ..Jpegs::default() };
        has_scan.then(|| {
            bytes.extend_from_slice(&END);
            bytes
        })
    }

    /// How many pictures were given so far.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Whether a picture has begun and not ended.
    pub(super) fn is_in_picture(&self) -> bool {
        self.place != Place::Outside
    }

    fn begin_after(&mut self, end: usize) {
        self.bytes.drain(..end);
        (self.at, self.place, self.has_scan) = (0, Place::Outside, false);
    }

    fn step(&mut self) -> Step {
        match self.place {
            Place::Outside => {
                let begin = self.bytes.windows(3).position(|three| three == [0xff, 0xd8, 0xff]);
                // What may be the beginning of one stays.
                self.bytes.drain(..begin.unwrap_or_else(|| self.bytes.len().saturating_sub(2)));
                if begin.is_none() {
                    return Step::Wait;
                }
                (self.at, self.place) = (2, Place::Marker);
                Step::Further
            }
            Place::Marker => self.marker(),
            Place::Scan => self.scan(),
        }
    }

    fn marker(&mut self) -> Step {
        let (marker, length) = match self.bytes[self.at..] {
            [0xff, 0xff, ..] => {
                self.at += 1;
                return Step::Further;
            }
            [0xff, 0xd9, ..] => {
                self.at += 2;
                return Step::Whole;
            }
            [0xff, 0xd8, ..] => return Step::Another,
            // Those stand alone.
            [0xff, 0x01 | 0xd0..=0xd7, ..] => {
                self.at += 2;
                return Step::Further;
            }
            [0xff, 0xc0..=0xff, high, low, ..] => {
                (self.bytes[self.at + 1], usize::from(u16::from_be_bytes([high, low])))
            }
            [] | [0xff] | [0xff, 0xc0..=0xff] | [0xff, 0xc0..=0xff, _] => return Step::Wait,
            _ => return Step::Broken,
        };
        if length < 2 {
            return Step::Broken;
        }
        if self.bytes.len() < self.at + 2 + length {
            return Step::Wait;
        }
        self.at += 2 + length;
        if marker == 0xda {
            (self.place, self.has_scan) = (Place::Scan, true);
        }
        Step::Further
    }

    fn scan(&mut self) -> Step {
        match self.bytes[self.at..].iter().position(|&byte| byte == 0xff) {
            None => {
                self.at = self.bytes.len();
                Step::Wait
            }
            Some(further) => {
                self.at += further;
                match self.bytes.get(self.at + 1) {
                    None => return Step::Wait,
                    // A byte of the scan, or a place to restart.
                    Some(0x00 | 0xd0..=0xd7) => self.at += 2,
                    Some(0xff) => self.at += 1,
                    Some(_) => self.place = Place::Marker,
                }
                Step::Further
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture as far as markers go, which shows `content`; its Exif part holds another picture.
    fn picture(content: &[u8]) -> Vec<u8> {
        let thumbnail = b"\xff\xd8\xff\xda\0\x02small\xff\xd9";
        let exif = [&b"\xff\xe1\0\x0f"[..], thumbnail].concat();
        [&b"\xff\xd8"[..], &exif, b"\xff\xc0\0\x04ab\xff\xda\0\x03c", content, b"\xff\xd9"].concat()
    }

    /// What is found in `bytes` that come in pieces of any length.
    fn found(bytes: &[u8]) -> Vec<u8> {
        let by = |length: usize| {
            let mut jpegs = Jpegs::default();
            bytes.chunks(length).flat_map(|piece| jpegs.read(piece)).collect::<Vec<u8>>()
        };
        let whole = by(bytes.len());
        for length in 1..bytes.len().min(40) {
            assert_eq!(by(length), whole, "pieces of {length}");
        }
        whole
    }

    #[test]
    fn pictures_are_found_whatever_stands_between_them() {
        let (one, two) = (picture(b"one\xff\0\xff\xd3"), picture(b"two"));
        let both = [&one[..], &two].concat();
        for (head, between) in [
            ("", ""),
            (
                "--b\r\nContent-Type: image/jpeg\r\nContent-Length: 9999\r\n\r\n",
                "\r\n--b\r\nContent-Type: image/jpg\r\n\r\n",
            ),
            ("Content-Type: image/jpeg\n\n", "\n--b\n\n"),
            ("", "\r\n--b\r\nContent-Type: text/plain\r\n\r\nwarm today\r\n--b\r\n\r\n"),
        ] {
            let sent = [head.as_bytes(), &one, between.as_bytes(), &two, b"\r\n--b--\r\n"].concat();
            assert_eq!(found(&sent), both, "{head:?} {between:?}");
        }
        // Sound between them, in which something looks like a beginning.
        let sent = [&one[..], b"\0\xff\xd8\xff\0\x12\xff\xd8\xff\xc0\0\x01\xff\xd8", &two].concat();
        assert_eq!(found(&sent), both);
    }

    #[test]
    fn a_picture_without_an_end_ends_where_the_next_begins() {
        let (one, two) = (picture(b"one"), picture(b"two"));
        let cut = &one[..one.len() - 2];
        assert_eq!(
            found(&[cut, b"\r\n--b\r\n\r\n", &two].concat()),
            [cut, b"\r\n--b\r\n\r\n", &END, &two].concat()
        );
        let mut jpegs = Jpegs::default();
        assert!(jpegs.read(cut).is_empty());
        assert!(jpegs.is_in_picture());
        assert_eq!(jpegs.finish(), Some([cut, &END].concat()));
        assert_eq!(jpegs.finish(), None);
        assert_eq!((jpegs.count(), jpegs.is_in_picture()), (1, false));
        // One that shows nothing yet is none.
        let head = &one[..2];
        assert_eq!(found(&[head, &two].concat()), two);
    }

    #[test]
    fn what_never_ends_is_forgotten() {
        let mut jpegs = Jpegs::default();
        let begun = picture(b"");
        jpegs.read(&begun[..begun.len() - 2]);
        for _ in 0..LONGEST / (1 << 20) + 1 {
            assert!(jpegs.read(&vec![7; 1 << 20]).is_empty());
            assert!(jpegs.bytes.len() <= LONGEST);
        }
        assert_eq!(jpegs.read(&begun), begun);
        assert!(jpegs.read(&vec![7; 1 << 20]).is_empty() && jpegs.bytes.len() <= 2);
    }
}
