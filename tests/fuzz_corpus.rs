//! What the fuzz targets start from: a file of the corpus is accepted or refused as its name says. An accepted text that a
//! later release refuses would leave the fuzzer at the door.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use spotter::config::Config;
use spotter::model::Package;
use tempfile::TempDir;

/// Names and contents of a target's corpus.
fn corpus(target: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// Compares what is said of each text with its name, and what was refused with why.
fn check(target: &str, refused: impl Fn(&str) -> Option<String>) {
    let (mut valid, mut wrong) = (0, Vec::new());
    for (name, text) in corpus(target) {
        match (refused(&text), name.split('-').next()) {
            (None, Some("valid")) => valid += 1,
            (Some(_), Some("refused")) => {}
            (why, _) => wrong.push(format!("{name}: {}", why.as_deref().unwrap_or("is accepted"))),
        }
    }
    assert!(wrong.is_empty(), "fuzz/corpus/{target}:\n{}", wrong.join("\n"));
    assert!(valid >= 5, "only {valid} of {target} are accepted");
}

#[test]
fn configurations_are_what_they_are_called() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("password", "secret\n");
    write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    write("client.pem", "-----BEGIN CERTIFICATE-----\n");
    write("client.key", "-----BEGIN PRIVATE KEY-----\n");
    check("config", |text| Config::parse(text, folder.path()).err().map(|error| error.to_string()));
}

#[test]
fn manifests_are_what_they_are_called() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("model.onnx"), "model").unwrap();
    fs::write(folder.path().join("labels.txt"), "person\nbicycle\ncar\n").unwrap();
    check("manifest", |text| {
        fs::write(folder.path().join("model.toml"), text).unwrap();
        Package::open(folder.path()).err().map(|error| error.to_string())
    });
}
