//! What a file says of its own length: AVI, Matroska, and MP4 with its relatives.
//!
//! GStreamer plays a file that was cut short as if it ended there, and makes up the length that it states, so `replay`
//! asks the file itself.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Boxes that an MP4 file may begin with.
const FIRST_BOXES: [&[u8; 4]; 8] = [b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide"];
/// The elements EBML and Segment of Matroska.
const EBML: u32 = 0x1a45_dfa3;
const SEGMENT: u32 = 0x1853_8067;

/// How many bytes are missing at the end of the file at `path`; nothing when none are, when it does not say how long it
/// is (a recorder that lost its power leaves 0), when it is of another kind, and when it cannot be read.
pub fn missing_bytes(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let stated = stated(&mut file, length).ok()??;
    stated.checked_sub(length).filter(|missing| *missing > 0)
}

/// How long a file says that it is, which has `length` bytes.
fn stated(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<u64>> {
    let mut head = [0; 12];
    file.read_exact(&mut head)?;
    file.rewind()?;
    match head {
        [b'R', b'I', b'F', b'F', a, b, c, d, b'A', b'V', b'I', b' '] => {
            let stated = u32::from_le_bytes([a, b, c, d]);
            // The first eight bytes do not count; all ones mean that the writer could not tell.
            Ok((stated != u32::MAX).then(|| u64::from(stated) + 8))
        }
        [a, b, c, d, ..] if u32::from_be_bytes([a, b, c, d]) == EBML => matroska(file),
        [.., t, y, p, e, _, _, _, _] if FIRST_BOXES.contains(&&[t, y, p, e]) => boxes(file, length),
        _ => Ok(None),
    }
}

/// The end of the last box that begins within `length` bytes.
fn boxes(file: &mut (impl Read + Seek), length: u64) -> io::Result<Option<u64>> {
    let mut at = 0;
    // A box has eight bytes in front at least; fewer are none.
    while at + 8 <= length {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, ..] = head;
        let size = match u32::from_be_bytes([a, b, c, d]) {
            // Up to the end of the file.
            0 => return Ok(None),
            1 => {
                let mut long = [0; 8];
                file.read_exact(&mut long)?;
                u64::from_be_bytes(long)
            }
            size => u64::from(size),
        };
        match at.checked_add(size) {
            Some(end) if size >= 8 => at = end,
            // No box begins like that: padding, or garbage.
            _ => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The end of the segment, which all frames lie in.
fn matroska(file: &mut (impl Read + Seek)) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(4))?;
    let Some(header) = size(file)? else { return Ok(None) };
    let Ok(header) = i64::try_from(header) else { return Ok(None) };
    file.seek(SeekFrom::Current(header))?;
    let mut id = [0; 4];
    file.read_exact(&mut id)?;
    if u32::from_be_bytes(id) != SEGMENT {
        return Ok(None);
    }
    let size = size(file)?;
    let begin = file.stream_position()?;
    Ok(size.and_then(|size| begin.checked_add(size)))
}

/// A number of EBML: the zeros in front of its first bit say how many bytes follow. All ones mean that it is not known.
fn size(file: &mut impl Read) -> io::Result<Option<u64>> {
    let mut first = [0];
    file.read_exact(&mut first)?;
    let zeros = first[0].leading_zeros();
    if zeros >= 8 {
        return Ok(None);
    }
    let mut bytes = [0; 8];
    let count = zeros as usize + 1;
    bytes[8 - count] = first[0] & 0xff_u8.checked_shr(zeros + 1).unwrap_or(0);
    file.read_exact(&mut bytes[9 - count..])?;
    let number = u64::from_be_bytes(bytes);
    Ok((number != (1 << (7 * count)) - 1).then_some(number))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn missing(head: &[u8], length: usize) -> Option<u64> {
        let mut bytes = head.to_vec();
        bytes.resize(length.max(head.len()), 0x55);
        let length = bytes.len() as u64;
        let stated = stated(&mut Cursor::new(bytes), length).ok()??;
        stated.checked_sub(length).filter(|missing| *missing > 0)
    }

    #[test]
    fn what_is_missing_of_an_avi_file_is_counted() {
        for (header, length, expected) in [
            (b"RIFF\x64\0\0\0AVI ", 108, None),
            (b"RIFF\x64\0\0\0AVI ", 107, Some(1)),
            (b"RIFF\x64\0\0\0AVI ", 12, Some(96)),
            // Longer than stated: OpenDML files go on after the first RIFF chunk.
            (b"RIFF\x64\0\0\0AVI ", 5000, None),
            (b"RIFF\0\0\0\0AVI ", 5000, None),
            (b"RIFF\xff\xff\xff\xffAVI ", 5000, None),
            (b"RIFF\x64\0\0\0WAVE", 12, None),
        ] {
            assert_eq!(missing(header, length), expected, "{header:?} {length}");
        }
    }

    #[test]
    fn what_is_missing_of_an_mp4_file_is_counted() {
        let small = b"\0\0\0\x0cftypisom\0\0\0\x64mdat";
        let large = b"\0\0\0\x0cftypisom\0\0\0\x01mdat\0\0\0\0\0\0\0\x64";
        let open = b"\0\0\0\x0cftypisom\0\0\0\0mdat";
        for (head, length, expected) in [
            (&small[..], 112, None),
            (&small[..], 111, Some(1)),
            (&large[..], 112, None),
            (&large[..], 60, Some(52)),
            (&open[..], 60, None),
            // What follows the last whole box is no box.
            (&small[..], 116, None),
        ] {
            assert_eq!(missing(head, length), expected, "{length}");
        }
        let zeros = [&small[..], &[0; 100 - 8 + 40]].concat();
        assert_eq!(missing(&zeros, zeros.len()), None, "padding behind it");
    }

    #[test]
    fn what_is_missing_of_a_matroska_file_is_counted() {
        // An EBML header of three bytes, and a segment of 100 bytes or of unknown length.
        let known = b"\x1a\x45\xdf\xa3\x83abc\x18\x53\x80\x67\x01\0\0\0\0\0\0\x64";
        let short = b"\x1a\x45\xdf\xa3\x83abc\x18\x53\x80\x67\xe4";
        let unknown = b"\x1a\x45\xdf\xa3\x83abc\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff";
        for (head, length, expected) in [
            (&known[..], 120, None),
            (&known[..], 119, Some(1)),
            (&known[..], 500, None),
            (&short[..], 113, None),
            (&short[..], 100, Some(13)),
            (&unknown[..], 100, None),
        ] {
            assert_eq!(missing(head, length), expected, "{length}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let short = folder.path().join("short.avi");
        std::fs::write(&short, b"RIFF").expect("a file");
        for path in [folder.path(), &short, &folder.path().join("missing.avi")] {
            assert_eq!(missing_bytes(path), None, "{}", path.display());
        }
    }
}
