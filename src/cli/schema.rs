//! `spotter schema`: the contract for programs.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Map, Value};
use spotter::publish::schema::{asyncapi, documents};

use super::Outcome;
use super::output::say;

/// Prints the contract: JSON Schema (draft 2020-12) of each message, and an AsyncAPI 3 document of the topics.
///
/// Both are made from the types that write the messages. Without a name everything is printed as one JSON object, by name.
#[derive(clap::Args)]
pub struct Arguments {
    /// Only this document, such as `tag`, `node`, `reply-snapshot` or `asyncapi`.
    #[arg(value_name = "NAME", conflicts_with = "out")]
    name: Option<String>,
    /// Write every document into this folder, as `NAME.json`.
    #[arg(short, long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut all: Map<String, Value> =
        documents().into_iter().map(|(name, document)| (name.to_owned(), document)).collect();
    all.insert("asyncapi".to_owned(), asyncapi());
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, document) in &all {
            let path = folder.join(format!("{name}.json"));
            let text = serde_json::to_string_pretty(document)? + "\n";
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        return Ok(Outcome::Done);
    }
    let document = match &arguments.name {
        None => Value::Object(all),
        Some(name) => match all.remove(name) {
            Some(document) => document,
            None => {
                let known: Vec<&str> = all.keys().map(String::as_str).collect();
                anyhow::bail!("there is no document `{name}`; there are {}", known.join(", "));
            }
        },
    };
    say!("{}", serde_json::to_string_pretty(&document)?)?;
    Ok(Outcome::Done)
}
