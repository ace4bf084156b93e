//! Tells a camera that gives the same picture over and over from one that looks at a scene where nothing moves.
//!
//! No two pictures of a working sensor are the same: its noise changes some pixel somewhere within seconds, and what an
//! encoder has smoothed away it encodes anew with its next key frame. A camera that hangs gives its encoder one picture,
//! and the same few decoded pictures come round with every group. So the picture is cut into blocks, each block's luma
//! is hashed, and a block is new when its hash is none of the last few that it had. While no more than four blocks of 144
//! are new, as many as a clock takes that is written into the picture, the picture is the same.
//!
//! Pure. Called by [`super::camera`] with some of its frames.

use std::time::{Duration, Instant};

use crate::frame::Image;

/// Blocks across and down.
const BLOCKS: (usize, usize) = (16, 9);
/// How many blocks may change in a picture that is the same: a clock's seconds across the edge of two rows of blocks, and
/// its minutes beside them; or the clocks of a camera and of a recorder.
const CLOCK_BLOCKS: usize = 4;
/// How many hashes of a block are remembered: more than the pictures that one still picture is decoded to.
const REMEMBERED: usize = 16;
/// Pictures that must be the same until that is told; few would prove nothing with one every ten seconds.
const LEAST_PICTURES: u32 = 5;
/// Looks no more often than this.
const PERIOD: Duration = Duration::from_millis(200);

/// Looks for pictures that are the same as those before.
#[derive(Debug, Default)]
pub(super) struct Still {
    size: (u32, u32),
    blocks: Vec<Block>,
    looked: Option<Instant>,
    /// When a picture was new last.
    changed: Option<Instant>,
    /// Pictures since.
    same: u32,
}

#[derive(Clone, Debug)]
struct Block {
    /// A ring of its last hashes.
    hashes: [u64; REMEMBERED],
    next: usize,
    /// When it was new last.
    changed: Instant,
}

impl Still {
    /// Looks at a picture, and gives for how long they have been the same; nothing when it is new, or not enough is known.
    pub(super) fn look(&mut self, image: &Image, now: Instant) -> Option<Duration> {
        let size = image.stored_size();
        if self.size != size {
            *self = Still { size, ..Still::default() };
        }
        if self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= PERIOD) {
            self.looked = Some(now);
            self.compare(&hashes(image), now);
            let changed = self.last_change();
            self.same = if changed == self.changed { self.same.saturating_add(1) } else { 0 };
            self.changed = changed;
        }
        let since = self.changed.filter(|_| self.same >= LEAST_PICTURES)?;
        Some(now.saturating_duration_since(since))
    }

    fn compare(&mut self, hashes: &[u64], now: Instant) {
        if self.blocks.is_empty() {
            let block = |&hash: &u64| Block { hashes: [hash; REMEMBERED], next: 0, changed: now };
            self.blocks = hashes.iter().map(block).collect();
            return;
        }
        for (block, hash) in self.blocks.iter_mut().zip(hashes) {
            if !block.hashes.contains(hash) {
                block.hashes[block.next] = *hash;
                block.next = (block.next + 1) % REMEMBERED;
                block.changed = now;
            }
        }
    }

    /// When more blocks than a clock has were new last.
    fn last_change(&self) -> Option<Instant> {
        let mut changed: Vec<Instant> = self.blocks.iter().map(|block| block.changed).collect();
        changed.sort_unstable_by(|a, b| b.cmp(a));
        changed.get(CLOCK_BLOCKS.min(changed.len().saturating_sub(1))).copied()
    }
}

/// One hash for each block, of every second row of its luma. Small pictures have fewer blocks.
fn hashes(image: &Image) -> Vec<u64> {
    let (width, height) = image.stored_size();
    let (width, height) = (width as usize, height as usize);
    let (across, down) = (BLOCKS.0.min(width), BLOCKS.1.min(height));
    let mut hashes = vec![0u64; across * down];
    for y in (0..height).step_by(2) {
        let row = image.luma_row(y);
        let line = y * down / height * across;
        for x in 0..across {
            let block = &row[x * width / across..(x + 1) * width / across];
            let hash = &mut hashes[line + x];
            *hash = block.chunks(8).fold(*hash, mix);
        }
    }
    hashes
}

