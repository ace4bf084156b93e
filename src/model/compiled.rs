//! Models as a provider has compiled them, kept on the disk: a start without them may take minutes.
//!
//! One file for each model and accelerator, named by both and by a hash of all that what was compiled hangs on. It begins with
//! the SHA-256 of what follows: a provider loads a file with damaged weights and computes something else. What follows is
//! the compiled model as ONNX with the provider's part in it, or nothing, when the provider compiles nothing of it or does not load
//! what it compiled. The self-test runs on what is loaded, wherever that came from.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Bytes of a hash.
const HASH: usize = 32;
/// How many digits of the hash are in a name.
const DIGITS: usize = 16;
const ENDING: &str = "compiled";
/// What the name of a file begins with while it is written.
const WRITING: &str = ".writing-";
/// No file is written for so long.
const LONGEST_WRITE: Duration = Duration::from_secs(3600);

/// Where one model is kept as it was compiled for one accelerator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    folder: PathBuf,
    /// What the names of all files begin with that were made of the model for the accelerator.
    stem: String,
    digits: String,
}

/// What became of a compiled model at the start of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compiled {
    /// It was compiled, and is on the disk now.
    Stored,
    /// It was on the disk.
    Loaded,
    /// What was on the disk did not do; it was compiled anew.
    Rebuilt,
}

/// What is at a place.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Nothing.
    Nothing,
    /// The compiled model, as ONNX.
    Model(Vec<u8>),
    /// That there is no compiled model.
    Uncompiled,
    /// Something else; why it is not what was written.
    Damaged(String),
}

impl Place {
    /// In `folder`, for the model called `model` on the accelerator called `accelerator`. What was compiled hangs on all of
    /// `on`.
    pub(super) fn new(folder: &Path, model: &str, accelerator: &str, on: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in on {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let stem = format!("{model}@{accelerator}.");
        Place { folder: folder.to_owned(), stem, digits: digits[..DIGITS].to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}{}.{ENDING}", self.stem, self.digits))
    }

    /// Reads what is there.
    pub(super) fn read(&self) -> Kept {
        let bytes = match std::fs::read(self.path()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Kept::Nothing,
            Err(error) => return Kept::Damaged(error.to_string()),
        };
        match bytes.split_at_checked(HASH) {
            Some((hash, model)) if *hash == *Sha256::digest(model) => {
                if model.is_empty() {
                    Kept::Uncompiled
                } else {
                    Kept::Model(model.to_vec())
                }
            }
            _ => Kept::Damaged("its hash is another".to_owned()),
        }
    }

    /// Writes a compiled model, or nothing in its place, and takes away what was kept for the model on the accelerator before.
    ///
    /// # Errors
    /// When the disk does not take it. A file that was there before is whole then.
    pub(super) fn write(&self, model: &[u8]) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::Builder::new().prefix(WRITING).tempfile_in(&self.folder)?;
        file.write_all(&Sha256::digest(model))?;
        file.write_all(model)?;
        file.as_file().sync_all()?;
        let path = self.path();
        file.persist(&path)?;
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_older = name.starts_with(&self.stem) && name.ends_with(ENDING) && entry.path() != path;
            if is_older || name.starts_with(WRITING) && is_left(&entry) {
                // Another process may do the same.
                match std::fs::remove_file(entry.path()) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// Whether a file that was being written was left so, by a process that is gone.
fn is_left(entry: &std::fs::DirEntry) -> bool {
    let age = entry.metadata().and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
    age.is_ok_and(|age| age.is_ok_and(|age| age > LONGEST_WRITE))
}

/// Whether a model in ONNX has a part that a provider has compiled: the operator `EPContext`.
pub(super) fn has_compiled_part(model: &[u8]) -> bool {
    const OPERATOR: &[u8] = b"EPContext";
    model.windows(OPERATOR.len()).any(|window| window == OPERATOR)
}

impl fmt::Display for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compiled::Stored => "stored",
            Compiled::Loaded => "loaded",
            Compiled::Rebuilt => "rebuilt",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_not_whole_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(&folder.path().join("compiled"), "pose", "npu", &["a", "b"]);
        assert_eq!(place.read(), Kept::Nothing);
        place.write(b"a model").unwrap();
        assert_eq!(place.read(), Kept::Model(b"a model".to_vec()));

        let whole = std::fs::read(place.path()).unwrap();
        for at in [0, HASH - 1, HASH, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(place.path(), &damaged).unwrap();
            assert!(matches!(place.read(), Kept::Damaged(_)), "byte {at}");
        }
        for length in [0, HASH - 1, HASH, whole.len() - 1] {
            std::fs::write(place.path(), &whole[..length]).unwrap();
            assert!(matches!(place.read(), Kept::Damaged(_)), "{length} bytes");
        }
        place.write(b"").unwrap();
        assert_eq!(place.read(), Kept::Uncompiled);
    }

    #[test]
    fn what_it_hangs_on_names_it_and_only_the_newest_of_a_model_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let place = |model: &str, on: &[&str]| Place::new(folder.path(), model, "npu", on);
        let (old, new) = (place("pose", &["a", "bc"]), place("pose", &["ab", "c"]));
        let other = place("pose-2", &["a"]);
        for place in [&old, &other, &new] {
            place.write(b"x").unwrap();
        }
        assert_eq!(old.read(), Kept::Nothing);
        assert_eq!((new.read(), other.read()), (Kept::Model(b"x".to_vec()), Kept::Model(b"x".to_vec())));
        let left = folder.path().join(".writing-left");
        std::fs::write(folder.path().join(".writing-now"), "").unwrap();
        std::fs::File::create(&left).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        new.write(b"x").unwrap();
        assert!(!left.exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
