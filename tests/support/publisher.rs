//! A publisher of the node `edge-1` and what it is given.
//!
//! Used by integration tests with `#[path]`.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use spotter::clock::{SystemClock, Timestamp};
use spotter::config::{Mqtt, Outbox};
use spotter::geometry::BBox;
use spotter::name::Name;
use spotter::publish::{Accelerators, Handle, LoadedModel, Node, PublishError, Publisher, Scene};
use spotter::tag::{Body, ModelRef, Phase, Tag, TrackId};
use uuid::Uuid;

/// The moment of the first tags.
pub const BASE: Timestamp = Timestamp::from_micros(1_767_323_045_678_900);

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn model() -> ModelRef {
    ModelRef { name: "test".to_owned(), version: "1".to_owned(), sha256: "0".repeat(64), on: "cpu".into() }
}

/// A broker on loopback, and tags that wait in memory.
pub fn config(port: u16) -> Mqtt {
    Mqtt {
        host: "127.0.0.1".to_owned(),
        port,
        keep_alive: Duration::from_secs(5),
        outbox: Outbox::in_memory(),
        ..Mqtt::default()
    }
}

/// Starts one as a new boot.
pub fn start(config: &Mqtt) -> (Publisher, Handle) {
    start_as(config, Uuid::new_v4()).unwrap()
}

/// Starts one as this boot.
pub fn start_as(config: &Mqtt, boot: Uuid) -> Result<(Publisher, Handle), PublishError> {
    let node = Node {
        name: name("edge-1"),
        boot,
        version: "0.1.0".to_owned(),
        models: vec![LoadedModel {
            reference: model(),
            task: "detect".to_owned(),
            worker: None,
            asked: vec!["cpu".to_owned()],
            passed_over: Vec::new(),
            runs: true,
            since: BASE,
            start: Duration::ZERO,
            accelerated: None,
        }],
        accelerators: Accelerators { asked: vec!["cpu".to_owned()], used: "cpu".to_owned() },
        cameras: vec![Scene { camera: name("ramp"), zones: Vec::new(), activities: false, snapshots: false }],
    };
    let publisher = Publisher::start(config, node, Arc::new(SystemClock), |_| false)?;
    let handle = publisher.handle();
    Ok((publisher, handle))
}

/// The start of a track, seen by the camera `ramp`.
pub fn tag(track: u64) -> Tag {
    Tag {
        camera: name("ramp"),
        phase: Phase::Start,
        track: Some(TrackId(track)),
        tracks: Vec::new(),
        at: BASE + Duration::from_millis(40 * track),
        label: Arc::from("person"),
        score: 0.631_249,
        bbox: BBox { x: 0.41, y: 0.5, w: 0.1, h: 0.3 },
        model: Arc::new(model()),
        latency: Duration::from_micros(83_417),
        clock: spotter::clock::Standing::default(),
        at_by: spotter::clock::ClockOf::default(),
        body: Body::Object(None),
    }
}
