//! Outages: the broker and the node are killed again and again, and a foreign subscriber has every tag.
//!
//! The broker is a real mosquitto. It acknowledges before it has saved, so a tag that it has acknowledged is safe only
//! with a subscriber that is there: the test waits for that between two kills, and before a kill until the subscriber
//! has read its socket. What it loses otherwise is not the node's to keep.
//!
//! One file above 500 lines on purpose: its tests share one node, one subscriber and one way to wait for them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use spotter::config::{self, Sync};
use spotter::publish::{Handle, outbox};
use tempfile::TempDir;
use uuid::Uuid;

#[path = "support/foreign.rs"]
mod foreign;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/node.rs"]
mod node;
#[path = "support/publisher.rs"]
mod publisher;
#[path = "support/random.rs"]
mod random;

use foreign::{Foreign, Got};
use mosquitto::{Mosquitto, PATIENCE, wait};
use node::{Journal, Node, Plan, config, now_us, on_disk};
use publisher::{start_as, tag};
use random::Random;

/// What a kill may cost with `sync = "interval"`: tags handed in during the last 100 ms.
const BOUND_MS: i64 = 100;

/// How much later than it should the outbox's thread may write on a machine that does other things too: the time for
/// one commit on a slow disk, and to get its turn on a busy processor.
const SLACK_MS: i64 = 400;

/// With `sync = "always"` a call waits for the disk for a second at most; one that took this long may have given up, and
/// those after it do not wait before the disk has answered.
const GAVE_UP_US: i64 = 990_000;

/// So many tags behind is caught up: half a second's.
const CAUGHT_UP: u64 = 25;

/// The environment variable for other moments.
const SEED: &str = "SPOTTER_TEST_SEED";

/// The child of the other tests.
#[test]
#[ignore = "not a test: what `node::Node` runs"]
fn node() {
    node::run();
}

/// A broker without limits of its own.
fn broker() -> Mosquitto {
    let mut broker = Mosquitto::reserve("max_inflight_messages 0\nmax_queued_messages 0");
    broker.configure(&format!("pid_file {}", broker.folder().join("pid").display()));
    broker.restart();
    broker
}

/// A boot that was killed.
struct Killed {
    boot: Uuid,
    sync: Sync,
    journal: Journal,
    /// The moment.
    at_us: i64,
}

/// What is killed, and who watches.
struct Site {
    folder: TempDir,
    broker: Mosquitto,
    foreign: Foreign,
    node: Node,
    moments: Random,
    killed: Vec<Killed>,
    broker_kills: usize,
}

impl Site {
    fn start(sync: Sync) -> Self {
        let folder = TempDir::new().unwrap();
        let broker = broker();
        let foreign = Foreign::start(&broker);
        let node = Self::new_node(&folder, &broker, sync);
        let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or(4);
        println!("{SEED}={seed}");
        Site { folder, broker, foreign, node, moments: Random(seed), killed: Vec::new(), broker_kills: 0 }
    }

    fn new_node(folder: &TempDir, broker: &Mosquitto, sync: Sync) -> Node {
        let directory = folder.path().join("outbox");
        let plan = Plan { port: broker.port(), directory: &directory, sync, backlog_rate: 5000, at_once: 0 };
        Node::start(plan, folder.path())
    }

    /// Waits until so many more tags were handed in, and then for a part of the time between two.
    fn hand_in(&mut self, least: u64, most: u64) {
        let until = self.node.journal().handed() + self.moments.from(least, most);
        assert!(wait(|| self.node.journal().handed() >= until), "the node hands nothing in");
        let moment = Instant::now() + Duration::from_micros(self.moments.from(0, 20_000));
        wait(|| Instant::now() >= moment);
    }

    fn kill_broker(&mut self) {
        let pid = std::fs::read_to_string(self.broker.folder().join("pid")).unwrap();
        let stopped = Command::new("kill").args(["-STOP", pid.trim()]).status().unwrap();
        assert!(stopped.success());
        assert!(wait(|| self.foreign.has_read_all()), "mosquitto_sub does not read");
        self.broker.kill();
        self.broker_kills += 1;
    }

    /// Starts the broker and waits until the subscriber is there.
    fn restart_broker(&mut self) {
        let welcomes = self.foreign.heard().welcomes;
        self.broker.restart();
        assert!(wait(|| self.foreign.heard().welcomes > welcomes), "mosquitto_sub does not come back");
    }

