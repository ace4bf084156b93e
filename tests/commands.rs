//! Commands to the running program, by a foreign client: each is carried out or refused with a reason, and answered.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

#[path = "support/contract.rs"]
mod contract;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;

use contract::Contract;
use mosquitto::{Mosquitto, Subscriber, publish, publish_retained, request, retained, wait};
use program::{PATIENCE, Program};

const PICTURE: &str =
    "pipeline = \"videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=5/1\"";
const ZONE: &str =
    "[[camera.zone]]\nname = \"door\"\npolygon = [[0, 0], [1, 0], [1, 1]]\nlabels = [\"person\"]";

/// A node `edge` and somebody who commands it.
struct Desk {
    broker: Mosquitto,
    file: PathBuf,
    program: Program,
    contract: Contract,
    folder: TempDir,
}

impl Desk {
    /// Starts a node that takes the listed commands, with a camera `ramp` and what more there is of it.
    fn open(listed: &str, more: &str) -> Self {
        let broker = Mosquitto::start("");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spotter.toml");
        fs::write(&file, config(&broker, listed, more)).unwrap();
        let program = Program::start(["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
        let desk = Desk { broker, file, program, contract: Contract::read(), folder };
        desk.until("ramp/status", |status| status["state"] == "online");
        desk
    }

    fn rewrite(&self, listed: &str, more: &str) {
        fs::write(&self.file, config(&self.broker, listed, more)).unwrap();
    }

    /// The first message at a topic of the node for which the condition holds.
    fn until(&self, topic: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let topic = format!("spotter/v1/edge/{topic}");
        let subscriber = Subscriber::start(self.broker.port(), &topic, &[]);
        loop {
            let (_, message) = subscriber.next();
            if condition(&message) {
                return message;
            }
        }
    }

    /// Sends a command and gives its reply, which is what the schema says.
    fn ask(&self, command: &str, message: &str, schema: &str) -> Value {
        let reply = request(self.broker.port(), &format!("spotter/v1/edge/command/{command}"), message);
        self.contract.hold_to(schema, &reply);
        assert_eq!((&reply["node"], &reply["command"]), (&json!("edge"), &json!(command)));
        reply
    }

    /// A retained message's bytes, when there is one.
    fn retained(&self, topic: &str) -> Vec<u8> {
        retained(self.broker.port(), &format!("spotter/v1/edge/{topic}"))
    }

    /// Stops the node, which ends well.
    fn close(self) {
        self.program.signal("TERM");
        let ended = self.program.wait(PATIENCE);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        drop(self.folder);
    }
}

fn config(broker: &Mosquitto, listed: &str, more: &str) -> String {
    format!(
        "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\ncommands = [{listed}]\n\
         [[camera]]\nname = \"ramp\"\n{PICTURE}\n{more}\n",
        broker.port()
    )
}

const ALL: &str = "\"snapshot\", \"reload\", \"camera/enable\", \"camera/disable\", \"stats\", \"models\"";

#[test]
fn every_command_is_carried_out_and_answered() {
    let desk = Desk::open(ALL, ZONE);
    let models = desk.ask("models", "", "reply-models");
    let tasks: Vec<&str> =
        models["result"]["models"].as_array().unwrap().iter().map(|m| m["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["detect", "pose", "posture", "skeleton"]);

    let taken = desk.ask("snapshot", r#"{"camera":"ramp"}"#, "reply-snapshot");
    let result = &taken["result"];
    assert_eq!((&result["width"], &result["height"]), (&json!(320), &json!(240)));
    let jpeg = desk.retained("ramp/snapshot/jpeg");
    assert_eq!(json!(jpeg.len()), result["bytes"]);
    let sha256: String = Sha256::digest(&jpeg).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(json!(sha256), result["sha256"]);
    assert_eq!(result["topic"], "spotter/v1/edge/ramp/snapshot/jpeg");

    let off = desk.ask("camera/disable", r#"{"camera":"ramp"}"#, "reply-camera");
    assert_eq!(off["result"], json!({ "camera": "ramp", "enabled": false }));
    desk.until("ramp/status", |status| status["state"] == "disabled");
    let none = desk.ask("snapshot", r#"{"camera":"ramp"}"#, "reply-snapshot");
    assert_eq!(none["error"], json!({ "code": "failed", "message": "camera ramp is disabled" }));
    desk.ask("camera/enable", r#"{"camera":"ramp"}"#, "reply-camera");
    desk.until("ramp/status", |status| status["state"] == "online");

    let stats = desk.ask("stats", "{}", "reply-stats");
    assert_eq!(stats["result"]["commands"], json!({ "done": 4, "refused": 1 }), "each was heard once");
    desk.close();
}

#[test]
fn what_is_not_allowed_is_refused_with_a_reason_and_counted() {
    let desk = Desk::open("\"stats\", \"snapshot\"", "");
    for (command, request, schema, code) in [
        ("models", "", "reply-models", "not-allowed"),
        ("dance", "", "reply-models", "unknown"),
        ("snapshot", "", "reply-snapshot", "malformed"),
        ("snapshot", r#"{"camera":"ramp","zoom":2}"#, "reply-snapshot", "malformed"),
        ("snapshot", r#"{"camera":"gate"}"#, "reply-snapshot", "failed"),
    ] {
        let reply = desk.ask(command, request, schema);
        assert_eq!(reply["error"]["code"], code, "{command} {request}");
        assert!(reply["error"]["message"].as_str().is_some_and(|message| message.len() > 10));
    }
    // A client without a response topic is answered below its request; a node that comes later finds this one retained.
    let replies = Subscriber::start(desk.broker.port(), "spotter/v1/edge/command/stats/reply", &[]);
    publish(desk.broker.port(), "spotter/v1/edge/command/stats", "{}");
    let (_, reply) = replies.next();
    assert_eq!(reply["result"]["commands"], json!({ "done": 0, "refused": 5 }));
    publish_retained(desk.broker.port(), "spotter/v1/edge/command/stats", "{}");
    let (_, live) = replies.next();
    assert!(live["result"].is_object(), "it was there when that was published: {live}");
    let Desk { broker, file, program, folder, .. } = desk;
    program.signal("TERM");
    assert_eq!(program.wait(PATIENCE).code, Some(0));
    let program = Program::start(["run".as_ref(), "--config".as_ref(), file.as_os_str()]);
    let (_, reply) = replies.next();
    assert_eq!(reply["error"]["code"], "retained", "{reply}");
    drop((program, broker, folder));
}

#[test]
fn a_changed_configuration_is_taken_whole_or_not_at_all() {
    let desk = Desk::open("\"reload\", \"stats\"", ZONE);
    desk.until("ramp/occupancy/door", |occupancy| occupancy["counts"] == json!({ "person": 0 }));

    desk.rewrite("\"reload\", \"dance\"", "colour = \"red\"");
    let refused = desk.ask("reload", "", "reply-reload");
    assert_eq!(refused["error"]["code"], "failed");
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("dance") && message.contains("camera[1].colour is unknown"), "{message}");
    assert_eq!(desk.ask("stats", "", "reply-stats")["boot"], refused["boot"], "the old one goes on");

    let gate = format!("[[camera]]\nname = \"gate\"\n{PICTURE}");
    desk.rewrite("\"reload\", \"stats\"", &gate);
    let reply = desk.ask("reload", "", "reply-reload");
    assert_eq!(reply["result"], json!({ "cameras": 2 }));
    let status = desk.until("gate/status", |status| status["state"] == "online");
    assert_eq!(status["boot"], reply["boot"], "the node goes on");
    assert!(wait(|| desk.retained("ramp/occupancy/door").is_empty()), "what the zone left is cleared");
    desk.close();
}
