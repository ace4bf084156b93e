//! Publishing: from tags and health to MQTT messages, and back for those who watch.
//!
//! The daemon starts a [`Publisher`] and gives its [`Handle`] to the threads that recognise and capture. A handle never
//! waits for the broker: tags are numbered, put into the outbox and offered by the publisher's own thread. Delivery is at
//! least once and in order, with the limits that [`Handle::tags`] names. [`subscriber`] reads the same messages back and
//! holds them to the contract; [`broker`] is the demo's own broker.
//!
//! Only modules below speak MQTT (`link`, `rumqttd`), and only [`wire`] makes JSON of what is published.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use crate::clock::{Clock, Timestamp};
use crate::config;
use crate::tag::{FrameTracks, Occupancy, Tag};
use crate::telemetry::{CameraStatus, Pulse};

mod audit;
pub mod broker;
mod command;
mod connection;
mod dial;
mod digest;
mod discovery;
mod greet;
mod line;
mod link;
mod mqtt;
mod node;
pub mod outbox;
mod pending;
mod render;
pub mod schema;
mod sequence;
mod settings;
mod shared;
mod status;
pub mod subscriber;
mod suspects;
pub mod topic;
mod window;
pub mod wire;

pub use command::{Ask, Request};
pub use discovery::Scene;
pub use greet::{GreetError, greet};
pub use line::line;
pub use node::{Accelerated, Accelerators, LoadedModel, Node, PassedOver};
pub use sequence::Sequencer;
pub use settings::Settings;
pub use status::loaded_model;

use outbox::Outbox;
use pending::Pending;
use shared::{Order, Shared};

/// Why publishing, watching or the embedded broker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The configured root makes no topics.
    #[error("mqtt.root: {0}")]
    Root(#[from] topic::BadRoot),
    /// TLS without authorities to trust.
    #[error("mqtt.broker: no certificate authorities found; install the package ca-certificates")]
    NoRoots,
    /// A certificate, a key or a name that TLS cannot use.
    #[error("mqtt.{key}: {why}")]
    Tls {
        /// The key of the configuration.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The outbox cannot be had.
    #[error("mqtt.{0}")]
    Outbox(#[from] outbox::OutboxError),
    /// The embedded broker cannot listen.
    #[error("embedded broker: cannot listen on 127.0.0.1:{port}: {why}")]
    Broker {
        /// The port; 0 for any.
        port: u16,
        /// What is in the way.
        why: String,
    },
    /// The operating system gave no thread or no event queue.
    #[error("cannot start the thread `{thread}`: {error}")]
    Thread {
        /// Its name.
        thread: &'static str,
        /// What the operating system says.
        error: std::io::Error,
    },
}

/// What has become of what was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tags handed in since start.
    pub published: u64,
    /// Tags and gap notices that the broker has acknowledged, those of earlier runs among them.
    pub acknowledged: u64,
    /// Tags that it has not.
    pub waiting: u64,
    /// Tags dropped since start: for want of room, for their age, or because the broker takes no message of their size.
    pub dropped: u64,
    /// Messages that the broker refused; each is tried again.
    pub refusals: u64,
    /// Whether the broker is there.
    pub connected: bool,
    /// How often it was reached since start.
    pub connections: u64,
    /// Why it is not there, or what it refused last.
    pub last_error: Option<String>,
}

/// How publishing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Tags that the broker has not acknowledged. Those that the disk was to keep and has not taken in time are not among
    /// them: the log tells of these.
    pub unsent: u64,
    /// Whether these are on the disk and will be sent by the next run; otherwise they are gone.
    pub kept: bool,
    /// Whether the broker has acknowledged the offline statuses. When not, the last will speaks, if the broker is
    /// there at all.
    pub said_goodbye: bool,
}

/// The thread that publishes. When it is dropped without [`Publisher::stop`], the connection is cut and the last will
/// speaks, as after a crash.
pub struct Publisher {
    shared: Arc<Shared>,
    orders: watch::Sender<Order>,
    thread: Option<JoinHandle<bool>>,
}

