//! The orientation that a JPEG states of itself, in the tag `Orientation` of its Exif part: cameras that hang on their side
//! write it, and decoders of video leave it unread.
//!
//! Pure. Called for each picture before it is decoded, by [`super::flow`].

use crate::geometry::Orientation;

/// What an Exif part begins with, after its marker and length.
const EXIF: &[u8] = b"Exif\0\0";
/// The number of the tag `Orientation`, and of the type of its value, 16 bit.
const ORIENTATION: (u16, u16) = (0x0112, 3);

/// The orientation that is stated; nothing where none is, or what is there is no JPEG.
pub(super) fn orientation(jpeg: &[u8]) -> Option<Orientation> {
    let mut rest = jpeg.strip_prefix(&[0xff, 0xd8])?;
    // Parts before the picture itself, each with its length. The last of them begins a scan.
    while let &[0xff, marker, high, low, ..] = rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let part = rest.get(4..2 + length)?;
        match marker {
            0xe1 if part.starts_with(EXIF) => return of_tiff(&part[EXIF.len()..]),
            0xda => return None,
            _ => rest = &rest[2 + length..],
        }
    }
    None
}

/// Of the first directory of what is laid out as a TIFF file.
fn of_tiff(tiff: &[u8]) -> Option<Orientation> {
    let is_big_endian = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = usize::from(short(directory)?);
    (0..entries).find_map(|entry| {
        let at = directory + 2 + 12 * entry;
        (short(at)? == ORIENTATION.0 && short(at + 2)? == ORIENTATION.1)
            .then(|| Orientation::of_exif(short(at + 8)?))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The head of a JPEG with a part before its Exif part, which has two entries.
    fn jpeg(number: u16, is_big_endian: bool) -> Vec<u8> {
        let short = |value: u16| if is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let long = |value: u32| if is_big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let mut tiff = if is_big_endian { b"MM\0*".to_vec() } else { b"II*\0".to_vec() };
        tiff.extend(long(8));
        tiff.extend(short(2));
        for (tag, value) in [(0x0103, 6), (0x0112, number)] {
            tiff.extend([short(tag), short(3)].concat());
            tiff.extend(long(1));
            tiff.extend([short(value), [0; 2]].concat());
        }
        let part = |marker: u8, content: &[u8]| {
            [&[0xff, marker][..], &(content.len() as u16 + 2).to_be_bytes(), content].concat()
        };
        [vec![0xff, 0xd8], part(0xe0, b"JFIF\0"), part(0xe1, &[EXIF, &tiff].concat()), part(0xda, b"...")]
            .concat()
    }

    #[test]
    fn the_number_is_read_in_both_orders_of_bytes() {
        for (number, is_big_endian) in (0..=9).flat_map(|number| [(number, true), (number, false)]) {
            assert_eq!(orientation(&jpeg(number, is_big_endian)), Orientation::of_exif(number));
        }
    }

    #[test]
    fn what_is_cut_off_states_nothing() {
        let whole = jpeg(6, true);
        let stated = (0..whole.len()).filter(|&length| orientation(&whole[..length]).is_some()).count();
        // Only what follows the part is missing.
        assert_eq!(stated, 7);
        assert_eq!(orientation(b"\xff\xd8\xff\xdb\0\x04ab\xff\xda\0\x02"), None);
        assert_eq!(orientation(b"GIF89a"), None);
    }
}
