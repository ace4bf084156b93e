//! What publishing costs per tag: `cargo bench --bench publish`.
//!
//! The time that `Handle::tag` takes from the thread that recognises, and the rate at which tags reach the embedded broker
//! and are acknowledged, with the outbox in memory and on disk (in the system's temporary folder).

use std::sync::Arc;
use std::time::{Duration, Instant};

use spotter::clock::{SystemClock, Timestamp};
use spotter::config;
use spotter::geometry::BBox;
use spotter::name::Name;
use spotter::publish::broker::Broker;
use spotter::publish::{Accelerators, Node, Publisher};
use spotter::tag::{Body, ModelRef, Phase, Tag, TrackId};
use uuid::Uuid;

type Failure = Box<dyn std::error::Error>;

/// Tags at the pace of a very busy node, for the caller's time.
const PACED: u64 = 5_000;
/// Between two of them.
const PACE: Duration = Duration::from_millis(1);
/// Tags as fast as they go, for the rate.
const FAST: u64 = 20_000;

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    for (name, directory) in [("in memory", None), ("on disk", Some(folder.path().to_owned()))] {
        let broker = Broker::start(None)?;
        let mqtt = config::Mqtt {
            host: "127.0.0.1".to_owned(),
            port: broker.port(),
            outbox: config::Outbox { directory, ..config::Outbox::in_memory() },
            ..config::Mqtt::default()
        };
        let publisher = Publisher::start(&mqtt, node()?, Arc::new(SystemClock), |_| false)?;
        let handle = publisher.handle();
        let until = |acknowledged: u64| -> Result<(), Failure> {
            let deadline = Instant::now() + Duration::from_secs(120);
            while handle.counts().acknowledged < acknowledged {
                if Instant::now() > deadline {
                    return Err(format!("not all tags arrive: {:?}", handle.counts()).into());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(())
        };
        let tag = tag()?;
        handle.tag(&tag);
        until(1)?;
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..PACED {
            let start = Instant::now();
            handle.tag(&tag);
            times.push(start.elapsed());
            std::thread::sleep(PACE);
        }
        until(1 + PACED)?;
        times.sort();
        let at = |share: f64| times[(share * (times.len() - 1) as f64) as usize];
        println!(
            "{name}: the caller waits {:.1?} (median), {:.1?} (99 %), {:.1?} at most",
            at(0.5),
            at(0.99),
            at(1.0)
        );
        let start = Instant::now();
        for sent in 0..FAST {
            handle.tag(&tag);
            // Far below what the memory takes.
            if sent % 1_000 == 999 {
                until(1 + PACED + sent.saturating_sub(4_000))?;
            }
        }
        until(1 + PACED + FAST)?;
        let rate = FAST as f64 / start.elapsed().as_secs_f64();
        println!("{name}: {rate:.0} tags/s acknowledged by the broker inside");
        publisher.stop(Duration::from_secs(5));
        broker.stop();
    }
    Ok(())
}

fn node() -> Result<Node, Failure> {
    Ok(Node {
        name: Name::new("bench")?,
        boot: Uuid::new_v4(),
        version: "0".to_owned(),
        models: Vec::new(),
        accelerators: Accelerators { asked: vec!["cpu".to_owned()], used: "cpu".to_owned() },
        cameras: Vec::new(),
    })
}

fn tag() -> Result<Tag, Failure> {
    let model = ModelRef {
        name: "model".to_owned(),
        version: "1.0.0".to_owned(),
        sha256: "ab".repeat(32),
        on: "cpu".into(),
    };
    Ok(Tag {
        camera: Name::new("ramp")?,
        phase: Phase::Update,
        track: Some(TrackId(1)),
        tracks: Vec::new(),
        at: Timestamp::from_micros(1_767_323_045_678_900),
        label: Arc::from("person"),
        score: 0.631_249,
        bbox: BBox { x: 0.41, y: 0.5, w: 0.1, h: 0.3 },
        model: Arc::new(model),
        latency: Duration::from_micros(83_417),
        clock: spotter::clock::Standing::default(),
        at_by: spotter::clock::ClockOf::default(),
        body: Body::Object(None),
    })
}
