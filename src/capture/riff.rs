//! What an AVI file says of its own length.
//!
//! GStreamer plays a file that was cut short as if it ended there, and makes up the length that it states, so `replay`
//! asks the file itself.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How many bytes are missing at the end of the AVI file at `path`; nothing when none are, when it does not say how
/// long it is (a recorder that lost its power leaves 0), when it is no AVI file, and when it cannot be read.
pub fn missing_bytes(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let mut header = [0; 12];
    file.read_exact(&mut header).ok()?;
    missing(&header, file.metadata().ok()?.len())
}

fn missing(header: &[u8; 12], length: u64) -> Option<u64> {
    let [b'R', b'I', b'F', b'F', a, b, c, d, b'A', b'V', b'I', b' '] = *header else { return None };
    let stated = u32::from_le_bytes([a, b, c, d]);
    // The first eight bytes do not count; all ones mean that the writer could not tell.
    let missing = (u64::from(stated) + 8).saturating_sub(length);
    (stated != u32::MAX && missing > 0).then_some(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_counted() {
        for (header, length, expected) in [
            (b"RIFF\x64\0\0\0AVI ", 108, None),
            (b"RIFF\x64\0\0\0AVI ", 107, Some(1)),
            (b"RIFF\x64\0\0\0AVI ", 12, Some(96)),
            // Longer than stated: OpenDML files go on after the first RIFF chunk.
            (b"RIFF\x64\0\0\0AVI ", 5000, None),
            (b"RIFF\0\0\0\0AVI ", 5000, None),
            (b"RIFF\xff\xff\xff\xffAVI ", 5000, None),
            (b"RIFF\x64\0\0\0WAVE", 12, None),
            (b"\0\0\0\x18ftypisom", 12, None),
        ] {
            assert_eq!(missing(header, length), expected, "{header:?} {length}");
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
