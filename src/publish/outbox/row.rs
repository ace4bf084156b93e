//! How tags and gaps lie in the file.
//!
//! A tag's row: a byte for the form, four for the second in which it was stored (by [`super::age`], little-endian), and
//! the message. A gap's row: reason, boot, first and last number, and the node's name.

use std::sync::Arc;

use uuid::Uuid;

use super::gap::{Gap, GapReason};
use crate::name::Name;
use crate::publish::wire;

/// The message as JSON.
const JSON: u8 = 1;

/// Bytes before the message.
const HEAD: usize = 5;

/// A tag that was stored.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its size in the file.
    pub(super) bytes: usize,
    /// When, by the outbox's clock; `None` when not even that can be read.
    pub(super) seconds: Option<u64>,
    /// The tag, unless the bytes are none.
    pub(super) tag: Option<Arc<wire::Tag>>,
}

/// A tag's row.
pub(super) fn encode(tag: &wire::Tag, seconds: u64) -> Vec<u8> {
    let mut row = Vec::with_capacity(1024);
    row.push(JSON);
    row.extend(stamp(seconds));
    serde_json::to_writer(&mut row, tag).expect("a tag has nothing that fails to serialise");
    row
}

/// A tag's row as if it were stored in this second.
pub(super) fn stamped(mut row: Vec<u8>, seconds: u64) -> Vec<u8> {
    if let Some(place) = row.get_mut(1..HEAD) {
        place.copy_from_slice(&stamp(seconds));
    }
    row
}

fn stamp(seconds: u64) -> [u8; HEAD - 1] {
    u32::try_from(seconds).unwrap_or(u32::MAX).to_le_bytes()
}

/// Reads a tag's row.
pub(super) fn decode(row: &[u8]) -> Row {
    let seconds = row.get(1..HEAD).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes);
    let tag = match row.first() {
        Some(&JSON) => row.get(HEAD..).and_then(|text| serde_json::from_slice(text).ok()),
        _ => None,
    };
    Row { bytes: row.len(), seconds: seconds.map(u64::from), tag: tag.map(Arc::new) }
}

/// A gap's row.
pub(super) fn encode_gap(gap: &Gap) -> Vec<u8> {
    let mut row = vec![gap.reason.index() as u8];
    row.extend(gap.boot.as_bytes());
    row.extend(gap.first.to_le_bytes());
    row.extend(gap.last.to_le_bytes());
    row.extend(gap.node.as_str().as_bytes());
    row
}

/// Reads a gap's row.
pub(super) fn decode_gap(row: &[u8]) -> Option<Gap> {
    let (reason, row) = row.split_first()?;
    let (boot, row) = row.split_first_chunk()?;
    let (first, row) = row.split_first_chunk()?;
    let (last, node) = row.split_first_chunk()?;
    Some(Gap {
        node: Name::new(std::str::from_utf8(node).ok()?).ok()?,
        boot: Uuid::from_bytes(*boot),
        first: u64::from_le_bytes(*first),
        last: u64::from_le_bytes(*last),
        reason: GapReason::from_index(usize::from(*reason))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::test_tags;

    #[test]
    fn rows_give_back_what_was_stored() {
        let tag = test_tags(7..=7).next().unwrap();
        let bytes = encode(&tag, 99);
        let row = decode(&bytes);
        assert_eq!((row.seconds, row.bytes, row.tag.as_deref()), (Some(99), bytes.len(), Some(&tag)));
        assert_eq!(stamped(bytes, 7), encode(&tag, 7));
        for reason in GapReason::ALL {
            let gap = Gap { last: 9, ..Gap::of(&tag, reason) };
            assert_eq!(decode_gap(&encode_gap(&gap)), Some(gap));
        }
    }

    #[test]
    fn what_is_no_row_is_no_tag() {
        let good = encode(&test_tags(7..=7).next().unwrap(), 99);
        for bad in [&[][..], &[JSON], &[JSON, 0, 0, 0, 0, b'{'], &[77; 40], &good[..good.len() - 1]] {
            assert!(decode(bad).tag.is_none(), "{bad:?}");
        }
        assert_eq!(decode_gap(&[0; 20]), None);
        assert_eq!(decode_gap(&[9; 60]), None);
    }
}