impl Publisher {
    /// Starts the thread; waits for nothing but the outbox's file. The node is told to be online as soon as the broker is
    /// reached. `requests` takes the commands that the daemon is to carry out and tells whether there was room; it must
    /// not block.
    ///
    /// # Errors
    /// When the configured root is no topic, TLS cannot be set up, another process has the outbox, or there is no thread
    /// to be had.
    pub fn start(
        config: &config::Mqtt,
        node: Node,
        clock: Arc<dyn Clock>,
        requests: impl Fn(Request) -> bool + Send + 'static,
    ) -> Result<Self, PublishError> {
        let Settings { root, dial, .. } = Settings::new(config, &node.name)?;
        let boot = node.boot;
        let wake = Arc::new(Notify::new());
        let outbox = {
            let wake = Arc::clone(&wake);
            Outbox::open(&config.outbox, Arc::clone(&clock), move || wake.notify_one())?
        };
        let pending = Pending::new(config, root, node, outbox, Box::new(requests), clock);
        let shared = Arc::new(Shared::new(pending, wake));
        let (rests, beats) = (Arc::clone(&shared.pulse), Arc::clone(&shared.pulse));
        let (orders, ordered) = watch::channel(Order::Publish);
        let failed = |error| PublishError::Thread { thread: "publish", error };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(move || rests.rest())
            .on_thread_unpark(move || beats.beat())
            .build()
            .map_err(failed)?;
        let run = {
            let shared = Arc::clone(&shared);
            move || {
                let said_goodbye = runtime.block_on(mqtt::run(&shared, dial, boot, ordered));
                // A name that is still being looked up must not hold up the end.
                runtime.shutdown_background();
                said_goodbye
            }
        };
        let thread = std::thread::Builder::new().name("publish".to_owned()).spawn(run).map_err(failed)?;
        Ok(Publisher { shared, orders, thread: Some(thread) })
    }

    /// Goes on with other settings and cameras, as the same boot: numbers go on, and nothing in the outbox is lost. What is
    /// retained about cameras and zones that are no more is cleared; whoever speaks of them still is not heard. When the
    /// settings need another connection, the present one is ended in order, once requests that came over it are answered,
    /// which this call does not wait for; where the node is published no more, it goes offline and leaves nothing behind.
    /// The outbox keeps its folder.
    pub fn change(&self, settings: Settings, cameras: Vec<Scene>) {
        self.shared.pending().change(settings, cameras);
        self.orders.send_replace(Order::Publish);
        self.shared.wake.notify_one();
    }

    /// A way in for a thread that has something to publish.
    pub fn handle(&self) -> Handle {
        Handle { shared: Arc::clone(&self.shared) }
    }

    /// The pulse of the thread, which is at rest while it waits for the broker and for something to publish.
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.shared.pulse
    }

    /// Whether the thread and that of the outbox run. They end only by [`Publisher::stop`], so otherwise one has panicked.
    pub fn is_running(&self) -> bool {
        let publishes = self.thread.as_ref().is_some_and(|thread| !thread.is_finished());
        publishes && self.shared.pending().is_running()
    }

    /// Sends what waits, makes the node and its cameras offline, disconnects and joins the thread, all within `grace`.
    /// When the broker is away, it is tried once more. Then the outbox is closed, for which the disk has what is left of
    /// `grace`, and [`outbox::LEAST_TO_CLOSE`] in any case; a disk that takes longer loses tags if the process does not wait
    /// for it, which the log says. What is published from then on is lost.
    pub fn stop(mut self, grace: Duration) -> Stopped {
        let now = Instant::now();
        let until = now + grace;
        // The last fifth is for the goodbye.
        let said_goodbye = self.end(Order::Stop { flush_until: now + grace.mul_f64(0.8), until });
        let closing = self.shared.pending().close();
        let late = closing.wait(until.saturating_duration_since(Instant::now()));
        let pending = self.shared.pending();
        let unsent = pending.counts().waiting.saturating_sub(late);
        Stopped { unsent, kept: pending.is_kept(), said_goodbye }
    }

    fn end(&mut self, order: Order) -> bool {
        self.orders.send_replace(order);
        let Some(thread) = self.thread.take() else { return false };
        thread.join().unwrap_or_else(|_| {
            tracing::error!("the publishing thread has panicked");
            false
        })
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.end(Order::Abandon);
    }
}

