//! `spotter schema`: the contract for programs.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Map, Value};
use spotter::publish::schema::{Draft, asyncapi, bundled, documents};

use super::Outcome;
use super::output::{cannot_write, say};

/// Prints the contract: JSON Schema of each message, and an AsyncAPI 3.1 document of the topics.
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
    /// The AsyncAPI document holds every schema itself, in draft 7, instead of naming files beside it.
    #[arg(long)]
    bundle: bool,
    /// The draft of JSON Schema: `2020-12`, or `7` for validators that know no later one, such as ajv's default import.
    #[arg(long, value_name = "DRAFT", default_value = "2020-12", value_parser = ["2020-12", "7"])]
    draft: String,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let draft = if arguments.draft == "7" { Draft::V7 } else { Draft::V2020 };
    let mut all: Map<String, Value> =
        documents(draft).into_iter().map(|(name, document)| (name.to_owned(), document)).collect();
    all.insert("asyncapi".to_owned(), if arguments.bundle { bundled() } else { asyncapi(draft) });
    if let Some(folder) = &arguments.out {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for (name, document) in &all {
            let path = folder.join(format!("{name}.json"));
            let text = serde_json::to_string_pretty(document)? + "\n";
            std::fs::write(&path, text).with_context(|| cannot_write(&path))?;
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
