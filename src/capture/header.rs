//! What the header of an MP4 file says of how its video is to be shown: the boxes `mvhd`, `tkhd`, `hdlr` and `colr` (ISO/IEC
//! 14496-12).
//!
//! Pure. Called by [`super::container`] with what a demultiplexer reads, piece by piece.

use crate::geometry::Orientation;

/// Bytes of the longest box that is looked for, a `mvhd` with long times, its size and name included.
const LONGEST: usize = 120;
/// What `colr` begins with, in front of primaries, transfer and matrix of two bytes each, and of the flag for full range.
const COLOURS: &[u8] = b"colrnclx";
/// Bytes of `colr` from there to its end.
const COLOURS_BYTES: usize = 15;

/// Looks for the boxes in bytes that come in pieces.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// The end of what came before: too short for the longest box.
    tail: Vec<u8>,
    /// How the whole film is shown.
    film: Option<Orientation>,
    /// How the track that came last is shown.
    track: Option<Orientation>,
    /// How the first track of pictures is shown, after which no other is looked at.
    pictures: Option<Orientation>,
    /// Whether colours have the full range.
    full_range: Option<bool>,
}

impl Header {
    /// Reads the next piece.
    pub(super) fn look(&mut self, piece: &[u8]) {
        let mut bytes = std::mem::take(&mut self.tail);
        bytes.extend_from_slice(piece);
        // Where a box stands across the edge of two pieces it is whole with the second one. One that is read twice says the
        // same twice.
        for at in 4..bytes.len() {
            self.read(&bytes[at - 4..]);
        }
        bytes.drain(..bytes.len().saturating_sub(LONGEST - 1));
        self.tail = bytes;
    }

    /// How pictures are to be shown; nothing where no matrix says so.
    pub(super) fn orientation(&self) -> Option<Orientation> {
        Some(self.pictures?.then(self.film.unwrap_or_default()))
    }

    /// Whether colours have the full range; nothing where no box says so.
    pub(super) fn full_range(&self) -> Option<bool> {
        self.full_range
    }

    /// Reads the box that `bytes` may begin with.
    fn read(&mut self, bytes: &[u8]) {
        let Some((size, name)) = size_and_name(bytes) else { return };
        match (name, size) {
            // By their version, which says how long times are.
            (b"mvhd", 108) => self.film = matrix(bytes, 44).or(self.film),
            (b"mvhd", 120) => self.film = matrix(bytes, 56).or(self.film),
            (b"tkhd", 92) => self.track = matrix(bytes, 48),
            (b"tkhd", 104) => self.track = matrix(bytes, 60),
            (b"hdlr", _) if bytes.get(16..20) == Some(b"vide") => {
                self.pictures = self.pictures.or(self.track);
            }
            (b"colr", _) if self.full_range.is_none() => {
                let found = bytes.get(4..4 + COLOURS_BYTES).filter(|found| found.starts_with(COLOURS));
                self.full_range = found.map(|found| found[COLOURS_BYTES - 1] >> 7 == 1);
            }
            _ => {}
        }
    }
}

fn size_and_name(bytes: &[u8]) -> Option<(u32, &[u8; 4])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*size), rest.first_chunk::<4>()?))
}

