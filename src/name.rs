//! Names of nodes and cameras: safe as one part of an MQTT topic, a file name and a log field.

use std::fmt;
use std::sync::Arc;

/// A name of 1 to 64 characters out of `A-Z a-z 0-9 _ -`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

/// A text that cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no name: use 1 to 64 characters out of A-Z a-z 0-9 _ -")]
pub struct BadName(String);

impl Name {
    /// Checks and keeps `text`.
    ///
    /// # Errors
    /// When the text is empty, longer than 64 characters or has a character outside `A-Z a-z 0-9 _ -`.
    pub fn new(text: &str) -> Result<Self, BadName> {
        let fits = (1..=64).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            Ok(Name(Arc::from(text)))
        } else {
            Err(BadName(text.chars().take(80).collect()))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        Name::new(text)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_topics() {
        for good in ["a", "ramp-2", "Gate_7", &"x".repeat(64)] {
            assert_eq!(Name::new(good).expect("good").as_str(), good);
        }
        for bad in ["", "a/b", "a+b", "#", "a b", "ä", "a\n", &"x".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }
}
