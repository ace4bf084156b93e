//! The clock of a camera that sends RTP, as its sender reports (RTCP SR, RFC 3550, section 6.4.1) tell it, beside this one.
//!
//! Pure. A report names one moment by both the camera's time of day and the ticks that its packets are stamped with. Frames
//! whose packets arrive give the pipeline's running time for ticks; so the camera's time of day is known for each frame.
//!
//! It is more even than arrival, and knows how long a frame was on its way. But it is the camera's word: a clock that nobody
//! set is years off. So it is used only while it says that frames come a little after they were captured, and it is taken up
//! slowly, for time must not jump. In any case it is said how far the two clocks differ.

use std::time::Duration;

use crate::clock::ClockOf;
use crate::telemetry::CaptureClock;

/// A frame that the camera says is older than this when it arrives, or comes from the future by more than the second, was
/// stamped by a clock that is wrong.
const BELIEVED_US: (i64, i64) = (-2_000_000, 100_000);
/// In a second, capture times are moved by this part of one at most, when the clock is taken up or given up.
const SLEW: f64 = 0.1;
/// From the beginning of NTP's time, 1900, to that of Unix, in seconds.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;
/// Of a sender report: its type, and its length without blocks.
const SENDER_REPORT: (u8, usize) = (200, 28);

/// What a sender report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    /// Microseconds since 1970, by the camera's clock.
    unix_us: i64,
    /// The same moment in ticks of its packets.
    ticks: u32,
}

impl Report {
    /// Reads the report with which a compound packet begins; nothing when it is another packet, or says no time.
    pub(super) fn read(packet: &[u8]) -> Option<Report> {
        let word = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
        let (kind, length) = SENDER_REPORT;
        if packet.len() < length || packet[0] >> 6 != 2 || packet[1] != kind {
            return None;
        }
        let (seconds, fraction, ticks) = (word(8)?, word(12)?, word(16)?);
        if seconds == 0 {
            return None;
        }
        // NTP's seconds run over in 2036; what has the highest bit not set is after that (RFC 4330, section 3).
        let era = if seconds >> 31 == 0 { 1_i64 << 32 } else { 0 };
        let micros = (u64::from(fraction) * 1_000_000) >> 32;
        Some(Report {
            unix_us: (i64::from(seconds) + era - NTP_TO_UNIX_S) * 1_000_000 + micros as i64,
            ticks,
        })
    }
}

/// The clock of the camera of one connection.
#[derive(Debug, Default)]
pub(super) struct SenderClock {
    /// Ticks and running time of the last packet, and ticks per second.
    packet: Option<(u32, Duration, u32)>,
    report: Option<Report>,
}

impl SenderClock {
    /// A packet has come through that is shown at this running time.
    pub(super) fn packet(&mut self, ticks: u32, rate: u32, running: Duration) {
        self.packet = Some((ticks, running, rate));
    }

    /// A report has come.
    pub(super) fn report(&mut self, report: Report) {
        self.report = Some(report);
    }

    /// What the camera's clock shows at running time zero, in microseconds since 1970.
    pub(super) fn begun_us(&self) -> Option<i64> {
        let ((ticks, running, rate), report) = (self.packet?, self.report?);
        let since = i64::from(report.ticks.wrapping_sub(ticks).cast_signed());
        let reported = i64::try_from(running.as_micros()).ok()? + since * 1_000_000 / i64::from(rate);
        Some(report.unix_us - reported)
    }
}

/// How capture times are brought from arrival to the sender's clock.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// By how much they are, in microseconds, and for which frame's running time that was.
    moved: Option<(i64, Duration)>,
    differs_us: Option<i64>,
}

impl Taken {
    /// How much later than by its arrival a frame was captured, in microseconds; negative where earlier. `differs_us` is the
    /// camera's clock less this one, where that is known.
    pub(super) fn correction_us(&mut self, differs_us: Option<i64>, running: Duration) -> i64 {
        self.differs_us = differs_us;
        let wanted = differs_us.filter(|_| self.by() == ClockOf::Sender).unwrap_or(0);
        let moved = match self.moved {
            None => wanted,
            Some((moved, then)) => {
                let most = (running.saturating_sub(then).as_secs_f64() * SLEW * 1e6) as i64;
                moved + (wanted - moved).clamp(-most, most)
            }
        };
        self.moved = Some((moved, running));
        moved
    }

