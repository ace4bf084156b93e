//! `docs/schema/` says what the wire types are. Renew it with `SPOTTER_BLESS=1 cargo test --test publish_schema`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;

use serde_json::Value;
use spotter::publish::schema::{self, Draft};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(format!("{name}.json"))
}

#[test]
fn the_committed_schemas_are_those_of_the_wire_types() {
    let bless = std::env::var_os("SPOTTER_BLESS").is_some();
    let asyncapi = ("asyncapi", schema::asyncapi(Draft::V2020));
    for (name, document) in schema::documents(Draft::V2020).into_iter().chain([asyncapi]) {
        if bless {
            let text = serde_json::to_string_pretty(&document).unwrap();
            std::fs::write(path(name), text + "\n").unwrap();
        }
        let committed = std::fs::read_to_string(path(name)).unwrap_or_default();
        let committed: Value = serde_json::from_str(&committed).unwrap_or_default();
        assert!(
            committed == document,
            "docs/schema/{name}.json is stale: SPOTTER_BLESS=1 cargo test --test publish_schema"
        );
    }
}
