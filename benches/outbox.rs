//! What the outbox costs: `cargo bench --bench outbox [-- steady|fast|single|size ...]`, everything when nothing is named.
//!
//! `steady`: 1,000 tags a second through append, commit, offer and acknowledgement. `fast`: as fast as it goes. `single`:
//! one tag per commit, the most that `sync = "always"` costs: the tags of a frame share one. `size`: a day's backlog at 10
//! tags a second, on disk, and how long it takes to be opened and drained. The folder is in the system's temporary one:
//! set `TMPDIR` to measure another disk.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use spotter::clock::{SystemClock, Timestamp};
use spotter::config;
use spotter::geometry::{BBox, Point};
use spotter::name::Name;
use spotter::publish::outbox::lanes::Lanes;
use spotter::publish::outbox::{Outbox, Record};
use spotter::publish::{Sequencer, wire};
use spotter::tag::{Body, ModelRef, Phase, Summary, Tag, TrackId};

type Failure = Box<dyn std::error::Error>;

const DAY: u64 = 24 * 3600 * 10;

fn main() -> Result<(), Failure> {
    // Cargo passes `--bench`.
    let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|named| named == name);
    let mut tags = Tags::new()?;
    let json: usize = (0..1000).map(|_| wire::Message::Tag(tags.next()).to_json().len()).sum();
    println!("a tag as JSON: {} bytes on average", json / 1000);
    if wanted("steady") {
        steady(&mut tags)?;
    }
    if wanted("fast") {
        fast(&mut tags)?;
    }
    if wanted("single") {
        single(&mut tags)?;
    }
    if wanted("size") {
        size(&mut tags)?;
    }
    Ok(())
}

fn steady(tags: &mut Tags) -> Result<(), Failure> {
    const SECONDS: u64 = 10;
    let folder = tempfile::tempdir()?;
    let (outbox, rung) = open(folder.path(), config::Sync::Interval)?;
    let mut lanes = Lanes::new(u32::MAX, Instant::now());
    let (before, start) = (Usage::now(), Instant::now());
    let mut appended: u64 = 0;
    let mut delivered = 0;
    while delivered < SECONDS * 1000 {
        let due = (start.elapsed().as_millis() as u64).min(SECONDS * 1000);
        while appended < due {
            drop(outbox.append(tags.next()));
            appended += 1;
        }
        delivered += deliver(&outbox, &mut lanes);
        // Until the next group of ten, or something to offer.
        rung.recv_timeout(Duration::from_millis(10)).ok();
    }
    report("steady, 1,000 tags a second", delivered, start.elapsed(), &before);
    Ok(())
}

fn fast(tags: &mut Tags) -> Result<(), Failure> {
    const TAGS: u64 = 200_000;
    let folder = tempfile::tempdir()?;
    let (outbox, rung) = open(folder.path(), config::Sync::Interval)?;
    let mut lanes = Lanes::new(u32::MAX, Instant::now());
    let (before, start) = (Usage::now(), Instant::now());
    let (mut appended, mut delivered) = (0, 0);
    while delivered < TAGS {
        while appended < TAGS && appended - delivered < 8_000 {
            drop(outbox.append(tags.next()));
            appended += 1;
        }
        delivered += deliver(&outbox, &mut lanes);
        rung.recv_timeout(Duration::from_millis(10)).ok();
    }
    report("fast", delivered, start.elapsed(), &before);
    Ok(())
}

fn single(tags: &mut Tags) -> Result<(), Failure> {
    const TAGS: u64 = 1_000;
    let folder = tempfile::tempdir()?;
    let (outbox, _) = open(folder.path(), config::Sync::Always)?;
    outbox.append(tags.next()).wait(Duration::from_secs(60));
    let (before, start) = (Usage::now(), Instant::now());
    for _ in 0..TAGS {
        outbox.append(tags.next()).wait(Duration::from_secs(60));
    }
    report("single, a commit for each", TAGS, start.elapsed(), &before);
    println!("  file {} bytes for {TAGS} tags", outbox.depth().disk_bytes);
    Ok(())
}

fn size(tags: &mut Tags) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    {
        let (outbox, _) = open(folder.path(), config::Sync::Always)?;
        let (before, start) = (Usage::now(), Instant::now());
        for _ in 0..DAY / 100 {
            let mut last = None;
            for _ in 0..100 {
                last = Some(outbox.append(wire::Tag { historical: true, ..tags.next() }));
            }
            last.map(|last| last.wait(Duration::from_secs(60)));
        }
        report("size: storing a day in groups of 100", DAY, start.elapsed(), &before);
        let depth = outbox.depth();
        println!("  waiting {}, in memory {}, dropped {:?}", depth.waiting, depth.in_memory, depth.dropped);
    }
    let bytes = std::fs::metadata(folder.path().join(spotter::publish::outbox::FILE))?.len();
    println!("  file {:.1} MB, {:.0} bytes a tag", bytes as f64 / 1e6, bytes as f64 / DAY as f64);
    let start = Instant::now();
    let (outbox, rung) = open(folder.path(), config::Sync::Interval)?;
    let mut lanes = Lanes::new(u32::MAX, Instant::now());
    let mut delivered = 0;
    let mut opened = None;
    while delivered < DAY && start.elapsed() < Duration::from_secs(600) {
        let count = deliver(&outbox, &mut lanes);
        if count > 0 {
            opened.get_or_insert(start.elapsed());
        }
        delivered += count;
        rung.recv_timeout(Duration::from_millis(10)).ok();
    }
    println!("  opened and checked in {opened:.2?}; {delivered} drained in {:.1?}", start.elapsed());
    drop(outbox);
    let bytes = std::fs::metadata(folder.path().join(spotter::publish::outbox::FILE))?.len();
    println!("  file {:.1} MB afterwards", bytes as f64 / 1e6);
    Ok(())
}

