//! The annex: what a run leaves that ends before its file is checked.
//!
//! Written by [`super::worker`] on its way out, in one piece and beside the file, which nobody may write to before it is
//! known to be sound. The next run takes it in after the file has passed the check. Entries in their order, each with a
//! byte for what it is, four for its length (little-endian) and its row; at the end the SHA-256 of all that.

use sha2::{Digest, Sha256};

use super::gap::Gap;
use super::row;
use super::state::Batch;
use super::store::Changes;
use crate::publish::wire;

const TAG: u8 = 1;
const GAP: u8 = 2;

/// Bytes of the sum.
const SUM: usize = 32;

/// What an annex holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Annex {
    /// Tells it from any other: no two hold the same tags.
    pub(super) id: u64,
    entries: Vec<Entry>,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Tag(Vec<u8>),
    Gap(Gap),
}

/// What is to be written, as an annex; nothing when that is nothing. Removals cannot be in it: what was acknowledged comes
/// again.
pub(super) fn encode(batch: &Batch) -> Option<Vec<u8>> {
    enum New<'b> {
        Tag(&'b wire::Tag),
        Gap(&'b Gap),
    }
    let tags = batch.inserts.iter().map(|(id, tag)| (*id, New::Tag(tag)));
    let gaps = batch.gaps.iter().filter_map(|(id, gap)| Some((*id, New::Gap(gap.as_ref()?))));
    let mut entries: Vec<_> = tags.chain(gaps).collect();
    entries.sort_by_key(|(id, _)| *id);
    let mut annex = Vec::new();
    for (_, entry) in &entries {
        let (kind, row) = match entry {
            New::Tag(tag) => (TAG, row::encode(tag, 0)),
            New::Gap(gap) => (GAP, row::encode_gap(gap)),
        };
        annex.push(kind);
        annex.extend(u32::try_from(row.len()).unwrap_or(u32::MAX).to_le_bytes());
        annex.extend(row);
    }
    let sum = Sha256::digest(&annex);
    annex.extend_from_slice(&sum);
    (!entries.is_empty()).then_some(annex)
}

/// Reads an annex; nothing when it is damaged.
pub(super) fn decode(bytes: &[u8]) -> Option<Annex> {
    let (mut rest, sum) = bytes.split_last_chunk::<SUM>()?;
    if Sha256::digest(rest).as_slice() != sum {
        return None;
    }
    let mut entries = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        let (length, after) = after.split_first_chunk()?;
        let (row, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        entries.push(match *kind {
            TAG => Entry::Tag(row.to_vec()),
            GAP => Entry::Gap(row::decode_gap(row)?),
            _ => return None,
        });
        rest = after;
    }
    Some(Annex { id: u64::from_le_bytes(*sum.first_chunk()?), entries })
}

impl Annex {
    /// What puts it into the file, from this key on and as of this second: tags grow old from now on.
    pub(super) fn into_changes(self, first_key: u64, seconds: u64) -> Changes {
        let mut changes = Changes { annex: Some(self.id), ..Changes::default() };
        for (key, entry) in (first_key..).zip(self.entries) {
            match entry {
                Entry::Tag(row) => changes.inserts.push((key, row::stamped(row, seconds))),
                Entry::Gap(gap) => changes.gaps.push((key, Some(gap))),
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::publish::outbox::GapReason;
    use crate::publish::test_tags;

    #[test]
    fn an_annex_gives_back_what_was_put_in_and_any_damage_shows() {
        let tags: Vec<Arc<wire::Tag>> = test_tags(1..=3).map(Arc::new).collect();
        let gap = Gap::of(&tags[1], GapReason::Full);
        let batch = Batch {
            inserts: vec![(7, Arc::clone(&tags[0])), (9, Arc::clone(&tags[2]))],
            removals: vec![3],
            gaps: vec![(5, None), (8, Some(gap.clone()))],
        };
        let bytes = encode(&batch).unwrap();
        let changes = decode(&bytes).unwrap().into_changes(40, 99);
        let rows = changes.inserts.iter().map(|(key, bytes)| (*key, row::decode(bytes)));
        let rows: Vec<_> = rows.map(|(key, row)| (key, row.seconds, row.tag)).collect();
        assert_eq!(
            rows,
            [(40, Some(99), Some(Arc::clone(&tags[0]))), (42, Some(99), Some(Arc::clone(&tags[2])))]
        );
        assert_eq!((changes.gaps, changes.removals), (vec![(41, Some(gap))], vec![]));
        for index in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[index] ^= 4;
            assert_eq!(decode(&damaged), None, "byte {index}");
            assert_eq!(decode(&bytes[..index]), None, "{index} bytes");
        }
        assert_eq!(encode(&Batch { gaps: vec![(5, None)], ..Batch::default() }), None);
    }
}
