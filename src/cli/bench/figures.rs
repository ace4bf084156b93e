//! What `spotter bench` has measured, for people and for machines.

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

/// What this process has used since it began.
pub(super) struct Usage {
    /// The time of all cores together.
    pub(super) processor: Duration,
    /// The most resident memory at any moment.
    pub(super) memory_bytes: u64,
}

/// What was measured.
pub(super) struct Figures {
    /// Frames per second that were to be looked at of each camera.
    pub(super) wanted: f64,
    /// Whether activities were recognised, too.
    pub(super) activities: bool,
    /// Frames per second that were looked at of each camera.
    pub(super) rates: Vec<f64>,
    /// From the capture of a frame to what was published of it, ascending.
    pub(super) latencies: Vec<Duration>,
    pub(super) took: Duration,
    /// The time of all cores together.
    pub(super) processor: Duration,
    /// The most resident memory at any moment.
    pub(super) memory_bytes: u64,
}

impl Usage {
    pub(super) fn now() -> anyhow::Result<Self> {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let processor =
            Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
        let status = std::fs::read_to_string("/proc/self/status").context("cannot read /proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let peak: u64 = peak.and_then(|kb| kb.trim().parse().ok()).context("the kernel tells no VmHWM")?;
        Ok(Usage { processor, memory_bytes: peak * 1024 })
    }
}

impl Figures {
    fn mean_rate(&self) -> f64 {
        self.rates.iter().sum::<f64>() / self.rates.len().max(1) as f64
    }

    /// How evenly the cameras were served: 1 when all alike, and 1 / n when one has everything. By R. Jain et al., "A Quantitative
    /// Measure of Fairness", DEC Research Report 301, 1984.
    fn fairness(&self) -> f64 {
        let (sum, squares) =
            self.rates.iter().fold((0.0, 0.0), |(sum, squares), rate| (sum + rate, squares + rate * rate));
        if squares > 0.0 { sum * sum / (self.rates.len() as f64 * squares) } else { 1.0 }
    }

    /// The latency that so many of a hundred frames do not exceed.
    fn latency(&self, percent: usize) -> Option<Duration> {
        let last = self.latencies.len().checked_sub(1)?;
        self.latencies
            .get((self.latencies.len() * percent).div_ceil(100).saturating_sub(1).min(last))
            .copied()
    }

    fn cores(&self) -> f64 {
        self.processor.as_secs_f64() / self.took.as_secs_f64()
    }

    /// Processor time for each frame that was looked at, whatever else the process did.
    fn per_frame(&self) -> Option<Duration> {
        self.processor.checked_div(u32::try_from(self.latencies.len()).ok()?)
    }

    pub(super) fn json(&self) -> Value {
        let ms = |time: Option<Duration>| time.map(|time| (time.as_secs_f64() * 1e4).round() / 10.0);
        let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "cameras": self.rates.len(),
            "activities": self.activities,
            "seconds": rounded(self.took.as_secs_f64()),
            "fps_wanted": self.wanted,
            "fps": self.rates.iter().copied().map(rounded).collect::<Vec<_>>(),
            "fps_mean": rounded(self.mean_rate()),
            "jain": rounded(self.fairness()),
            "latency_ms": {
                "p50": ms(self.latency(50)), "p95": ms(self.latency(95)), "p99": ms(self.latency(99)),
            },
            "cores_used": rounded(self.cores()),
            "cores": cores(),
            "cpu_ms_per_frame": ms(self.per_frame()),
            "memory_mb": (self.memory_bytes as f64 / 1e5).round() / 10.0,
        })
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.activities { "objects and activities" } else { "objects" };
        let least = self.rates.iter().copied().fold(f64::INFINITY, f64::min);
        let ms = |percent| {
            self.latency(percent).map_or_else(|| "-".to_owned(), |time| time.as_millis().to_string())
        };
        writeln!(f, "{} cameras, {what}, {:.1} s", self.rates.len(), self.took.as_secs_f64())?;
        writeln!(
            f,
            "  looked at   {:.2} of {} frames per second and camera, the least {least:.2}; Jain index {:.3}",
            self.mean_rate(),
            self.wanted,
            self.fairness()
        )?;
        writeln!(
            f,
            "  latency     {} ms in the median, {} ms at 95 %, {} ms at 99 %, from capture to subscriber",
            ms(50),
            ms(95),
            ms(99)
        )?;
        write!(f, "  processor   {:.2} of {} cores", self.cores(), cores())?;
        if let Some(each) = self.per_frame() {
            write!(f, ", {:.1} ms for each frame that was looked at", each.as_secs_f64() * 1000.0)?;
        }
        write!(f, "\n  memory      {:.0} MB at most", self.memory_bytes as f64 / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rates: &[f64], latencies_ms: impl IntoIterator<Item = u64>) -> Figures {
        Figures {
            wanted: 2.0,
            activities: false,
            rates: rates.to_vec(),
            latencies: latencies_ms.into_iter().map(Duration::from_millis).collect(),
            took: Duration::from_secs(10),
            processor: Duration::from_secs(5),
            memory_bytes: 175_000_000,
        }
    }

    #[test]
    fn fairness_is_one_when_all_are_served_alike_and_a_share_when_one_has_all() {
        for (rates, expected) in [(&[2.0, 2.0][..], 1.0), (&[2.0, 0.0, 0.0, 0.0], 0.25), (&[0.0], 1.0)] {
            assert!((figures(rates, []).fairness() - expected).abs() < 1e-9, "{rates:?}");
        }
    }

    #[test]
    fn percentiles_are_of_frames() {
        let hundred = figures(&[1.0], 1..=100);
        let ms = |percent| hundred.latency(percent).unwrap().as_millis();
        assert_eq!((ms(50), ms(95), ms(99), ms(100)), (50, 95, 99, 100));
        assert_eq!(figures(&[1.0], [7]).latency(50), Some(Duration::from_millis(7)));
        assert_eq!(figures(&[1.0], []).latency(99), None);
    }

    #[test]
    fn a_table_and_an_object_say_the_same() {
        let figures = figures(&[2.0, 1.0], [10; 20]);
        let json = figures.json();
        assert_eq!((&json["cores_used"], &json["cpu_ms_per_frame"]), (&0.5.into(), &250.0.into()));
        assert_eq!((&json["jain"], &json["memory_mb"]), (&0.9.into(), &175.0.into()));
        let table = figures.to_string();
        for part in [
            "2 cameras, objects, 10.0 s",
            "1.50 of 2 frames",
            "the least 1.00",
            "0.50 of",
            "250.0 ms",
            "175 MB",
        ] {
            assert!(table.contains(part), "{table}\nhas not: {part}");
        }
    }
}
