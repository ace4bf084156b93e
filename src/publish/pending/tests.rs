//! What is offered, in which order, and what becomes of it.

mod home_assistant;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::clock::{SimulatedClock, Timestamp};
use crate::config::Command;
use crate::name::Name;
use crate::publish::command::Ask;
use crate::publish::discovery::Scene;
use crate::publish::link::{Blame, Incoming};
use crate::publish::{Answer, Snapshot, test_config, test_node, test_tag};
use crate::telemetry::{CameraState, Faults};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn scene() -> Scene {
    Scene {
        camera: name("ramp"),
        zones: vec![(name("door"), vec!["person".to_owned()])],
        activities: true,
        snapshots: true,
    }
}

fn pending_of(config: &config::Mqtt) -> (Pending, Receiver<Request>) {
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(Timestamp::from_micros(5)));
    let outbox = Outbox::open(&config.outbox, Arc::clone(&clock), || {}).unwrap();
    let (sender, requests) = channel();
    let sender = Mutex::new(sender);
    let daemon: Daemon = Box::new(move |request| sender.lock().unwrap().send(request).is_ok());
    let node = Node { cameras: vec![scene()], ..test_node() };
    (Pending::new(config, Root::new("spotter/v1").unwrap(), node, outbox, daemon, clock), requests)
}

fn pending() -> Pending {
    pending_of(&config::Mqtt { stats_interval: None, ..test_config(1883) }).0
}

fn camera_status(state: CameraState, dropped: u64) -> CameraStatus {
    CameraStatus {
        camera: name("ramp"),
        state,
        since: Timestamp::EPOCH,
        reason: None,
        reconnects_last_hour: 0,
        fps_in: 25.0,
        fps_recognised: 12.0,
        dropped,
        worker: None,
        pose_rate: None,
        clock: None,
        video: None,
        faults: Faults::default(),
    }
}

fn offers(pending: &mut Pending) -> Vec<Offer> {
    let now = Instant::now();
    std::iter::from_fn(|| pending.next(now)).collect()
}

fn topics(pending: &mut Pending) -> Vec<String> {
    offers(pending).iter().map(|offer| offer.topic.to_string()).collect()
}

fn json(offer: &Offer) -> serde_json::Value {
    serde_json::from_slice(&offer.payload).unwrap()
}

fn publish(pending: &mut Pending) {
    drop(pending.tag(&test_tag()));
}

#[test]
fn statuses_go_before_tags_and_only_the_newest_of_each() {
    let mut pending = pending();
    publish(&mut pending);
    pending.camera_status(&camera_status(CameraState::Connecting, 0));
    pending.camera_status(&camera_status(CameraState::Online, 7));
    let [node, camera, tag] = &offers(&mut pending)[..] else { panic!("three") };
    assert_eq!((node.topic.as_str(), node.retain), ("spotter/v1/edge-1/status", true));
    assert_eq!((&json(camera)["state"], &json(camera)["dropped"]), (&"online".into(), &7.into()));
    assert_eq!((tag.topic.as_str(), tag.retain), ("spotter/v1/edge-1/ramp/tag/object", false));
}

#[test]
fn every_connection_is_told_every_status() {
    let mut pending = pending();
    pending.camera_status(&camera_status(CameraState::Online, 0));
    pending.connected(Limits::default());
    let all = ["spotter/v1/edge-1/status", "spotter/v1/edge-1/ramp/status"];
    assert_eq!(topics(&mut pending), all);
    pending.disconnected(Some(&Trouble::new("gone".to_owned())));
    assert_eq!(pending.counts().last_error.as_deref(), Some("gone"));
    pending.connected(Limits::default());
    assert_eq!(topics(&mut pending), all);
    assert_eq!(pending.counts().last_error, None);
}

#[test]
fn a_tag_is_historical_when_it_was_made_while_the_broker_was_away() {
    let mut pending = pending();
    publish(&mut pending);
    pending.connected(Limits::default());
    publish(&mut pending);
    let tags = offers(&mut pending).split_off(1);
    let historical: Vec<_> = tags.iter().map(|offer| json(offer)["historical"].clone()).collect();
    assert_eq!(historical, [true, false]);
}