/// How a picture is shown by the matrix that begins at `at`: the shown x is `a * x + c * y`, the shown y `b * x + d * y`.
/// Nothing when it turns by anything but quarters, or is cut off.
fn matrix(bytes: &[u8], at: usize) -> Option<Orientation> {
    let entry = |index: usize| {
        let bytes = bytes.get(at + 4 * index..)?.first_chunk::<4>()?;
        Some(i64::from(i32::from_be_bytes(*bytes)))
    };
    // Past each pair stands what belongs to perspective.
    let [a, b, c, d] = [entry(0)?, entry(1)?, entry(3)?, entry(4)?];
    // Writers compute sines and cosines: what should be 0 may be a little beside it.
    let is_small = |small: i64, large: i64| large != 0 && small.abs() * 16 <= large.abs();
    let number = if is_small(b, a) && is_small(c, d) {
        match (a > 0, d > 0) {
            (true, true) => 1,
            (false, true) => 2,
            (false, false) => 3,
            (true, false) => 4,
        }
    } else if is_small(a, b) && is_small(d, c) {
        match (b > 0, c > 0) {
            (true, true) => 5,
            (true, false) => 6,
            (false, false) => 7,
            (false, true) => 8,
        }
    } else {
        return None;
    };
    Orientation::of_exif(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of Exif and the matrices a, b, c, d.
    const WAYS: [(u16, [i32; 4]); 8] = [
        (1, [1, 0, 0, 1]),
        (2, [-1, 0, 0, 1]),
        (3, [-1, 0, 0, -1]),
        (4, [1, 0, 0, -1]),
        (5, [0, 1, 1, 0]),
        (6, [0, 1, -1, 0]),
        (7, [0, -1, -1, 0]),
        (8, [0, -1, 1, 0]),
    ];

    fn a_box(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], name, content].concat()
    }

    /// A box with `before` bytes in front of its matrix and `behind` after it.
    fn with_matrix(name: &[u8; 4], [a, b, c, d]: [i32; 4], before: usize, behind: usize) -> Vec<u8> {
        let one = 1 << 16;
        let matrix = [a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30].map(i32::to_be_bytes).concat();
        a_box(name, &[&vec![0; before][..], &matrix, &vec![0; behind]].concat())
    }

    fn handler(kind: &[u8; 4]) -> Vec<u8> {
        a_box(b"hdlr", &[&[0; 8][..], kind, &[0; 13]].concat())
    }

    /// The header of a film with sound in front of its pictures, and bytes behind it.
    fn film(film: [i32; 4], track: [i32; 4], is_long: bool, is_full: bool) -> Vec<u8> {
        let (mvhd, tkhd) = if is_long { (48, 52) } else { (36, 40) };
        let flag = if is_full { 0x80 } else { 0 };
        [
            vec![7; 40],
            with_matrix(b"mvhd", film, mvhd, 28),
            with_matrix(b"tkhd", [1, 0, 0, 1], tkhd, 8),
            handler(b"soun"),
            with_matrix(b"tkhd", track, tkhd, 8),
            handler(b"vide"),
            a_box(b"colr", &[b"nclx", &[0, 1, 0, 1, 0, 1, flag][..]].concat()),
            with_matrix(b"tkhd", [-1, 0, 0, -1], tkhd, 8),
            handler(b"vide"),
            vec![0x80; 200],
        ]
        .concat()
    }

    fn read(bytes: &[u8], length: usize) -> Header {
        let mut header = Header::default();
        for piece in bytes.chunks(length) {
            header.look(piece);
            assert!(header.tail.len() < LONGEST);
        }
        header
    }

    #[test]
    fn boxes_are_found_in_pieces_of_any_length() {
        for (is_full, is_long) in [(true, true), (true, false), (false, true), (false, false)] {
            let bytes = film([1, 0, 0, 1], [0, 1, -1, 0], is_long, is_full);
            for length in 1..200 {
                let header = read(&bytes, length);
                assert_eq!(header.full_range(), Some(is_full), "{length}");
                assert_eq!(header.orientation(), Some(Orientation::CLOCKWISE), "{length}");
            }
        }
    }

    #[test]
    fn each_matrix_is_the_way_that_exif_numbers() {
        for (number, matrix) in WAYS {
            let expected = Orientation::of_exif(number);
            assert_eq!(read(&film([1, 0, 0, 1], matrix, false, false), 4096).orientation(), expected);
            assert_eq!(read(&film(matrix, [1, 0, 0, 1], false, false), 4096).orientation(), expected);
        }
        let both = read(&film([0, 1, -1, 0], [0, 1, -1, 0], false, false), 4096);
        assert_eq!(both.orientation(), Some(Orientation::HALF_TURN));
    }

    #[test]
    fn a_matrix_may_scale_and_be_a_little_off_and_no_more() {
        let of = |entries: [i32; 4]| {
            let [a, b, c, d] = entries;
            matrix(&[a, b, 0, c, d, 0, 0, 0, 1 << 30].map(i32::to_be_bytes).concat(), 0)
        };
        assert_eq!(of([0, 20_000, -20_000, 0]), Some(Orientation::CLOCKWISE));
        assert_eq!(of([3, 65_535, -65_535, -3]), Some(Orientation::CLOCKWISE));
        assert_eq!(of([46_341, 46_341, -46_341, 46_341]), None, "45 degrees");
        assert_eq!(of([0, 0, 0, 0]), None);
        assert_eq!(of([i32::MIN, 0, 0, i32::MIN]), Some(Orientation::HALF_TURN));
    }

    #[test]
    fn a_file_without_the_boxes_states_nothing() {
        let header = read(b"\0\0\0\x13colrnclc\0\x01\0\x01\0\x01\x80\0\0\0\x10colrprof\0\0\0\x20tkhd", 4096);
        assert_eq!((header.full_range(), header.orientation()), (None, None));
        // A track whose matrix is missing, and one of sound.
        let sound = [with_matrix(b"tkhd", [0, 1, -1, 0], 40, 8), handler(b"soun")].concat();
        assert_eq!(read(&sound, 4096).orientation(), None);
    }
}