    fn kill_node(&mut self) {
        let at_us = now_us();
        self.node.kill();
        let (boot, sync, journal) = (self.node.boot, self.node.sync, self.node.journal());
        self.killed.push(Killed { boot, sync, journal, at_us });
    }

    fn start_node(&mut self, sync: Sync) {
        self.node = Self::new_node(&self.folder, &self.broker, sync);
    }

    fn catch_up(&self) {
        let behind = || self.node.journal().handed() - self.foreign.heard().last(self.node.boot);
        let caught_up = || self.node.journal().handed() > 0 && behind() <= CAUGHT_UP;
        assert!(wait(caught_up), "{} tags behind", behind());
    }

    /// The broker goes and comes back.
    fn broker_outage(&mut self) {
        self.hand_in(5, 30);
        self.kill_broker();
        self.hand_in(10, 60);
        self.restart_broker();
        self.catch_up();
    }

    /// The node goes and the next one comes.
    fn node_outage(&mut self, next: Sync) {
        self.hand_in(20, 50);
        self.kill_node();
        self.start_node(next);
        self.catch_up();
    }

    /// The broker goes, and the node while it is away; the broker goes once more as soon as the next node begins to send
    /// what its forerunner has left.
    fn both(&mut self, next: Sync) {
        self.hand_in(5, 20);
        self.kill_broker();
        self.hand_in(100, 150);
        self.kill_node();
        self.restart_broker();
        let (dead, before) = (self.node.boot, self.foreign.heard().last(self.node.boot));
        self.start_node(next);
        let begun = before + self.moments.from(1, 40);
        assert!(wait(|| self.foreign.heard().last(dead) > begun), "what the forerunner left does not come");
        self.kill_broker();
        let (came, handed) = (self.foreign.heard().last(dead), self.killed.last().unwrap().journal.handed());
        println!("broker killed when {} of {} left tags had come", came - before, handed - before);
        self.hand_in(5, 20);
        self.restart_broker();
        self.catch_up();
    }
}

/// Panics unless the tags of a boot are all there from the first to the last, in order. A broker that is slow for half a
/// second lets live tags overtake: those say that others wait, and both are in order among themselves.
fn hold_order(got: &[Got]) {
    let mut numbers: Vec<u64> = got.iter().map(|got| got.seq).collect();
    let (overtaking, others): (Vec<&Got>, Vec<&Got>) = got.iter().partition(|got| got.waiting.is_some());
    for lane in [&overtaking, &others] {
        let is_next = |pair: &[&Got]| pair[0].seq < pair[1].seq;
        let broken = lane.windows(2).find(|pair| !is_next(pair));
        assert!(broken.is_none(), "out of order: {broken:?}");
    }
    assert!(overtaking.iter().all(|got| !got.historical), "only what is live overtakes");
    numbers.sort_unstable();
    let hole = numbers.iter().zip(1..).find(|(number, expected)| **number != *expected);
    assert!(hole.is_none(), "a hole: {hole:?}");
    if !overtaking.is_empty() {
        println!("{} live tags have overtaken others", overtaking.len());
    }
}

/// Tells what a killed boot has lost, and checks that it may have.
fn check_loss(killed: &Killed, got: &[Got]) {
    let Killed { sync, journal, at_us, .. } = killed;
    let handed = journal.handed();
    let has = got.len() as u64;
    hold_order(got);
    let first_lost = journal.tags.get(got.len()).map(|(before, _)| *before);
    let lost_ms = first_lost.map_or(0.0, |before| (at_us - before) as f64 / 1e3);
    println!("node killed, {sync:?}: handed in {handed}, lost {} (the last {lost_ms:.1} ms)", handed - has);
    match sync {
        Sync::Interval => assert!(lost_ms <= (BOUND_MS + SLACK_MS) as f64, "{lost_ms} ms"),
        Sync::Always => {
            let gave_up = |(before, after): &(i64, Option<i64>)| {
                after.is_some_and(|after| after - before >= GAVE_UP_US)
            };
            // No call before the first that gave up has an excuse.
            let waited = journal.tags.iter().take_while(|tag| !gave_up(tag));
            let returned = waited.skip(got.len()).filter(|(_, after)| after.is_some()).count();
            assert_eq!(returned, 0, "{returned} lost although the call returned");
        }
    }
}