/// With `sync = "always"` whoever publishes waits for the disk no longer than this: a broken one must not stop recognition.
const LONGEST_COMMIT: Duration = Duration::from_secs(1);

/// A way into publishing. Cheap to clone; no call waits for the broker, and none for a disk but [`Handle::tags`] when the
/// configuration wants it.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// The same for a thread that may outlive the publisher.
    pub fn downgrade(&self) -> WeakHandle {
        WeakHandle { shared: Arc::downgrade(&self.shared) }
    }

    /// Publishes a tag as [`Handle::tags`] does.
    pub fn tag(&self, tag: &Tag) {
        self.tags(std::slice::from_ref(tag));
    }

    /// Publishes tags in this order. Each is delivered at least once, and in the order that the outbox documents. It is lost
    /// only when the outbox is full or the tag too old (then a gap notice says so), or when the process dies before the
    /// outbox has it on its disk, which takes 100 ms at most. With `sync = "always"` this call waits until the disk has all
    /// of them, once, and for a second at most; not at all when a call before has done so in vain and the disk has still not
    /// answered.
    pub fn tags(&self, tags: &[Tag]) {
        let last = self.shared.pending().tags(tags);
        // The disk has the others when it has the last.
        if last.is_some_and(|last| last.is_awaited() && !last.wait(LONGEST_COMMIT)) {
            tracing::debug!("tags are not on the disk yet");
        }
    }

    /// Publishes what a camera does. Only the newest status of a camera counts: one that could not be sent before the
    /// next came is replaced by it.
    pub fn camera_status(&self, status: &CameraStatus) {
        self.shared.pending().camera_status(status);
        self.shared.wake.notify_one();
    }

    /// Publishes how a model of the node runs now, in the status of the node.
    pub fn model(&self, model: &LoadedModel) {
        self.shared.pending().model(model);
        self.shared.wake.notify_one();
    }

    /// Publishes how many are in a zone; only the newest counts.
    pub fn occupancy(&self, occupancy: &Occupancy) {
        self.shared.pending().occupancy(occupancy);
        self.shared.wake.notify_one();
    }

    /// Publishes every track of a frame, to those who are there now.
    pub fn tracks(&self, tracks: &FrameTracks) {
        self.shared.pending().tracks(tracks);
        self.shared.wake.notify_one();
    }

    /// Bytes that a picture may have, as far as the configuration and the broker say.
    pub fn picture_bytes(&self) -> Option<usize> {
        self.shared.pending().picture_bytes()
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request, answer: Result<Answer, String>) {
        self.shared.pending().answer(request, answer);
        self.shared.wake.notify_one();
    }

    /// What has become of what was published.
    pub fn counts(&self) -> Counts {
        self.shared.pending().counts()
    }
}

/// A [`Handle`] for a thread that may hang and outlive the publisher: it keeps nothing of it open.
pub struct WeakHandle {
    shared: Weak<Shared>,
}

impl WeakHandle {
    /// The way in; nothing once the publisher is gone.
    pub fn upgrade(&self) -> Option<Handle> {
        self.shared.upgrade().map(|shared| Handle { shared })
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A picture.
    Snapshot(Snapshot),
    /// The configuration was read and is valid; so many cameras.
    Reloaded(usize),
    /// The camera is switched as it was asked to be.
    Switched,
}

/// A camera's picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Capture time.
    pub at: Timestamp,
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The JPEG.
    pub jpeg: Vec<u8>,
}