#[test]
fn a_refused_topic_is_a_problem_until_it_is_taken() {
    let mut pending = pending();
    pending.connected(Limits::default());
    publish(&mut pending);
    let tag = offers(&mut pending).pop().unwrap();
    pending.refused(&tag.ticket, "the broker refuses it".to_owned());
    pending.tell_node();
    let [status] = &offers(&mut pending)[..] else { panic!("a status, and no tag") };
    let problem = &json(status)["problems"][0];
    assert_eq!(problem["code"], "topic-refused");
    assert_eq!(problem["text"], "spotter/v1/edge-1/ramp/tag/object: the broker refuses it");
    // The next tag says that one waits.
    publish(&mut pending);
    let next = offers(&mut pending).pop().unwrap();
    assert_eq!(json(&next)["waiting"], 1);
    pending.retry();
    let again = offers(&mut pending).pop().unwrap();
    assert_eq!((&json(&again)["seq"], &json(&again)["historical"]), (&1.into(), &true.into()));
    pending.acknowledged(&again.ticket);
    pending.tell_node();
    assert_eq!(json(&offers(&mut pending)[0])["problems"], serde_json::json!([]));
}

#[test]
fn at_the_end_everybody_is_offline() {
    let mut pending = pending();
    pending.camera_status(&camera_status(CameraState::Online, 0));
    topics(&mut pending);
    pending.part();
    pending.camera_status(&camera_status(CameraState::Online, 0));
    let reasons: Vec<_> = std::iter::from_fn(|| pending.next_status(Instant::now()))
        .map(|offer| json(&offer)["reason"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(reasons, [Some("stopped".to_owned()), Some("the node stopped".to_owned())]);
}

fn incoming(topic: &str, payload: &str, retained: bool) -> Incoming {
    let properties = Properties {
        response_topic: Some("desk/7".to_owned()),
        correlation: Some(vec![1, 2]),
        ..Properties::default()
    };
    Incoming {
        topic: topic.to_owned(),
        payload: payload.as_bytes().to_vec(),
        retained,
        qos: QoS::AtLeastOnce,
        properties,
    }
}

#[test]
fn no_command_is_heard_twice() {
    let matches = |filter: &str, topic: &str| {
        let (mut filter, mut topic) = (filter.split('/'), topic.split('/'));
        loop {
            match (filter.next(), topic.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (wanted, level) if wanted == level => {}
                _ => return false,
            }
        }
    };
    let pending = pending();
    for command in Command::ALL {
        let topic = pending.root.command(&pending.node.name, command);
        let heard = pending.subscriptions().iter().filter(|filter| matches(filter, topic.as_str())).count();
        assert_eq!(heard, 1, "{topic}");
    }
}

#[test]
fn commands_are_answered_where_they_ask_for_it() {
    let commands = BTreeSet::from([Command::Snapshot, Command::Stats]);
    let (mut pending, requests) = pending_of(&config::Mqtt { commands, ..test_config(1883) });
    topics(&mut pending);
    pending.received(&incoming("spotter/v1/edge-1/command/stats", "", false));
    pending.received(&incoming("spotter/v1/edge-1/command/models", "", false));
    let [stats, refused] = &offers(&mut pending)[..] else { panic!("two replies") };
    for reply in [stats, refused] {
        assert_eq!((reply.topic.as_str(), reply.retain), ("desk/7", false));
        assert_eq!(reply.properties.correlation, Some(vec![1, 2]));
    }
    assert_eq!(json(stats)["result"]["commands"], serde_json::json!({ "done": 0, "refused": 0 }));
    assert_eq!(json(refused)["error"]["code"], "not-allowed");

    pending.connected(Limits::default());
    offers(&mut pending);
    pending.received(&incoming("spotter/v1/edge-1/command/snapshot", r#"{"camera":"ramp"}"#, false));
    assert!(offers(&mut pending).is_empty(), "the daemon is asked");
    let request = requests.try_recv().unwrap();
    assert_eq!(request.ask, Ask::Snapshot(name("ramp")));
    let jpeg = vec![0xff, 0xd8, 0xff, 0xe0];
    let snapshot = Snapshot { at: Timestamp::EPOCH, size: (4, 3), jpeg: jpeg.clone() };
    pending.answer(&request, Ok(Answer::Snapshot(snapshot)));
    let [picture] = &offers(&mut pending)[..] else { panic!("a picture, and no reply yet") };
    pending.acknowledged(&picture.ticket);
    let [reply] = &offers(&mut pending)[..] else { panic!("a reply") };
    assert_eq!((picture.topic.as_str(), picture.retain), ("spotter/v1/edge-1/ramp/snapshot/jpeg", true));
    assert_eq!((&picture.payload, picture.properties.content_type.as_deref()), (&jpeg, Some("image/jpeg")));
    assert_eq!(json(reply)["result"]["topic"], "spotter/v1/edge-1/ramp/snapshot/jpeg");
    assert_eq!(json(reply)["result"]["bytes"], 4);
    assert_eq!(pending.stats().commands, wire::CommandStats { done: 2, refused: 1 });
}

#[test]
fn a_picture_dies_with_its_connection_and_its_request_is_answered_on_the_next() {
    let commands = BTreeSet::from([Command::Snapshot]);
    let (mut pending, requests) = pending_of(&config::Mqtt { commands, ..test_config(1883) });
    pending.connected(Limits { max_packet_bytes: Some(5000), ..Limits::default() });
    offers(&mut pending);
    assert_eq!(pending.picture_bytes(), Some(5000 - 1024));
    pending.received(&incoming("spotter/v1/edge-1/command/snapshot", r#"{"camera":"ramp"}"#, false));
    let request = requests.try_recv().unwrap();
    let snapshot = || Snapshot { at: Timestamp::EPOCH, size: (4, 3), jpeg: vec![0; 3000] };
    pending.answer(&request, Ok(Answer::Snapshot(snapshot())));
    assert_eq!(topics(&mut pending), ["spotter/v1/edge-1/ramp/snapshot/jpeg"]);
    let cut = Trouble { blame: Blame::Message, ..Trouble::new("cut".to_owned()) };
    pending.disconnected(Some(&cut));
    pending.connected(Limits::default());
    let all = offers(&mut pending);
    assert!(all.iter().all(|offer| offer.topic.as_str() != "spotter/v1/edge-1/ramp/snapshot/jpeg"));
    let reply = all.iter().find(|offer| offer.topic.as_str() == "desk/7").unwrap();
    assert_eq!(json(reply)["error"]["code"], "failed");
    assert_eq!(pending.picture_bytes(), Some(1500), "the next one is smaller");
    // While the broker is away, there is nothing to wait for.
    pending.disconnected(None);
    pending.answer(&request, Ok(Answer::Snapshot(snapshot())));
    assert!(topics(&mut pending).contains(&"desk/7".to_owned()));
}

#[test]
fn a_request_without_a_usable_response_topic_is_answered_below_itself_or_nowhere() {
    for (response_topic, expected) in
        [(None, &["spotter/v1/edge-1/command/stats/reply"][..]), (Some("a/#".to_owned()), &[])]
    {
        let mut pending = pending();
        topics(&mut pending);
        let mut request = incoming("spotter/v1/edge-1/command/stats", "", false);
        request.properties.response_topic = response_topic;
        pending.received(&request);
        assert_eq!(topics(&mut pending), expected);
    }
}

#[test]
fn what_an_earlier_configuration_left_is_cleared() {
    let mut pending = pending();
    topics(&mut pending);
    for (topic, is_cleared) in [
        ("spotter/v1/edge-1/gate/status", true),
        ("spotter/v1/edge-1/ramp/status", false),
        ("spotter/v1/edge-1/ramp/occupancy/yard", true),
        ("spotter/v1/edge-1/ramp/occupancy/door", false),
        ("spotter/v1/edge-1/gate/snapshot/jpeg", true),
        ("spotter/v1/edge-1/ramp/snapshot/jpeg", false),
        ("spotter/v1/edge-2/gate/status", false),
    ] {
        // What is not retained comes from a node that is there.
        pending.received(&incoming(topic, "{}", false));
        assert!(offers(&mut pending).is_empty());
        pending.received(&incoming(topic, "{}", true));
        assert!(offers(&mut pending).is_empty(), "what was shown of it may not have been heard yet");
        let later = Instant::now() + inbox::HEARD;
        assert_eq!(pending.next_due(Instant::now()).is_some_and(|due| due <= later), is_cleared, "{topic}");
        let offered: Vec<Offer> = std::iter::from_fn(|| pending.next(later)).collect();
        assert_eq!(offered.len(), usize::from(is_cleared), "{topic}");
        assert!(offered.iter().all(|offer| offer.payload.is_empty() && offer.retain));
        offered.iter().for_each(|offer| pending.acknowledged(&offer.ticket));
    }
}

#[test]
fn figures_come_with_the_connection_and_then_at_their_interval() {
    let (mut pending, _requests) = pending_of(&test_config(1883));
    topics(&mut pending);
    pending.connected(Limits::default());
    let stats = offers(&mut pending).pop().unwrap();
    assert_eq!(
        (stats.topic.as_str(), stats.qos, stats.retain),
        ("spotter/v1/edge-1/stats", QoS::AtMostOnce, false)
    );
    assert_eq!(topics(&mut pending), [""; 0]);
    let later = Instant::now() + std::time::Duration::from_secs(60);
    assert_eq!(pending.next(later).map(|offer| offer.topic), Some(stats.topic));
}

fn settings(change: impl FnOnce(&mut config::Mqtt)) -> Settings {
    let mut mqtt = config::Mqtt { stats_interval: None, ..test_config(1883) };
    change(&mut mqtt);
    Settings::new(&mqtt, &test_node().name).unwrap()
}

fn occupancy(zone: &str) -> Occupancy {
    Occupancy { camera: name("ramp"), zone: name(zone), at: Timestamp::EPOCH, counts: BTreeMap::new() }
}

/// Topic, and whether something is put there.
fn told(offers: &[Offer]) -> Vec<(&str, bool)> {
    offers.iter().map(|offer| (offer.topic.as_str(), !offer.payload.is_empty())).collect()
}

#[test]
fn what_is_retained_about_cameras_and_zones_that_go_is_cleared_and_stragglers_are_not_heard() {
    let mut pending = pending();
    pending.camera_status(&camera_status(CameraState::Online, 0));
    pending.occupancy(&occupancy("door"));
    offers(&mut pending);
    let without_zone = Scene { zones: Vec::new(), snapshots: false, ..scene() };
    pending.change(settings(|_| {}), vec![without_zone]);
    pending.occupancy(&occupancy("door"));
    let cleared = offers(&mut pending);
    let [node, door, snapshot] = &told(&cleared)[..] else { panic!("{cleared:?}") };
    assert_eq!(*node, ("spotter/v1/edge-1/status", true));
    assert_eq!(*door, ("spotter/v1/edge-1/ramp/occupancy/door", false));
    assert_eq!(*snapshot, ("spotter/v1/edge-1/ramp/snapshot/jpeg", false));
    cleared.iter().for_each(|offer| pending.acknowledged(&offer.ticket));
    pending.change(settings(|_| {}), Vec::new());
    pending.camera_status(&camera_status(CameraState::Online, 1));
    let cleared = offers(&mut pending);
    assert!(told(&cleared).contains(&("spotter/v1/edge-1/ramp/status", false)), "{cleared:?}");
    cleared.iter().for_each(|offer| pending.acknowledged(&offer.ticket));
    // It comes again.
    pending.change(settings(|_| {}), vec![scene()]);
    pending.camera_status(&camera_status(CameraState::Connecting, 0));
    pending.occupancy(&occupancy("door"));
    let again = offers(&mut pending);
    assert!(told(&again).contains(&("spotter/v1/edge-1/ramp/status", true)), "{again:?}");
    assert!(told(&again).contains(&("spotter/v1/edge-1/ramp/occupancy/door", true)), "{again:?}");
}

#[test]
fn commands_and_figures_change_at_once() {
    let mut pending = pending();
    pending.connected(Limits::default());
    offers(&mut pending);
    let change = |mqtt: &mut config::Mqtt| {
        mqtt.commands.insert(Command::Models);
        mqtt.stats_interval = Some(std::time::Duration::from_secs(7));
    };
    pending.change(settings(change), vec![scene()]);
    assert!(!pending.is_moving());
    assert_eq!(topics(&mut pending), ["spotter/v1/edge-1/stats"]);
    pending.received(&incoming("spotter/v1/edge-1/command/models", "", false));
    assert!(json(&offers(&mut pending)[0])["result"].is_object());
}

#[test]
fn a_node_that_moves_leaves_nothing_behind_and_takes_everything_along() {
    let mut pending = pending();
    pending.connected(Limits::default());
    pending.camera_status(&camera_status(CameraState::Online, 0));
    pending.occupancy(&occupancy("door"));
    publish(&mut pending);
    let _ = offers(&mut pending);
    publish(&mut pending);
    pending.change(settings(|mqtt| mqtt.root = "site/7".to_owned()), vec![scene()]);
    assert!(pending.is_moving() && pending.is_answered());
    assert_eq!(pending.next_before_leaving(Instant::now()), None, "tags wait");
    pending.take_leave();
    let farewell: Vec<Offer> = std::iter::from_fn(|| pending.next_farewell()).collect();
    assert_eq!(
        told(&farewell),
        [
            ("spotter/v1/edge-1/status", true),
            ("spotter/v1/edge-1/ramp/occupancy/door", false),
            ("spotter/v1/edge-1/ramp/snapshot/jpeg", false),
            ("spotter/v1/edge-1/ramp/status", false),
            ("spotter/v1/edge-1/status", false),
        ]
    );
    assert_eq!(
        (&json(&farewell[0])["state"], &json(&farewell[0])["reason"]),
        (&"offline".into(), &"moved".into())
    );
    pending.disconnected(None);
    assert!(pending.adopt().is_some() && !pending.is_moving());
    assert!(pending.subscriptions().iter().all(|filter| !filter.starts_with("spotter/v1")));
    let all = offers(&mut pending);
    assert_eq!(
        told(&all),
        [
            ("site/7/edge-1/status", true),
            ("site/7/edge-1/ramp/status", true),
            ("site/7/edge-1/ramp/occupancy/door", true),
            ("site/7/edge-1/ramp/tag/object", true),
            ("site/7/edge-1/ramp/tag/object", true),
        ]
    );
    let numbers: Vec<_> = all[3..].iter().map(|offer| json(offer)["seq"].clone()).collect();
    assert_eq!(numbers, [1, 2], "what was on its way is sent again, and numbers go on");
}

#[test]
fn where_nobody_was_there_to_take_leave_of_the_old_topics_are_cleared_later() {
    let mut pending = pending();
    pending.camera_status(&camera_status(CameraState::Online, 0));
    pending.change(settings(|mqtt| mqtt.root = "site/7".to_owned()), vec![scene()]);
    pending.adopt();
    let all = offers(&mut pending);
    assert!(told(&all).contains(&("spotter/v1/edge-1/status", false)), "{all:?}");
    assert!(told(&all).contains(&("spotter/v1/edge-1/ramp/status", false)), "{all:?}");
    // At another broker there is nothing to clear.
    pending.change(settings(|mqtt| mqtt.port = 1884), vec![scene()]);
    pending.adopt();
    assert!(offers(&mut pending).iter().all(|offer| !offer.payload.is_empty()));
}

#[test]
fn whoever_has_asked_is_answered_before_the_connection_is_left() {
    let commands = BTreeSet::from([Command::Reload]);
    let (mut pending, requests) =
        pending_of(&config::Mqtt { commands, stats_interval: None, ..test_config(1883) });
    offers(&mut pending);
    pending.received(&incoming("spotter/v1/edge-1/command/reload", "", false));
    pending.change(settings(|mqtt| mqtt.port = 1884), vec![scene()]);
    assert!(pending.is_moving() && !pending.is_answered());
    pending.answer(&requests.try_recv().unwrap(), Ok(Answer::Reloaded(1)));
    assert!(!pending.is_answered());
    assert_eq!(
        pending.next_before_leaving(Instant::now()).map(|offer| offer.topic.to_string()),
        Some("desk/7".to_owned())
    );
    assert!(pending.is_answered());
}
