//! What is wrong with the camera at the moment, and the place where packets suffer from it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

/// Bytes of an RTP header without extensions; what follows is the payload.
const HEADER_BYTES: usize = 12;
/// Where its time stamp stands.
const TIME_STAMP: std::ops::Range<usize> = 4..8;
/// Of a sender report: its type, and where it has the camera's time.
const SENDER_REPORT: (u8, std::ops::Range<usize>) = (200, 8..16);
/// RTP's clock for video.
const TICKS_PER_SECOND: i64 = 90_000;
/// Of so many payload bytes, one is damaged.
const DAMAGE: u64 = 20;

/// Switches, all off in the beginning.
#[derive(Default)]
pub struct Faults {
    /// The same picture over and over.
    pub frozen: AtomicBool,
    /// Connected, and no data.
    pub silent: AtomicBool,
    /// Payloads are damaged.
    pub garbage: AtomicBool,
    /// Seconds by which time stamps are wrong.
    pub jump_s: AtomicI64,
    /// By how much its clock is ahead, in the units of NTP: 2^-32 s.
    clock: AtomicI64,
    random: AtomicU64,
}

impl Faults {
    pub fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// Lets packets that leave `pad` suffer.
    pub fn strike(self: &Arc<Self>, pad: &gst::Pad) {
        let faults = Arc::clone(self);
        let packets = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
        pad.add_probe(packets, move |_, info| {
            if faults.silent.load(Ordering::Relaxed) {
                return gst::PadProbeReturn::Drop;
            }
            if let Some(packet) = info.buffer_mut() {
                faults.spoil(packet.make_mut());
            } else if let Some(list) = info.buffer_list_mut() {
                let list = list.make_mut();
                for index in 0..list.len() {
                    if let Some(packet) = list.get_mut(index) {
                        faults.spoil(packet);
                    }
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// By how many seconds the camera's clock is ahead.
    pub fn set_clock(&self, seconds: f64) {
        self.clock.store((seconds * 2_f64.powi(32)) as i64, Ordering::Relaxed);
    }

    /// Lets reports that leave `pad` be by the camera's clock.
    pub fn date(self: &Arc<Self>, pad: &gst::Pad) {
        let faults = Arc::clone(self);
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let (kind, time) = SENDER_REPORT;
            if let Some(buffer) = info.buffer_mut()
                && let Ok(mut packet) = buffer.make_mut().map_writable()
                && packet.get(1) == Some(&kind)
                && let Some(time) = packet.get_mut(time)
                && let Ok(told) = <[u8; 8]>::try_from(&*time)
            {
                let told = u64::from_be_bytes(told);
                let dated = told.wrapping_add_signed(faults.clock.load(Ordering::Relaxed));
                time.copy_from_slice(&dated.to_be_bytes());
            }
            gst::PadProbeReturn::Ok
        });
    }

    fn spoil(&self, packet: &mut gst::BufferRef) {
        let jump_s = self.jump_s.load(Ordering::Relaxed);
        let garbage = self.garbage.load(Ordering::Relaxed);
        if jump_s == 0 && !garbage {
            return;
        }
        let Ok(mut bytes) = packet.map_writable() else { return };
        let Some((header, payload)) = bytes.split_at_mut_checked(HEADER_BYTES) else { return };
        if let Ok(stamp) = <[u8; 4]>::try_from(&header[TIME_STAMP]) {
            let jumped = i64::from(u32::from_be_bytes(stamp)) + jump_s * TICKS_PER_SECOND;
            // It runs over every thirteen hours, here as in a healthy camera.
            header[TIME_STAMP].copy_from_slice(&(jumped as u32).to_be_bytes());
        }
        if garbage {
            for byte in payload {
                let random = self.random();
                if random.is_multiple_of(DAMAGE) {
                    *byte ^= (random >> 32) as u8;
                }
            }
        }
    }

    /// Splitmix64.
    fn random(&self) -> u64 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