#[test]
fn broker_and_node_are_killed_again_and_again_and_every_tag_comes_in_order() {
    let begun = Instant::now();
    let mut site = Site::start(Sync::Interval);
    site.catch_up();
    site.broker_outage();
    site.node_outage(Sync::Interval);
    site.broker_outage();
    site.both(Sync::Always);
    site.node_outage(Sync::Always);
    site.broker_outage();
    site.both(Sync::Interval);
    site.broker_outage();
    site.node_outage(Sync::Interval);
    site.broker_outage();
    site.broker_outage();
    site.hand_in(20, 40);
    assert!(site.node.stop(), "the last node did not end well");
    assert_eq!((site.broker_kills, site.killed.len()), (10, 5));

    let journal = site.node.journal();
    assert!(wait(|| site.foreign.heard().last(site.node.boot) == journal.handed()));
    let heard = site.foreign.heard();
    let once = heard.once();
    println!("{} tags in {:?}, {} repetitions", once.len(), begun.elapsed(), heard.tags.len() - once.len());
    assert_eq!((heard.gaps.len(), heard.nonsense.len()), (0, 0), "{:?} {:?}", heard.gaps, heard.nonsense);
    for killed in &site.killed {
        check_loss(killed, &heard.of(killed.boot));
    }
    let last = heard.of(site.node.boot);
    hold_order(&last);
    assert_eq!(last.len() as u64, journal.handed());
    // In order across boots too.
    let mut boots: Vec<Uuid> = once.iter().filter(|got| got.waiting.is_none()).map(|got| got.boot).collect();
    boots.dedup();
    let started: Vec<Uuid> = site.killed.iter().map(|killed| killed.boot).chain([site.node.boot]).collect();
    assert_eq!(boots, started);
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
}

#[test]
fn live_tags_are_not_delayed_by_a_long_backlog() {
    const RATE: u32 = 100;
    const BACKLOG: u64 = 600;
    let folder = TempDir::new().unwrap();
    let directory = folder.path().join("outbox");
    let mut broker = broker();
    let foreign = Foreign::start(&broker);
    broker.kill();
    let mut plan = Plan {
        port: broker.port(),
        directory: &directory,
        sync: Sync::Interval,
        backlog_rate: RATE,
        at_once: BACKLOG,
    };
    let mut dead = Node::start(plan, folder.path());
    assert!(wait(|| dead.journal().handed() > BACKLOG + CAUGHT_UP));
    dead.kill();
    let welcomes = foreign.heard().welcomes;
    broker.restart();
    assert!(wait(|| foreign.heard().welcomes > welcomes));
    plan.at_once = 0;
    let mut node = Node::start(plan, folder.path());
    let in_order_again = || {
        let tags = &foreign.heard().tags;
        let last_historical = tags.iter().rposition(|got| got.historical);
        last_historical.is_some_and(|last| last as u64 > BACKLOG && tags.len() > last + 100)
    };
    assert!(wait(in_order_again));
    assert!(node.stop());
    let journal = node.journal();
    assert!(wait(|| foreign.heard().last(node.boot) == journal.handed()));

    let heard = foreign.heard();
    assert_eq!((heard.gaps.len(), heard.nonsense.len()), (0, 0));
    let tags = heard.once();
    assert_eq!(tags.len(), heard.tags.len(), "nothing is repeated");
    let left = heard.of(dead.boot);
    assert!(left.len() as u64 > BACKLOG && left.iter().map(|got| got.seq).eq(1..=left.len() as u64));
    let mut numbers: Vec<u64> = heard.of(node.boot).iter().map(|got| got.seq).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(1..=journal.handed()), "everything comes");
    let (historical, live): (Vec<&Got>, Vec<&Got>) = tags.iter().partition(|got| got.historical);
    assert!(historical.is_sorted_by_key(|got| (got.boot != dead.boot, got.seq)));
    assert!(live.iter().all(|got| got.boot == node.boot) && live.is_sorted_by_key(|got| got.seq));

    let drained = tags.iter().rposition(|got| got.historical).unwrap();
    let (during, after) = tags.split_at(drained + 1);
    let overtaking = during.iter().filter(|got| !got.historical).count();
    assert!(overtaking > 100, "{overtaking}");
    assert!(during.iter().all(|got| got.historical != (got.waiting > Some(0))), "{during:?}");
    assert!(after.iter().all(|got| got.waiting.is_none()), "{after:?}");

    let late_ms = |got: &Got| (got.at_us - journal.tags[got.seq as usize - 1].0) as f64 / 1e3;
    let slowest_ms = live.iter().map(|got| late_ms(got)).fold(0.0, f64::max);
    // What the rate let go at once was not to wait for.
    let took_s = (during[drained].at_us - during[0].at_us) as f64 / 1e6;
    let rate = (historical.len() as f64 - f64::from(RATE) / 2.0) / took_s;
    println!(
        "{} historical tags in {took_s:.1} s ({rate:.0}/s), {overtaking} live ones beside them, \
         the slowest {slowest_ms:.0} ms late",
        historical.len()
    );
    assert!(slowest_ms < 1000.0, "{slowest_ms}");
    assert!((0.7 * f64::from(RATE)..1.1 * f64::from(RATE)).contains(&rate), "{rate}");
}