    /// What is known of it.
    pub(super) fn clock(&self) -> CaptureClock {
        CaptureClock { by: self.by(), differs_s: self.differs_us.map(|differs| differs as f64 / 1e6) }
    }

    /// Which clock capture times are by, or on the way to.
    fn by(&self) -> ClockOf {
        let (oldest, newest) = BELIEVED_US;
        match self.differs_us {
            Some(differs) if (oldest..=newest).contains(&differs) => ClockOf::Sender,
            _ => ClockOf::Arrival,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender report of a camera whose clock shows this, in seconds since 1970.
    fn report(unix_s: f64, ticks: u32) -> Vec<u8> {
        let ntp_s = unix_s + NTP_TO_UNIX_S as f64;
        let mut packet = vec![0x80, 200, 0, 6, 1, 2, 3, 4];
        packet.extend((ntp_s as u32).to_be_bytes());
        packet.extend(((ntp_s.fract() * 4_294_967_296.0) as u32).to_be_bytes());
        packet.extend(ticks.to_be_bytes());
        packet.extend([0; 8]);
        packet
    }

    #[test]
    fn a_report_is_read() {
        let read = Report::read(&report(1_767_323_045.5, 77)).unwrap();
        assert_eq!(read.ticks, 77);
        assert!((read.unix_us - 1_767_323_045_500_000).abs() < 10, "{read:?}");
        let mut receiver = report(1_767_323_045.5, 77);
        receiver[1] = 201;
        assert_eq!(Report::read(&receiver), None);
        assert_eq!(Report::read(&report(1.0, 0)[..27]), None);
        let unset = [&report(1.0, 0)[..8], &[0; 20]].concat();
        assert_eq!(Report::read(&unset), None, "a camera without a clock");
    }

    #[test]
    fn frames_get_the_time_of_the_camera() {
        let mut clock = SenderClock::default();
        assert_eq!(clock.begun_us(), None);
        let at = u32::MAX - 44_999;
        clock.packet(at, 90_000, Duration::from_secs(10));
        // Half a second after the packet, over which ticks run over.
        clock.report(Report { unix_us: 1_000_000_000_000, ticks: at.wrapping_add(45_000) });
        assert_eq!(clock.begun_us(), Some(1_000_000_000_000 - 10_500_000));
        clock.packet(at.wrapping_add(90_000), 90_000, Duration::from_secs(11));
        assert_eq!(clock.begun_us(), Some(1_000_000_000_000 - 10_500_000));
    }

    #[test]
    fn a_clock_that_may_be_right_is_taken_up_slowly_and_another_one_never() {
        let mut taken = Taken::default();
        let mut moved = |differs_us, ms| {
            let moved = taken.correction_us(differs_us, Duration::from_millis(ms));
            (moved, taken.clock().by, taken.clock().differs_s)
        };
        assert_eq!(moved(None, 0), (0, ClockOf::Arrival, None));
        assert_eq!(moved(Some(-250_000), 1000), (-100_000, ClockOf::Sender, Some(-0.25)));
        assert_eq!(moved(Some(-250_000), 2000), (-200_000, ClockOf::Sender, Some(-0.25)));
        assert_eq!(moved(Some(-250_000), 3000), (-250_000, ClockOf::Sender, Some(-0.25)));
        // Somebody sets it wrong.
        assert_eq!(moved(Some(3_600_000_000), 4000), (-150_000, ClockOf::Arrival, Some(3600.0)));
        assert_eq!(moved(Some(3_600_000_000), 6000), (0, ClockOf::Arrival, Some(3600.0)));
        for hours in [-3, 3] {
            let differs = Some(hours * 3_600_000_000);
            assert_eq!(Taken::default().correction_us(differs, Duration::ZERO), 0, "{hours}");
        }
        assert_eq!(
            Taken::default().correction_us(Some(-40_000), Duration::ZERO),
            -40_000,
            "known from the beginning"
        );
    }
}
