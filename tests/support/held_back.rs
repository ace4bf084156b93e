//! A model that a node waits for: loading it takes until the test gives it.
//!
//! Used by integration tests with `#[path]`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// Gives a pipe's readers a model, one reader after the other; each has a pipe of its own.
const GIVE: &str = r#"
import os, sys
model, pipe, readers = sys.argv[1:]
for _ in range(int(readers)):
    with open(pipe, "wb") as reader:
        os.mkfifo(pipe + ".next")
        os.rename(pipe + ".next", pipe)
        reader.write(open(model, "rb").read())
"#;

/// A folder `models` with the detector's package, whose model is a pipe: loading it takes until somebody gives it.
pub struct HeldBack {
    model: PathBuf,
    pipe: PathBuf,
}

/// Who gives a model, until this is dropped.
pub struct Giver(Child);

impl HeldBack {
    pub fn new(folder: &Path) -> Self {
        let name = "centernet-mobilenetv3-coco";
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        let to = folder.join("models").join(name);
        fs::create_dir_all(&to).unwrap();
        for file in ["model.toml", "labels.txt"] {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
        let model = format!("{name}.onnx");
        let pipe = to.join(&model);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        HeldBack { model: from.join(model), pipe }
    }

    /// Gives it to so many readers. Loading reads it twice: what was verified, and what is run.
    pub fn give(&self, readers: u32) -> Giver {
        let mut command = Command::new("python3");
        command.args(["-c", GIVE]).args([&self.model, &self.pipe]).arg(readers.to_string());
        Giver(command.spawn().expect("python3 is installed"))
    }
}

impl Giver {
    pub fn has_given(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some_and(|status| status.success())
    }
}

impl Drop for Giver {
    fn drop(&mut self) {
        if let Err(error) = self.0.kill().and_then(|()| self.0.wait()) {
            eprintln!("the model is still given: {error}");
        }
    }
}