#[cfg(test)]
fn test_node() -> Node {
    use uuid::Uuid;

    use crate::name::Name;
    use crate::tag::ModelRef;

    let sha256 = "ab".repeat(32);
    let reference =
        ModelRef { name: "centernet".to_owned(), version: "1".to_owned(), sha256, on: "cpu".into() };
    Node {
        name: Name::new("edge-1").unwrap(),
        boot: Uuid::from_u128(0x0193_5c1e_7f00_7000_8000_0000_0000_0001),
        version: "0.1.0".to_owned(),
        models: vec![LoadedModel {
            reference,
            task: "detect".to_owned(),
            worker: None,
            asked: vec!["cpu".to_owned()],
            passed_over: Vec::new(),
            runs: true,
            since: crate::clock::Timestamp::EPOCH,
            start: Duration::from_millis(120),
            accelerated: None,
        }],
        accelerators: Accelerators { asked: vec!["cpu".to_owned()], used: "cpu".to_owned() },
        cameras: Vec::new(),
    }
}

#[cfg(test)]
fn test_tag() -> Tag {
    Tag {
        camera: crate::name::Name::new("ramp").unwrap(),
        phase: crate::tag::Phase::Start,
        track: Some(crate::tag::TrackId(1)),
        tracks: Vec::new(),
        at: crate::clock::Timestamp::EPOCH,
        label: Arc::from("person"),
        score: 0.5,
        bbox: crate::geometry::BBox::WHOLE,
        model: Arc::new(test_node().models.remove(0).reference),
        latency: Duration::from_millis(83),
        clock: crate::clock::Standing::default(),
        at_by: crate::clock::ClockOf::default(),
        body: crate::tag::Body::Object(None),
    }
}

#[cfg(test)]
fn test_tags(numbers: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = wire::Tag> {
    let node = test_node();
    let mut message = Sequencer::new(node.name, node.boot).message(&test_tag());
    numbers.map(move |seq| {
        message.seq = seq;
        message.clone()
    })
}

#[cfg(test)]
fn test_config(port: u16) -> config::Mqtt {
    config::Mqtt {
        host: "127.0.0.1".to_owned(),
        port,
        keep_alive: Duration::from_secs(5),
        outbox: config::Outbox::in_memory(),
        ..config::Mqtt::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[test]
    fn a_disk_that_stalls_is_waited_for_once_and_not_for_each_tag() {
        let root = topic::Root::new("spotter/v1").unwrap();
        let (node, outbox) = (test_node(), Outbox::stalled());
        let pending =
            Pending::new(&test_config(1), root, node, outbox, Box::new(|_| true), Arc::new(SystemClock));
        let handle = Handle { shared: Arc::new(Shared::new(pending, Arc::default())) };
        let tags = vec![test_tag(); 90];
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| handle.tags(&tags));
            while handle.counts().published < 90 {
                assert!(begun.elapsed() < LONGEST_COMMIT, "only {} handed in", handle.counts().published);
                std::thread::yield_now();
            }
        });
        assert!(begun.elapsed() >= LONGEST_COMMIT);
        // Nor for those that come later.
        tags.iter().for_each(|tag| handle.tag(tag));
        assert!(begun.elapsed() < 3 * LONGEST_COMMIT, "{:?}", begun.elapsed());
        assert_eq!(handle.counts().waiting, 180);
    }

    #[test]
    fn a_thread_that_outlives_the_publisher_keeps_nothing_open() {
        let folder = tempfile::tempdir().unwrap();
        let outbox =
            config::Outbox { directory: Some(folder.path().to_path_buf()), ..config::Outbox::in_memory() };
        let config = config::Mqtt { outbox, ..test_config(1) };
        let start = || Publisher::start(&config, test_node(), Arc::new(SystemClock), |_| true).unwrap();
        let publisher = start();
        let weak = publisher.handle().downgrade();
        assert!(weak.upgrade().is_some());
        assert!(publisher.stop(Duration::ZERO).kept);
        assert!(weak.upgrade().is_none());
        // The folder is free again.
        start();
    }
}
