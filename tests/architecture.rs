//! The architecture, held to the sources: which module may use which, which crate belongs where, and a few rules that
//! no lint knows. The tables below are the rules; `docs/architecture.md` says why.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[path = "support/source.rs"]
mod source;

use source::{Token, heads, is_part_of_a_longer_word, tokens, without_comments_and_texts};

/// Every module, and the modules that it may use. Data flows one way: a module may only name what stands above it.
const MODULES: &[(&str, &[&str])] = &[
    // Leaves: values without a stage.
    ("name", &[]),
    ("clock", &[]),
    ("geometry", &[]),
    ("tag", &["name", "clock", "geometry"]),
    ("frame", &["name", "clock", "geometry"]),
    ("telemetry", &["name", "clock"]),
    ("config", &["name", "geometry"]),
    ("discover", &["config"]),
    // From the camera to the tag.
    ("capture", &["name", "geometry", "clock", "frame", "telemetry", "config", "discover"]),
    ("model", &["name", "clock", "geometry", "tag", "frame", "config"]),
    ("detect", &["name", "clock", "geometry", "tag", "frame", "model"]),
    ("track", &["name", "clock", "geometry", "tag", "detect"]),
    ("activity", &["name", "clock", "geometry", "tag", "frame", "model", "track"]),
    ("rules", &["name", "clock", "geometry", "tag", "config", "detect", "track", "activity"]),
    (
        "recognize",
        &[
            "name",
            "clock",
            "geometry",
            "tag",
            "frame",
            "telemetry",
            "config",
            "capture",
            "model",
            "detect",
            "track",
            "activity",
            "rules",
        ],
    ),
    // From the tag to the broker: knows nothing of pictures, models and tracks.
    ("publish", &["name", "clock", "geometry", "tag", "telemetry", "config"]),
    // Not on the way: how good it is, and pictures for people.
    (
        "eval",
        &["name", "clock", "geometry", "tag", "config", "model", "detect", "track", "activity", "rules"],
    ),
    ("picture", &["name", "clock", "geometry", "tag", "frame", "detect", "track", "activity"]),
    // Those who join the stages.
    (
        "daemon",
        &[
            "name",
            "clock",
            "tag",
            "telemetry",
            "config",
            "capture",
            "model",
            "detect",
            "activity",
            "recognize",
            "publish",
            "picture",
        ],
    ),
    // What an installer would look at.
    (
        "doctor",
        &[
            "name",
            "clock",
            "telemetry",
            "frame",
            "config",
            "capture",
            "model",
            "publish",
            "picture",
            "daemon",
        ],
    ),
    (
        "cli",
        &[
            "name",
            "clock",
            "geometry",
            "tag",
            "frame",
            "telemetry",
            "config",
            "capture",
            "model",
            "detect",
            "track",
            "activity",
            "recognize",
            "publish",
            "eval",
            "picture",
            "daemon",
            "doctor",
            "discover",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Every crate that the package depends on, and the modules or files that may use it.
const CRATES: &[(&str, &[&str])] = &[
    // What is behind a stage is that stage's business.
    ("gstreamer", &["capture"]),
    ("gio", &["capture/heard", "capture/reach"]),
    ("gstreamer_app", &["capture"]),
    ("gstreamer_video", &["capture"]),
    ("ort", &["model"]),
    ("fast_image_resize", &["frame"]),
    ("pathfinding", &["track"]),
    ("rumqttd", &["publish"]),
    ("redb", &["publish/outbox"]),
    ("bytes", &["model/remote", "publish/broker", "publish/link"]),
    ("futures_util", &["publish/link"]),
    ("rustls", &["model/remote", "publish/link"]),
    ("tokio_rustls", &["model/remote", "publish/link"]),
    ("tokio_tungstenite", &["publish/link"]),
    ("tokio", &["model/remote", "publish", "daemon/health"]),
    ("hyper", &["model/remote", "daemon/health"]),
    ("hyper_util", &["model/remote", "daemon/health"]),
    ("http_body_util", &["model/remote", "daemon/health"]),
    ("hyper_rustls", &["model/remote"]),
    ("prost", &["model/remote"]),
    ("jiff", &["clock"]),
    // The system around the service.
    ("signal_hook", &["daemon/signals"]),
    ("systemd", &["daemon/notify", "daemon/timekeeper"]),
    (
        "rustix",
        &["daemon/notify", "daemon/control", "doctor", "cli/bench", "cli/log", "capture/room", "discover"],
    ),
    ("nix", &["discover/interfaces"]),
    ("roxmltree", &["discover/soap"]),
    // Formats: JSON is on the wire, TOML in files.
    ("serde", &["model/remote", "publish"]),
    // `bench --json`, `doctor --json`, `probe --json`, `eval --json`, the health endpoint and inference servers are for machines.
    (
        "serde_json",
        &[
            "publish",
            "cli/bench",
            "cli/discover",
            "cli/doctor",
            "cli/eval",
            "cli/models",
            "cli/probe",
            "cli/schema",
            "daemon/health",
            "model/assignment",
            "model/remote",
        ],
    ),
    ("schemars", &["publish"]),
    ("toml", &["config", "model"]),
    ("csv", &["eval"]),
    ("zip", &["eval"]),
    ("url", &["config", "discover", "model/remote"]),
    ("image", &["picture", "cli/demo", "model/selftest"]),
    ("embedded_graphics", &["picture"]),
    // What a person at a terminal sees.
    ("clap", &["cli"]),
    ("anyhow", &["cli"]),
    ("indicatif", &["cli"]),
    ("tracing_subscriber", &["cli"]),
    ("tempfile", &["cli/demo", "cli/doctor", "model/compiled", "model/session"]),
    // Where they are needed.
    ("sha2", ANYWHERE),
    ("thiserror", ANYWHERE),
    ("tracing", ANYWHERE),
    ("uuid", ANYWHERE),
];

const ANYWHERE: &[&str] = &[""];

/// Words that the sources may not hold, and the files that may.
const WORDS: &[(&str, &[&str], &str)] = &[
    (
        "SystemTime::now",
        &["clock"],
        "time comes from the frame or from a Clock, so that replay is deterministic",
    ),
    ("unsafe", &[], "nothing here needs it"),
    ("todo!", &[], "no stubs"),
    ("unimplemented!", &[], "no stubs"),
    ("dbg!", &[], "logs are structured"),
    ("println!", &["track/tests"], "it panics when nobody reads: say! does not"),
    ("print!", &[], "it panics when nobody reads: say! does not"),
    ("eprintln!", &[], "it panics when standard error cannot be written: complain! does not"),
    ("eprint!", &[], "it panics when standard error cannot be written: complain! does not"),
];

/// A file longer than this is two files.
const MOST_LINES: usize = 500;

#[test]
fn the_sources_keep_to_the_architecture() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    let mut found = BTreeSet::new();
    for path in files(&sources) {
        let file = path.strip_prefix(&sources).unwrap().with_extension("");
        let file = file.to_str().unwrap();
        found.insert(module_of(file).to_owned());
        faults.extend(check(file, &std::fs::read_to_string(&path).unwrap()));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let listed: BTreeSet<String> = MODULES.iter().map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(found, listed, "the modules of src/ are those of the table");
}

#[test]
fn the_table_of_modules_flows_one_way() {
    let mut above = BTreeSet::new();
    for (module, may_use) in MODULES {
        for used in *may_use {
            assert!(above.contains(used), "{module} may use {used}, which does not stand above it");
        }
        assert!(above.insert(module), "{module} stands there twice");
    }
}

#[test]
fn every_dependency_has_its_place() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let depends: BTreeSet<String> =
        manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect();
    let listed: BTreeSet<String> = CRATES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(depends, listed, "the dependencies of Cargo.toml are those of the table");
}

/// A file, its text, and what is wrong with it.
const SNIPPETS: &[(&str, &str, &[&str])] = &[
    ("geometry", "//! Boxes.\nuse std::fmt;\n", &[]),
    (
        "geometry",
        "use std::fmt;\n",
        &["src/geometry.rs:1: a file opens with `//!`: what it is, who calls it"],
    ),
    // Modules.
    (
        "track/assign",
        "//! .\nuse crate::detect::Detection;\nuse crate::rules::ObjectRules;\n",
        &["src/track/assign.rs:3: track uses rules; it may use name, clock, geometry, tag, detect"],
    ),
    (
        "publish/wire",
        "//! .\nfn a() {\n    let b = crate::track::TrackerConfig::default();\n}\n",
        &[
            "src/publish/wire.rs:3: publish uses track; it may use name, clock, geometry, tag, telemetry, config",
        ],
    ),
    (
        "geometry",
        "//! .\nuse crate::{\n    geometry::BBox,\n    tag::{Tag, model::Of},\n};\n",
        &["src/geometry.rs:4: geometry uses tag; it may use nothing"],
    ),
    (
        "cli/run",
        "//! .\nuse spotter::rules::ObjectRules;\n",
        &[
            "src/cli/run.rs:2: cli uses rules; it may use name, clock, geometry, tag, frame, telemetry, config, capture, \
         model, detect, track, activity, recognize, publish, eval, picture, daemon, doctor, discover",
        ],
    ),
    // `super` is the same module, until it reaches the root.
    ("name", "//! .\nuse super::tag::Tag;\n", &["src/name.rs:2: name uses tag; it may use nothing"]),
    ("publish/topic", "//! .\nuse super::track::Own;\n", &[]),
    (
        "publish/topic",
        "//! .\nuse super::super::frame::Frame;\n",
        &[
            "src/publish/topic.rs:2: publish uses frame; it may use name, clock, geometry, tag, telemetry, config",
        ],
    ),
    (
        "name",
        "//! .\nmod tests {\n    use super::tag;\n    use super::super::tag::Tag;\n}\n",
        &["src/name.rs:4: name uses tag; it may use nothing"],
    ),
    // Crates.
    ("detect", "//! .\nuse ort::session::Session;\n", &["src/detect.rs:2: `ort` is only for model"]),
    (
        "daemon",
        "//! .\nfn a() {\n    tokio::spawn(b());\n}\n",
        &["src/daemon.rs:3: `tokio` is only for model/remote, publish, daemon/health"],
    ),
    ("rules", "//! .\nuse gstreamer as gst;\n", &["src/rules.rs:2: `gstreamer` is only for capture"]),
    (
        "config",
        "//! .\n#[derive(serde::Deserialize)]\nstruct A;\n",
        &["src/config.rs:2: `serde` is only for model/remote, publish"],
    ),
    ("picture", "//! .\nuse image::RgbImage;\n", &[]),
    ("cli/demo/scene", "//! .\nuse image::RgbImage;\n", &[]),
    (
        "cli/demonstrate",
        "//! .\nuse image::RgbImage;\n",
        &["src/cli/demonstrate.rs:2: `image` is only for picture, cli/demo, model/selftest"],
    ),
    ("tag", "//! .\nuse uuid::Uuid;\n", &[]),
    // Not everything with such a name is a crate.
    (
        "frame",
        "//! .\nfn image(image: Image) -> u32 { self.image::<u8>(); super::image::Image::of(image) }\n",
        &[],
    ),
    // Tests may use any crate, but no other modules.
    (
        "frame",
        "//! .\n#[cfg(test)]\nmod tests {\n    use tempfile::tempdir;\n    use crate::track::Track;\n}\n",
        &["src/frame.rs:5: frame uses track; it may use name, clock, geometry"],
    ),
    ("track/tests", "//! .\nuse tempfile::tempdir;\n", &[]),
    ("track/tests/model", "//! .\nuse tempfile::tempdir;\n", &[]),
    // Comments and texts are not code.
    (
        "tag",
        "//! See [`crate::publish`], made with `ort::Session`; unsafe.\nfn a() -> &'static str { \"todo! ort::x\" }\n",
        &[],
    ),
    (
        "tag",
        "//! .\n/* use ort::a; /* nested */ unsafe */ fn a<'a>(b: &'a str) { let c = ('\"', r#\"\"ort::x\"#); }\n",
        &[],
    ),
    // Words.
    (
        "daemon",
        "//! .\nfn a() { let now = std::time::SystemTime::now(); }\n",
        &[
            "src/daemon.rs:2: `SystemTime::now`: time comes from the frame or from a Clock, so that replay is deterministic",
        ],
    ),
    ("clock", "//! .\nfn a() { let now = SystemTime::now(); }\n", &[]),
    (
        "tag",
        "//! .\nfn a() { todo!() }\nfn b() { unsafe { c() } }\n",
        &["src/tag.rs:2: `todo!`: no stubs", "src/tag.rs:3: `unsafe`: nothing here needs it"],
    ),
    ("new", "//! .\n", &["src/new.rs:1: the module new is in no table: tests/architecture.rs"]),
];

#[test]
fn the_checker_finds_what_it_is_there_for() {
    for (file, text, expected) in SNIPPETS {
        assert_eq!(check(file, text), *expected, "{file}: {text}");
    }
    let long = format!("//! .\n{}", "\n".repeat(MOST_LINES));
    assert_eq!(check("tag", &long), ["src/tag.rs:501: a file of 501 lines; at most 500"]);
}

/// Everything that is wrong with a file of `src/`, named without its ending.
fn check(file: &str, text: &str) -> Vec<String> {
    let module = module_of(file);
    let Some((_, may_use)) = MODULES.iter().find(|(name, _)| *name == module) else {
        return vec![format!("src/{file}.rs:1: the module {module} is in no table: tests/architecture.rs")];
    };
    let code = without_comments_and_texts(text);
    let tokens = tokens(&code);
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push((1, "a file opens with `//!`: what it is, who calls it".to_owned()));
    }
    for (line, used) in modules_used(file, &tokens) {
        if used != module && MODULES.iter().any(|(name, _)| *name == used) && !may_use.contains(&used) {
            let allowed = if may_use.is_empty() { "nothing".to_owned() } else { may_use.join(", ") };
            faults.push((line, format!("{module} uses {used}; it may use {allowed}")));
        }
    }
    let first_test = first_line_of_tests(file, &code);
    for (line, used) in heads(&tokens) {
        if let Some((_, places)) = CRATES.iter().find(|(name, _)| *name == used)
            && line < first_test
            && !places.iter().any(|place| is_in(file, place))
        {
            faults.push((line, format!("`{used}` is only for {}", places.join(", "))));
        }
    }
    for (word, places, why) in WORDS {
        for (index, line) in code.lines().enumerate() {
            let holds =
                line.match_indices(word).any(|(at, _)| !is_part_of_a_longer_word(line, at, word.len()));
            if holds && !places.iter().any(|place| is_in(file, place)) {
                faults.push((index + 1, format!("`{word}`: {why}")));
            }
        }
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        faults.push((lines, format!("a file of {lines} lines; at most {MOST_LINES}")));
    }
    faults.sort();
    faults.into_iter().map(|(line, fault)| format!("src/{file}.rs:{line}: {fault}")).collect()
}

/// The module that a file belongs to: `publish` for `publish/wire`.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap()
}

