//! The published schemas in validators that people use.
//!
//! ajv with its defaults and with everything strict, Python's jsonschema, and AsyncAPI's own parser: each compiles what
//! `docs/schema` and `spotter schema` give, and holds to it every kind of message that a real node sends.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::footage;
use crate::mosquitto::{self, Mosquitto, Subscriber};
use crate::peers;
use crate::program::{PATIENCE, Program, spotter};
use crate::publisher;

/// Every message that a node may send, by the name of its schema.
const KINDS: [&str; 14] = [
    "camera",
    "cloudevent",
    "gap",
    "homeassistant",
    "node",
    "occupancy",
    "reply-camera",
    "reply-models",
    "reply-reload",
    "reply-snapshot",
    "reply-stats",
    "stats",
    "tag",
    "tracks",
];

fn published() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema")
}

/// What a validator says: schemas that compiled, valid messages for each, faults.
fn judged(command: &mut Command) -> (BTreeSet<String>, BTreeMap<String, u64>, Vec<String>) {
    let said = said(command);
    let part = |name: &str| said[name].clone();
    (
        serde_json::from_value(part("compiled")).unwrap(),
        serde_json::from_value(part("valid")).unwrap(),
        serde_json::from_value(part("faults")).unwrap(),
    )
}

fn said(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {complaint}"))
}

fn ajv(draft: &str, folder: &Path, messages: Option<&Path>) -> Command {
    let mut command = peers::node("ajv.mjs");
    command.arg(draft).arg(folder).args(messages);
    command
}

fn jsonschema(folder: &Path, messages: &Path) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/validate.py");
    let mut command = Command::new(peers::python_programs().join("python"));
    command.arg(script).arg(folder).arg(messages);
    command
}

/// The schemas as `spotter schema` writes them with these arguments.
fn written(arguments: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let out = folder.path().to_str().unwrap().to_owned();
    let ended = spotter(["schema", "--out", &out].iter().chain(arguments));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    folder
}

#[test]
fn ajv_compiles_every_schema_with_its_defaults_and_strictly() {
    let (compiled, _, faults) = judged(&mut ajv("2020-12", &published(), None));
    assert_eq!(faults, Vec::<String>::new());
    assert!(compiled.len() == 16 && KINDS.iter().all(|kind| compiled.contains(*kind)), "{compiled:?}");
    // `import Ajv from "ajv"` knows draft 7 and no later one.
    let (same, _, faults) = judged(&mut ajv("7", written(&["--draft", "7"]).path(), None));
    assert_eq!((same, faults), (compiled, Vec::new()));
}

#[test]
fn a_schema_that_ajv_does_not_take_is_found() {
    let folder = TempDir::new().unwrap();
    let dialect = "https://json-schema.org/draft/2020-12/schema";
    for (name, schema) in [
        ("format", json!({ "$schema": dialect, "type": "integer", "format": "uint64" })),
        ("required", json!({ "$schema": dialect, "type": "object", "required": ["a"] })),
        ("types", json!({ "$schema": dialect, "properties": { "a": { "type": ["string", "null"] } } })),
    ] {
        fs::write(folder.path().join(format!("{name}.json")), schema.to_string()).unwrap();
    }
    let (_, _, faults) = judged(&mut ajv("2020-12", folder.path(), None));
    for expected in
        ["defaults format: unknown format", "strict required: strict mode", "strict types: strict mode"]
    {
        assert!(faults.iter().any(|fault| fault.starts_with(expected)), "{expected}: {faults:#?}");
    }
}