/// Offers and acknowledges all there is; how many.
fn deliver(outbox: &Outbox, lanes: &mut Lanes) -> u64 {
    let mut count = 0;
    while let Some(entry) = outbox.next(lanes, Instant::now()) {
        assert!(matches!(entry.record, Record::Tag(_)), "nothing is dropped here: {entry:?}");
        outbox.acknowledged(entry.id);
        count += 1;
    }
    count
}

fn open(folder: &Path, sync: config::Sync) -> Result<(Outbox, mpsc::Receiver<()>), Failure> {
    let (ring, rung) = mpsc::sync_channel(1);
    let notify = move || {
        // A full channel means that it was told already.
        ring.try_send(()).ok();
    };
    let directory = Some(folder.to_owned());
    let config = config::Outbox { directory, sync, max_bytes: 1 << 32, ..config::Outbox::in_memory() };
    Ok((Outbox::open(&config, Arc::new(SystemClock), notify)?, rung))
}

fn report(what: &str, tags: u64, took: Duration, before: &Usage) {
    let used = Usage::now();
    let per_tag = |amount: f64| amount / tags as f64;
    println!("{what}");
    println!(
        "  {:.0} tags/s, {:.1} us CPU a tag, {:.0} bytes written a tag",
        tags as f64 / took.as_secs_f64(),
        per_tag((used.cpu_ticks - before.cpu_ticks) as f64 * 10_000.0),
        per_tag((used.written_bytes - before.written_bytes) as f64),
    );
}

/// What this process has used, as Linux tells: hundredths of a second of CPU, and bytes sent to disks.
struct Usage {
    cpu_ticks: u64,
    written_bytes: u64,
}

impl Usage {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let cpu_ticks =
            fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
        Usage { cpu_ticks, written_bytes: written.unwrap_or(0) }
    }
}

/// Tags as a node makes them: starts, updates, and ends with summaries.
struct Tags {
    sequencer: Sequencer,
    cameras: [Name; 4],
    model: Arc<ModelRef>,
    count: u64,
}

impl Tags {
    fn new() -> Result<Self, Failure> {
        let boot = "01935c1e-7f00-7000-8000-000000000001".parse()?;
        let model = ModelRef {
            name: "centernet-mobilenetv3-coco".to_owned(),
            version: "1".to_owned(),
            sha256: "0123456789abcdef".repeat(4),
            on: "cpu".into(),
        };
        Ok(Tags {
            sequencer: Sequencer::new(Name::new("edge-1")?, boot),
            cameras: [
                Name::new("ramp")?,
                Name::new("gate")?,
                Name::new("yard-north")?,
                Name::new("yard-south")?,
            ],
            model: Arc::new(model),
            count: 0,
        })
    }

    fn next(&mut self) -> wire::Tag {
        self.count += 1;
        let n = self.count;
        // Spread over 0 to 1 without a pattern that repeats soon.
        let part = |salt: u64| {
            (n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(salt as u32) % 9973) as f32 / 9973.0
        };
        let at = Timestamp::from_micros(1_767_323_045_678_900 + 100_000 * n as i64);
        let phase = [Phase::Start, Phase::Update, Phase::End][(n % 3) as usize];
        let summary = (phase == Phase::End).then(|| Summary {
            first_seen: at - Duration::from_millis(5_400 + n % 999),
            last_seen: at,
            best_score: part(1),
            path: (0..12).map(|step| Point { x: part(step), y: part(step + 20) }).collect(),
            labels: vec![(Arc::from("person"), part(3)), (Arc::from("bicycle"), part(4))],
        });
        self.sequencer.message(&Tag {
            camera: self.cameras[(n % 4) as usize].clone(),
            phase,
            track: Some(TrackId(1 + n / 3)),
            tracks: Vec::new(),
            at,
            label: Arc::from("person"),
            score: part(5),
            bbox: BBox { x: part(6), y: part(7), w: part(8), h: part(9) },
            model: Arc::clone(&self.model),
            latency: Duration::from_micros(60_000 + n % 40_000),
            clock: spotter::clock::Standing::default(),
            at_by: spotter::clock::ClockOf::default(),
            body: Body::Object(summary),
        })
    }
}