/// Adds up to eight bytes to a hash; a multiplication spreads them, as in the Fowler-Noll-Vo hash.
fn mix(hash: u64, bytes: &[u8]) -> u64 {
    let word = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    (hash ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::{Colorimetry, ColourMatrix, PixelFormat};

    const SIZE: (usize, usize) = (320, 180);

    fn image(luma: Vec<u8>) -> Image {
        let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
        let size = (SIZE.0 as u32, SIZE.1 as u32);
        Image::new(PixelFormat::Gray8, size, colorimetry, [SIZE.0, 0, 0], Arc::new(vec![luma])).unwrap()
    }

    /// Looks at a picture four times a second for so long; the longest that it was told to be the same.
    fn longest(seconds: u64, mut picture: impl FnMut(u64) -> Vec<u8>) -> Duration {
        let (begun, mut still) = (Instant::now(), Still::default());
        (0..seconds * 4)
            .filter_map(|n| still.look(&image(picture(n)), begun + Duration::from_millis(250 * n)))
            .max()
            .unwrap_or_default()
    }

    fn scene() -> Vec<u8> {
        (0..SIZE.0 * SIZE.1).map(|n| (n * 7 % 251) as u8).collect()
    }

    #[test]
    fn the_same_picture_is_told() {
        assert_eq!(longest(60, |_| scene()).as_secs(), 59);
    }

    #[test]
    fn a_picture_that_comes_round_with_every_group_is_the_same() {
        let group = |n: u64| scene().iter().map(|&pixel| pixel.wrapping_add((n % 5) as u8)).collect();
        assert!(longest(60, group).as_secs() >= 57);
    }

    #[test]
    fn a_clock_in_the_picture_is_no_life() {
        // Blocks are 20 pixels wide and high. Seconds, and the minutes left of them.
        for (what, rows) in [("in one row of blocks", 4..12), ("across the edge of two", 16..26)] {
            let clock = |n: u64| {
                let mut picture = scene();
                for row in rows.clone() {
                    let digits = |at: usize| row * SIZE.0 + at..row * SIZE.0 + at + 8;
                    picture[digits(10)].fill((n / 4 / 60) as u8);
                    picture[digits(25)].fill((n / 4) as u8);
                }
                picture
            };
            assert!(longest(300, clock).as_secs() >= 298, "{what}");
        }
    }

    #[test]
    fn what_moves_in_more_blocks_than_a_clock_has_is_life() {
        let moves = |n: u64| {
            let mut picture = scene();
            for block in 0..=CLOCK_BLOCKS {
                picture[block * 20..block * 20 + 8].fill((n / 40) as u8);
            }
            picture
        };
        assert!(longest(300, moves).as_secs() <= 20);
    }

    #[test]
    fn noise_of_single_pixels_is_life() {
        // Four pixels of 57,600 change, now and then: with every key frame of a camera that smooths.
        let noisy = |n: u64| {
            let mut picture = scene();
            for place in 0..4u64 {
                let at = (place * 12_347 + n / 20 * 7919) as usize % (SIZE.0 * SIZE.1 / 2);
                let row = at / SIZE.0 * 2;
                picture[row * SIZE.0 + at % SIZE.0] ^= 1 + (n / 20 % 64) as u8;
            }
            picture
        };
        assert!(longest(600, noisy).as_secs() <= 15);
    }

    #[test]
    fn few_pictures_prove_nothing() {
        let (begun, mut still) = (Instant::now(), Still::default());
        for n in 0..=4 {
            assert_eq!(still.look(&image(scene()), begun + Duration::from_secs(10 * n)), None, "{n}");
        }
        let fifth = still.look(&image(scene()), begun + Duration::from_secs(50));
        assert_eq!(fifth, Some(Duration::from_secs(50)));
    }
}