const CONNECT: u8 = 1;
const PUBLISH: u8 = 3;
const PINGREQ: u8 = 12;

/// What a broker that is not one does with a publish.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Nothing,
    Hangup,
}

/// Takes one connection and serves it to its end; how many publishes came.
fn serve(listener: &TcpListener, answer: Answer) -> usize {
    listener.set_nonblocking(true).unwrap();
    let mut taken = None;
    let comes = || {
        taken = listener.accept().ok();
        taken.is_some()
    };
    assert!(wait(comes), "the node does not connect");
    let mut stream = taken.unwrap().0;
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut publishes = 0;
    while let Some(kind) = packet(&mut stream) {
        let reply: &[u8] = match kind {
            CONNECT => &[0x20, 3, 0, 0, 0],
            PINGREQ => &[0xd0, 0],
            _ => &[],
        };
        publishes += usize::from(kind == PUBLISH);
        if (kind == PUBLISH && answer == Answer::Hangup) || stream.write_all(reply).is_err() {
            break;
        }
    }
    publishes
}

/// Reads a packet; its kind.
fn packet(stream: &mut TcpStream) -> Option<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    let kind = byte[0] >> 4;
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        stream.read_exact(&mut byte).ok()?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            break;
        }
    }
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some(kind)
}

fn publish(handle: &Handle, tracks: std::ops::RangeInclusive<u64>) {
    tracks.for_each(|track| handle.tag(&tag(track)));
}

/// A broker that does not run, where a subscriber has a session.
fn reserved() -> Mosquitto {
    let mut good = broker();
    drop(Foreign::start(&good));
    good.kill();
    good
}

/// The good broker takes over, and everything comes.
fn all_come(good: &mut Mosquitto, boot: Uuid, handle: &Handle, last: u64) {
    good.restart();
    assert!(wait(|| handle.counts().waiting == 0), "{:?}", handle.counts());
    assert_eq!((handle.counts().acknowledged, handle.counts().dropped), (last, 0));
    let foreign = Foreign::start(good);
    assert!(wait(|| foreign.heard().last(boot) == last), "{:?}", handle.counts());
    assert!(foreign.heard().of(boot).iter().map(|got| got.seq).eq(1..=last));
}

#[test]
fn a_broker_that_never_acknowledges_is_left_after_two_keep_alives_and_nothing_is_lost() {
    let folder = TempDir::new().unwrap();
    let mut good = reserved();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, good.port())).unwrap();
    let boot = Uuid::new_v4();
    let config = config(good.port(), on_disk(folder.path()));
    let keep_alive = config.keep_alive;
    let (publisher, handle) = start_as(&config, boot).unwrap();
    publish(&handle, 1..=200);
    let begun = Instant::now();
    let publishes = serve(&listener, Answer::Nothing);
    let took = begun.elapsed();
    assert!((2 * keep_alive..3 * keep_alive).contains(&took), "{took:?}");
    // No more than a window of them.
    assert!((1..=64).contains(&publishes), "{publishes}");
    let why = || handle.counts().last_error.unwrap_or_default();
    assert!(wait(|| why().contains("does not acknowledge")), "{}", why());
    assert_eq!(handle.counts().waiting, 200);
    drop(listener);
    all_come(&mut good, boot, &handle, 200);
    publisher.stop(PATIENCE);
}