/// Messages of a node, as lines for the validators.
#[derive(Default)]
struct Messages {
    lines: String,
    seen: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Messages {
    fn add(&mut self, schema: &str, message: &Value) {
        writeln!(self.lines, "{}", json!({ "schema": schema, "message": message })).unwrap();
        self.seen.insert(schema.to_owned());
        if schema == "tag" {
            let text = |key: &str| message[key].as_str().unwrap().to_owned();
            self.kinds.insert(format!("{} {}", text("kind"), text("phase")));
        }
    }

    /// Adds what came at a topic, and what lies in its envelope if it has one.
    fn take(&mut self, topic: &str, message: &Value) {
        let name = match topic.split('/').collect::<Vec<_>>()[..] {
            ["homeassistant", ..] => return self.add("homeassistant", message),
            [_, _, _, "status"] => "node",
            [_, _, _, _, "status"] => "camera",
            [_, _, _, _, "tag", _] => "tag",
            [_, _, _, _, "occupancy", _] => "occupancy",
            [_, _, _, _, "tracks"] => "tracks",
            [_, _, _, "stats"] => "stats",
            [_, _, _, "gap"] => "gap",
            _ => panic!("{topic} is no topic of the contract"),
        };
        if message.get("specversion").is_some() {
            self.add("cloudevent", message);
            return self.add(name, &message["data"]);
        }
        self.add(name, message);
    }
}

/// Asks a node whatever it can be asked, and takes the replies.
fn ask_everything(port: u16, messages: &mut Messages) {
    for (command, argument, schema) in [
        ("stats", "", "reply-stats"),
        ("models", "{}", "reply-models"),
        ("snapshot", r#"{"camera": "ramp"}"#, "reply-snapshot"),
        ("snapshot", r#"{"camera": "nobody"}"#, "reply-snapshot"),
        ("camera/disable", r#"{"camera": "ramp"}"#, "reply-camera"),
        ("camera/enable", r#"{"camera": "ramp"}"#, "reply-camera"),
        ("camera/enable", "[]", "reply-camera"),
        ("reload", "", "reply-reload"),
        ("nonsense", "", "reply-models"),
    ] {
        let reply = mosquitto::request(port, &format!("spotter/v1/edge/command/{command}"), argument);
        messages.add(schema, &reply);
    }
}

/// A gap notice, as a real publisher sends it to a real broker after dropping tags.
fn drop_tags(messages: &mut Messages) {
    let mut broker = Mosquitto::start("");
    let gaps = Subscriber::persistent(&broker, "spotter/v1/+/gap", "gaps");
    broker.kill();
    let outbox = spotter::config::Outbox { memory_tags: 50, ..spotter::config::Outbox::in_memory() };
    let config = spotter::config::Mqtt { outbox, ..publisher::config(broker.port()) };
    let (publisher, handle) = publisher::start(&config);
    (1..=120).for_each(|track| handle.tag(&publisher::tag(track)));
    broker.restart();
    let (topic, gap) = gaps.next();
    assert_eq!(gap["reason"], "full");
    messages.take(&topic, &gap);
    publisher.stop(Duration::from_secs(20));
}

#[test]
fn every_message_of_a_real_run_is_valid_in_ajv_and_in_python() {
    let Some(vtest) = footage::vtest() else { return };
    let broker = Mosquitto::start("");
    let others = ["+/status", "+/+/status", "+/+/tag/+", "+/+/occupancy/+", "+/+/tracks", "+/stats"];
    let others = others.map(|filter| format!("spotter/v1/{filter}"));
    let others: Vec<&str> = others.iter().flat_map(|filter| ["-t", filter.as_str()]).collect();
    let subscriber = Subscriber::start(broker.port(), "homeassistant/#", &others);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("spotter.toml");
    let configure = |profile: &str| {
        let config = format!(
            "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\nprofile = \"{profile}\"\n\
             stats_interval_s = 5\ncommands = [\"snapshot\", \"reload\", \"camera/enable\", \"camera/disable\", \
             \"stats\", \"models\"]\n[mqtt.home_assistant]\nenabled = true\n\
             [[camera]]\nname = \"ramp\"\nsource = \"{}\"\nloop = true\ntracks = true\n\
             [[camera.zone]]\nname = \"middle\"\npolygon = [[0.2, 0.2], [0.9, 0.2], [0.9, 0.9], [0.2, 0.9]]\n\
             min_dwell_s = 0.5\n[[camera.line]]\nname = \"kerb\"\nfrom = [0.5, 0.1]\nto = [0.5, 0.95]\n",
            broker.port(),
            vtest.display()
        );
        fs::write(&path, config).unwrap();
    };
    configure("native");
    let program = Program::start(["run".as_ref(), "--config".as_ref(), path.as_os_str()]);
    let mut messages = Messages::default();
    let deadline = Instant::now() + PATIENCE;
    let until = |messages: &mut Messages, wanted: &dyn Fn(&Messages) -> bool| {
        while !wanted(messages) {
            assert!(Instant::now() < deadline, "{:?} {:?}", messages.seen, messages.kinds);
            let (topic, message) = subscriber.next();
            messages.take(&topic, &message);
        }
    };
    let own = ["node", "camera", "homeassistant", "tag", "occupancy", "tracks", "stats"];
    let kinds = ["object", "activity", "zone", "line"];
    until(&mut messages, &|messages| {
        let came = |kind: &&str| messages.kinds.contains(&format!("{kind} start"));
        own.iter().all(|name| messages.seen.contains(*name)) && kinds.iter().all(came)
    });
    // What is open ends with the camera.
    ask_everything(broker.port(), &mut messages);
    until(&mut messages, &|messages| {
        kinds.iter().all(|kind| messages.kinds.contains(&format!("{kind} end")))
    });
    configure("cloudevents");
    program.signal("HUP");
    until(&mut messages, &|messages| messages.seen.contains("cloudevent"));
    drop_tags(&mut messages);
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let file = folder.path().join("messages");
    fs::write(&file, &messages.lines).unwrap();
    let draft7 = written(&["--draft", "7"]);
    for mut validator in [
        ajv("2020-12", &published(), Some(&file)),
        ajv("7", draft7.path(), Some(&file)),
        jsonschema(&published(), &file),
        jsonschema(draft7.path(), &file),
    ] {
        let (compiled, valid, faults) = judged(&mut validator);
        assert_eq!(faults, Vec::<String>::new(), "{validator:?}");
        assert_eq!(compiled.len(), 16, "{validator:?}");
        assert!(valid.keys().map(String::as_str).eq(KINDS), "{valid:?}");
    }
    what_is_no_message_is_refused(&messages.lines, folder.path());
}

/// The validators do not let everything pass: messages of the run with one thing wrong each.
fn what_is_no_message_is_refused(lines: &str, folder: &Path) {
    let find = |schema: &str, wanted: &dyn Fn(&Value) -> bool| {
        let said = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let found = said.filter(|said| said["schema"] == schema).find(|said| wanted(&said["message"]));
        found.unwrap_or_else(|| panic!("no such {schema}"))
    };
    let tag = |kind: &'static str, phase: &'static str| {
        find("tag", &move |tag| tag["kind"] == kind && tag["phase"] == phase)
    };
    let changed = |mut said: Value, change: &dyn Fn(&mut Value)| {
        change(&mut said["message"]);
        said
    };
    let without =
        |said: Value, key: &str| changed(said, &|message| drop(message.as_object_mut().unwrap().remove(key)));
    let wrong = [
        without(tag("zone", "start"), "zone"),
        without(tag("line", "start"), "line"),
        without(tag("object", "end"), "summary"),
        without(tag("object", "start"), "track"),
        changed(tag("activity", "end"), &|tag| {
            drop(tag["activity"].as_object_mut().unwrap().remove("summary"))
        }),
        changed(tag("object", "start"), &|tag| tag["id"] = "nothing".into()),
        changed(tag("object", "start"), &|tag| tag["at"] = "2026-13-01T00:00:00.000000Z".into()),
        changed(tag("object", "start"), &|tag| tag["seq"] = json!(-1)),
        changed(tag("object", "start"), &|tag| tag["other"] = json!(1)),
        without(find("reply-stats", &|_| true), "result"),
        changed(find("reply-stats", &|_| true), &|reply| {
            reply["error"] = json!({ "code": "failed", "message": "and yet" });
        }),
    ];
    let file = folder.join("wrong");
    fs::write(&file, wrong.iter().map(|said| format!("{said}\n")).collect::<String>()).unwrap();
    for mut validator in [ajv("2020-12", &published(), Some(&file)), jsonschema(&published(), &file)] {
        let (_, valid, faults) = judged(&mut validator);
        assert_eq!((valid.len(), faults.len()), (0, wrong.len()), "{valid:?} {faults:#?}");
    }
}

fn parsed(document: &Path) -> Value {
    said(peers::node("asyncapi.mjs").arg(document))
}

#[test]
fn the_asyncapi_document_passes_its_own_parser_bundled_or_not() {
    let bundled = written(&["--bundle"]);
    for document in [published().join("asyncapi.json"), bundled.path().join("asyncapi.json")] {
        let parsed = parsed(&document);
        assert_eq!(
            (&parsed["version"], &parsed["said"]),
            (&json!("3.1.0"), &json!([])),
            "{}",
            document.display()
        );
        let tags = &parsed["channels"]["tags"];
        assert_eq!(tags["address"], "{root}/{node}/{camera}/tag/{kind}");
        // The parser has found the schema itself, in a file beside or inside.
        let fields = tags["messages"][0][1].as_array().unwrap();
        assert!(fields.contains(&json!("seq")) && fields.contains(&json!("box")), "{fields:?}");
    }
}

#[test]
fn a_bundled_asyncapi_document_needs_no_other_file_and_its_schemas_are_looked_at() {
    let ended = spotter(["schema", "asyncapi", "--bundle"]);
    let mut document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let folder = TempDir::new().unwrap();
    let alone = folder.path().join("alone.json");
    fs::write(&alone, &ended.stdout).unwrap();
    assert_eq!(parsed(&alone)["said"], json!([]));
    // What is no schema is found inside, so its silence says something.
    document["components"]["schemas"]["Box"]["type"] = json!("rectangle");
    fs::write(&alone, document.to_string()).unwrap();
    let said = parsed(&alone)["said"].to_string();
    assert!(said.contains("Box") || said.contains("schema"), "{said}");
    assert_ne!(said, "[]");
}
