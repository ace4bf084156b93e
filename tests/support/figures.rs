//! What a process holds, from `/proc`: threads, descriptors, memory; and whether that grows.
//!
//! Used by integration tests with `#[path]`.

#![allow(dead_code, reason = "every test uses its own part")]

use std::fs;

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    pub threads: u64,
    pub descriptors: u64,
    /// Memory that it has in RAM, all of it and what is its own (not a file's), in MB (10^6 bytes).
    pub resident_mb: f64,
    pub own_mb: f64,
}

impl Figures {
    /// Nothing when there is no such process any more.
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        Some(Figures {
            threads: number(&status, "Threads:")?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64,
            resident_mb: number(&status, "VmRSS:")? as f64 * 1024.0 / 1e6,
            own_mb: number(&rollup, "Anonymous:")? as f64 * 1024.0 / 1e6,
        })
    }
}

/// The number after a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// A straight line through points by least squares: its slope, and the slope's standard error.
pub fn slope(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |value: fn(&(f64, f64)) -> f64| points.iter().map(value).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let rest: f64 = points.iter().map(|point| (point.1 - y - slope * (point.0 - x)).powi(2)).sum();
    (slope, (rest / (count - 2.0) / spread).sqrt())
}