#[test]
fn a_broker_that_hangs_up_at_every_publish_is_tried_more_and_more_rarely_and_nothing_is_lost() {
    let folder = TempDir::new().unwrap();
    let mut good = reserved();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, good.port())).unwrap();
    let boot = Uuid::new_v4();
    let (publisher, handle) = start_as(&config(good.port(), on_disk(folder.path())), boot).unwrap();
    publish(&handle, 1..=200);
    let begun = Instant::now();
    let mut ends = Vec::new();
    for _ in 0..5 {
        serve(&listener, Answer::Hangup);
        ends.push(begun.elapsed());
    }
    let pauses: Vec<Duration> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
    println!("pauses between connections: {pauses:?}");
    let least = [175, 350, 700, 1400].map(Duration::from_millis);
    assert!(pauses.iter().zip(least).all(|(pause, least)| *pause >= least), "{pauses:?}");
    drop(listener);
    all_come(&mut good, boot, &handle, 200);
    publisher.stop(PATIENCE);
}

/// Runs a node with this outbox at a good broker, and waits until its status names the problem and its tags come.
fn runs_with(outbox: &config::Outbox, problem: &str) -> Foreign {
    let broker = broker();
    let foreign = Foreign::start(&broker);
    let boot = Uuid::new_v4();
    let (publisher, handle) = start_as(&config(broker.port(), outbox.clone()), boot).unwrap();
    publish(&handle, 1..=50);
    assert!(wait(|| foreign.heard().last(boot) == 50), "{:?}", handle.counts());
    let named = || foreign.heard().problems().iter().any(|named| named == problem);
    assert!(wait(named), "{:?}", foreign.heard().statuses);
    assert!(foreign.heard().of(boot).iter().map(|got| got.seq).eq(1..=50));
    let counts = handle.counts();
    let stopped = publisher.stop(PATIENCE);
    assert_eq!((stopped.unsent, stopped.said_goodbye, counts.dropped), (0, true, 0), "{counts:?}");
    foreign
}

#[test]
fn a_damaged_outbox_is_set_aside_and_named_and_the_service_goes_on() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage); 4] = [
        ("cut off", |bytes| bytes.truncate(bytes.len() / 2)),
        ("flipped from the second page on", |bytes| bytes[4096..].iter_mut().for_each(|byte| *byte ^= 0x55)),
        ("its head is gone", |bytes| bytes[..512].fill(0)),
        ("something else", |bytes| *bytes = b"this is no database".repeat(1000)),
    ];
    for (name, damage) in cases {
        println!("{name}");
        let folder = TempDir::new().unwrap();
        let outbox = on_disk(folder.path());
        let away = Mosquitto::reserve("");
        let (publisher, handle) = start_as(&config(away.port(), outbox.clone()), Uuid::new_v4()).unwrap();
        publish(&handle, 1..=300);
        let stopped = publisher.stop(Duration::from_millis(100));
        assert_eq!((stopped.unsent, stopped.kept), (300, true));
        drop(handle);
        let file = folder.path().join(outbox::FILE);
        let mut bytes = std::fs::read(&file).unwrap();
        damage(&mut bytes);
        std::fs::write(&file, &bytes).unwrap();

        runs_with(&outbox, "outbox-corrupt");
        let aside = folder.path().join(format!("{}.corrupt-1", outbox::FILE));
        assert_eq!(std::fs::read(aside).unwrap().len(), bytes.len(), "{name}");
    }
}

#[test]
fn tags_flow_without_a_directory_to_write_and_the_status_says_so() {
    let folder = TempDir::new().unwrap();
    let in_its_place = folder.path().join("outbox");
    std::fs::write(&in_its_place, "a file").unwrap();
    runs_with(&on_disk(&in_its_place), "outbox-disk");
    assert_eq!(std::fs::read(&in_its_place).unwrap(), b"a file");
}

#[test]
fn a_second_process_with_the_same_outbox_is_refused_in_clear_words() {
    let folder = TempDir::new().unwrap();
    let directory: &Path = &folder.path().join("outbox");
    let away = Mosquitto::reserve("");
    let plan = Plan { port: away.port(), directory, sync: Sync::Interval, backlog_rate: 5000, at_once: 0 };
    let first = Node::start(plan, folder.path());
    assert!(wait(|| first.journal().handed() > 0));
    let second = Node::start(plan, folder.path());
    assert!(wait(|| second.journal().error.is_some()));
    let expected =
        format!("mqtt.outbox.directory: {}: another process has this outbox open", directory.display());
    assert_eq!(second.journal().error, Some(expected));
    drop(first);
    let third = Node::start(plan, folder.path());
    assert!(wait(|| third.journal().handed() > 0), "killed nodes leave no lock");
}