/// Whether a file is the place `cli/demo` or below it.
fn is_in(file: &str, place: &str) -> bool {
    place.is_empty() || file == place || file.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
}

/// Where the file's tests begin; they may use any crate.
fn first_line_of_tests(file: &str, code: &str) -> usize {
    if file.ends_with("/tests") || file.contains("/tests/") {
        return 0;
    }
    code.lines().position(|line| line == "#[cfg(test)]").map_or(usize::MAX, |index| index + 1)
}

/// Modules of this crate that the paths in a file name: after `crate`, after `super` where it means the root, and in
/// the program after `spotter`.
fn modules_used<'c>(file: &str, tokens: &[Token<'c>]) -> Vec<Token<'c>> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.1);
    let of_program = ["cli", "main"].contains(&module_of(file));
    let depth = file.split('/').count();
    // For each open brace, whether it belongs to a module.
    let mut braces: Vec<bool> = Vec::new();
    let mut used = Vec::new();
    for index in 0..tokens.len() {
        match text(index) {
            "{" => braces.push(index >= 2 && text(index - 2) == "mod"),
            "}" => drop(braces.pop()),
            _ => {}
        }
        let leads = text(index + 1) == "::" && (index == 0 || text(index - 1) != "::");
        if !leads {
            continue;
        }
        let mut after = index + 2;
        let at_root = match text(index) {
            "crate" => true,
            "spotter" => of_program,
            "super" => {
                let mut up = 1;
                while text(after) == "super" {
                    up += 1;
                    after += 2;
                }
                up >= depth + braces.iter().filter(|is_module| **is_module).count()
            }
            _ => false,
        };
        if !at_root {
            continue;
        }
        if text(after) != "{" {
            used.extend(tokens.get(after));
            continue;
        }
        // In a group, what follows its brace or a comma of its own.
        let mut open = 0;
        for (inner, token) in tokens.iter().enumerate().skip(after) {
            match token.1 {
                "{" => open += 1,
                "}" => open -= 1,
                _ if open == 1 && ["{", ","].contains(&text(inner - 1)) => used.push(*token),
                _ => {}
            }
            if open == 0 {
                break;
            }
        }
    }
    used
}

/// Every Rust file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
