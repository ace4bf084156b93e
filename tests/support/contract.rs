//! The contract as a subscriber can check it: the committed schemas, and the life of every track.
//!
//! Used by integration tests with `#[path]`. It shares no code with the program.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

/// The schemas under `docs/schema`, by name.
pub struct Contract(BTreeMap<String, jsonschema::Validator>);

impl Contract {
    pub fn read() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
        let mut validators = BTreeMap::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if name != "asyncapi" {
                let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
                validators.insert(name, jsonschema::validator_for(&schema).unwrap());
            }
        }
        Contract(validators)
    }

    /// Panics unless a message that came at `topic` is valid.
    pub fn hold(&self, topic: &str, message: &Value) {
        let schema = match topic.split('/').collect::<Vec<_>>()[..] {
            [_, _, _, _, "tag", kind] if message["kind"] == kind => "tag",
            [_, _, _, "status"] => "node",
            [_, _, _, "gap"] => "gap",
            [_, _, _, "stats"] => "stats",
            [_, _, _, _, "status"] => "camera",
            [_, _, _, _, "tracks"] => "tracks",
            [_, _, _, _, "occupancy", zone] if message["zone"] == zone => "occupancy",
            _ => panic!("{topic} is no topic of the contract for {message}"),
        };
        self.hold_to(schema, message);
    }

    /// Panics unless a message is what the schema of this name says.
    pub fn hold_to(&self, schema: &str, message: &Value) {
        let faults: Vec<String> =
            self.0[schema].iter_errors(message).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "{schema} {message}: {faults:?}");
    }
}

/// Tags of one boot, each once, in the order of their numbers.
pub struct Story {
    /// The tags.
    pub tags: Vec<Value>,
}

impl Story {
    /// Takes tags as they were delivered: a later delivery of the same tag has the same id, and none is missing between
    /// the first and the last.
    pub fn of(delivered: impl IntoIterator<Item = Value>) -> Self {
        let mut numbered: BTreeMap<u64, Value> = BTreeMap::new();
        for tag in delivered {
            let before = numbered.entry(tag["seq"].as_u64().unwrap()).or_insert_with(|| tag.clone());
            assert_eq!(before["id"], tag["id"], "a tag that is delivered again keeps its id");
        }
        let tags: Vec<Value> = numbered.into_values().collect();
        for pair in tags.windows(2) {
            let next = pair[0]["seq"].as_u64().unwrap() + 1;
            assert_eq!(pair[1]["seq"], next, "tags are missing");
            assert_eq!(pair[0]["boot"], pair[1]["boot"]);
        }
        let ids: BTreeSet<&str> = tags.iter().map(|tag| tag["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), tags.len(), "ids are unique");
        Story { tags }
    }

    /// Tags of one phase.
    pub fn phase(&self, phase: &str) -> impl Iterator<Item = &Value> {
        self.tags.iter().filter(move |tag| tag["phase"] == phase)
    }

    /// Tags of one kind.
    pub fn kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.tags.iter().filter(move |tag| tag["kind"] == kind)
    }

    /// Panics unless the first number is 1 and every track, and every activity within the life of its track, has a
    /// start, then updates, then one end.
    pub fn hold(&self) {
        assert_eq!(self.tags.first().map(|tag| tag["seq"].as_u64()), Some(Some(1)));
        let (mut open, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for tag in &self.tags {
            let track = (tag["camera"].as_str().unwrap(), tag["track"].as_u64().unwrap(), None);
            // A stay in a zone and the crossing of a line may come again; an activity has its beginning in its name.
            let text = |value: &'_ Value| value.as_str().unwrap().to_owned();
            let kind = tag["kind"].as_str().unwrap();
            let part = match kind {
                "activity" => Some((text(&tag["label"]), text(&tag["activity"]["since"]))),
                "zone" | "line" => Some((kind.to_owned(), text(&tag[kind]["name"]))),
                _ => None,
            };
            let recurs = matches!(kind, "zone" | "line");
            assert!(part.is_none() || open.contains(&track), "no such track is there: {tag}");
            let subject = (track.0, track.1, part);
            match tag["phase"].as_str().unwrap() {
                "start" => {
                    let is_new = recurs || !ended.contains(&subject);
                    assert!(is_new && open.insert(subject.clone()), "started twice: {tag}");
                }
                "update" => assert!(open.contains(&subject), "not open: {tag}"),
                "end" => {
                    let first = open.remove(&subject) && (ended.insert(subject.clone()) || recurs);
                    assert!(first, "not open: {tag}");
                }
                other => panic!("{other} is no phase"),
            }
            let ends = subject.2.is_none() && tag["phase"] == "end";
            let still_doing = open.iter().any(|(camera, id, _)| (*camera, *id) == (track.0, track.1));
            assert!(!ends || !still_doing, "an activity outlives its track: {tag}");
        }
        assert!(open.is_empty(), "without an end: {open:?}");
    }
}
