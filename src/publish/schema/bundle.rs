//! The AsyncAPI document with every schema inside it: one file for tools that fetch no other.
//!
//! AsyncAPI's own schemas are those of JSON Schema's draft 7 and a few words more, so the schemas are written in that draft.
//! Their definitions are of one name and one meaning in all of them, and stand once.

use serde_json::{Map, Value, json};

use super::{Draft, documents};

/// Where a schema of draft 7 has its definitions, and where the bundle has them.
const DEFINED: &str = "#/definitions/";
const BUNDLED: &str = "#/components/schemas/";

/// The document.
pub fn bundled() -> Value {
    let mut document = super::asyncapi(Draft::V7);
    let mut schemas = Map::new();
    for (name, mut schema) in documents(Draft::V7) {
        let Some(message) = document.pointer_mut(&format!("/components/messages/{name}")) else { continue };
        message["payload"] = json!({ "$ref": format!("{BUNDLED}{name}") });
        refer(&mut schema);
        if let Value::Object(schema) = &mut schema {
            schema.remove("$schema");
            schema.remove("$id");
            if let Some(Value::Object(definitions)) = schema.remove("definitions") {
                schemas.extend(definitions);
            }
        }
        schemas.insert(name.to_owned(), schema);
    }
    document["components"]["schemas"] = Value::Object(schemas);
    document
}

/// Lets every reference to a definition point at where the bundle has it.
fn refer(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(to) if key == "$ref" => *to = to.replacen(DEFINED, BUNDLED, 1),
                    _ => refer(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_definition_means_the_same_in_every_schema() {
        let mut met = BTreeMap::new();
        for (name, schema) in documents(Draft::V7) {
            let definitions = schema.get("definitions").and_then(Value::as_object).cloned();
            for (title, definition) in definitions.unwrap_or_default() {
                let (first, same) = met.entry(title.clone()).or_insert((name, definition.clone()));
                assert_eq!(*same, definition, "{title} of {first} and of {name}");
            }
        }
        assert!(met.contains_key("Box"), "{:?}", met.keys());
    }

    #[test]
    fn every_reference_of_the_bundle_leads_to_something_in_it() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(object) => object.iter().for_each(|(key, value)| match value {
                    Value::String(to) if key == "$ref" => found.push(to.clone()),
                    _ => references(value, found),
                }),
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let document = bundled();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 50, "{found:?}");
        for to in found {
            let pointer = to.strip_prefix('#').unwrap_or_else(|| panic!("{to} leads outside"));
            assert!(document.pointer(pointer).is_some(), "{to} leads nowhere");
        }
    }
}
