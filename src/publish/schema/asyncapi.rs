//! The AsyncAPI 3.1 document: which message goes where.
//!
//! Its message schemas are those of `docs/schema/`, by reference, so that nothing stands twice; [`super::bundled`] puts them in.

use serde_json::{Map, Value, json};

use super::Draft;
use crate::config::Command;

/// A topic of the contract.
struct Channel {
    id: &'static str,
    /// Below the root, with parameters in braces.
    address: &'static str,
    title: &'static str,
    /// Names of documents in `docs/schema/`; none for a picture.
    messages: &'static [&'static str],
    qos: u8,
    retained: bool,
}

/// What a node sends.
const SENT: &[Channel] = &[
    Channel {
        id: "nodeStatus",
        address: "{node}/status",
        title: "What a node does; also its last will",
        messages: &["node"],
        qos: 1,
        retained: true,
    },
    Channel {
        id: "cameraStatus",
        address: "{node}/{camera}/status",
        title: "What a camera does",
        messages: &["camera"],
        qos: 1,
        retained: true,
    },
    Channel {
        id: "tags",
        address: "{node}/{camera}/tag/{kind}",
        title: "What a camera shows",
        messages: &["tag"],
        qos: 1,
        retained: false,
    },
    Channel {
        id: "gaps",
        address: "{node}/gap",
        title: "Tags that are lost for good",
        messages: &["gap"],
        qos: 1,
        retained: false,
    },
    Channel {
        id: "occupancy",
        address: "{node}/{camera}/occupancy/{zone}",
        title: "How many are in a zone",
        messages: &["occupancy"],
        qos: 1,
        retained: true,
    },
    Channel {
        id: "tracks",
        address: "{node}/{camera}/tracks",
        title: "Every track of every recognised frame; off by default",
        messages: &["tracks"],
        qos: 0,
        retained: false,
    },
    Channel {
        id: "stats",
        address: "{node}/stats",
        title: "A node's figures",
        messages: &["stats"],
        qos: 0,
        retained: false,
    },
    Channel {
        id: "snapshot",
        address: "{node}/{camera}/snapshot/jpeg",
        title: "A camera's last snapshot: a JPEG, published by the command `snapshot` only",
        messages: &[],
        qos: 1,
        retained: true,
    },
];

/// Documents of a command's request and reply.
fn documents_of(command: Command) -> (&'static str, &'static str) {
    match command {
        Command::Snapshot => ("request-camera", "reply-snapshot"),
        Command::Reload => ("request-nothing", "reply-reload"),
        Command::CameraEnable | Command::CameraDisable => ("request-camera", "reply-camera"),
        Command::Stats => ("request-nothing", "reply-stats"),
        Command::Models => ("request-nothing", "reply-models"),
    }
}

/// The document, beside schemas in this draft.
pub fn asyncapi(draft: Draft) -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    for channel in SENT {
        channels.insert(channel.id.to_owned(), sent(channel));
        let operation = json!({
            "action": "send",
            "channel": { "$ref": format!("#/channels/{}", channel.id) },
            "bindings": { "mqtt": { "qos": channel.qos, "retain": channel.retained } },
        });
        operations.insert(format!("send{}", capitalised(channel.id)), operation);
    }
    for command in Command::ALL {
        let id = format!("command{}", command.as_str().split('/').map(capitalised).collect::<String>());
        let (request, reply) = documents_of(command);
        channels.insert(id.clone(), json!({
            "address": format!("{{root}}/{{node}}/command/{}", command.as_str()),
            "title": format!("The command `{}`, when the node's configuration lists it", command.as_str()),
            "parameters": parameters(&["root", "node"]),
            "messages": { request: { "$ref": format!("#/components/messages/{request}") } },
        }));
        let answers = format!("{id}Reply");
        channels.insert(
            answers.clone(),
            json!({
                "address": null,
                "title": format!("Replies to `{}`", command.as_str()),
                "messages": { reply: { "$ref": format!("#/components/messages/{reply}") } },
            }),
        );
        operations.insert(format!("receive{}", capitalised(&id)), json!({
            "action": "receive",
            "channel": { "$ref": format!("#/channels/{id}") },
            "bindings": { "mqtt": { "qos": 1 } },
            "reply": {
                "address": {
                    "description": "The request's MQTT 5 response topic; without one, the request's topic and `/reply`. \
                                    The request's correlation data comes back.",
                    "location": "$message.header#/responseTopic",
                },
                "channel": { "$ref": format!("#/channels/{answers}") },
            },
        }));
    }
    let messages: Map<String, Value> = super::documents(draft)
        .into_iter()
        .filter(|(name, _)| !["cloudevent", "homeassistant"].contains(name))
        .map(|(name, document)| (name.to_owned(), message(name, &document, draft)))
        .collect();
    json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "Spotter",
            "version": "1",
            "description": "What a Spotter node says over MQTT and what it can be told. With the profile `cloudevents` \
                            each message lies in a CloudEvents 1.0 envelope (cloudevent.json).",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    })
}

fn sent(channel: &Channel) -> Value {
    let names: Vec<&str> =
        channel.address.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
    let messages: Map<String, Value> = channel
        .messages
        .iter()
        .map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/messages/{name}") })))
        .collect();
    let messages = if channel.messages.is_empty() {
        json!({ "jpeg": { "contentType": "image/jpeg", "payload": { "type": "string", "contentEncoding": "binary" } } })
    } else {
        Value::Object(messages)
    };
    json!({
        "address": format!("{{root}}/{}", channel.address),
        "title": channel.title,
        "parameters": parameters(&[&["root"], &names[..]].concat()),
        "messages": messages,
    })
}

fn parameters(names: &[&str]) -> Value {
    let of = |name: &&str| {
        let parameter = match *name {
            "root" => json!({ "description": "The configuration's mqtt.root", "default": "spotter/v1" }),
            "kind" => json!({ "enum": ["object", "activity", "zone", "line"] }),
            name => json!({ "description": format!("Name of the {name}: A-Z a-z 0-9 _ -, 64 at most") }),
        };
        ((*name).to_owned(), parameter)
    };
    Value::Object(names.iter().map(of).collect())
}

fn message(name: &str, document: &Value, draft: Draft) -> Value {
    let draft = match draft {
        Draft::V7 => "draft-07",
        Draft::V2020 => "draft-2020-12",
    };
    json!({
        "name": name,
        "title": document.get("title").cloned().unwrap_or_else(|| name.into()),
        "contentType": "application/json",
        "payload": {
            "schemaFormat": format!("application/schema+json;version={draft}"),
            "schema": { "$ref": format!("{name}.json") },
        },
    })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
