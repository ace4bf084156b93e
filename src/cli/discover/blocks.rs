//! `[[camera]]` blocks of cameras that were found. Pure.

use std::collections::BTreeSet;

use spotter::name::Name;

/// Characters of a name that is made here.
const LONGEST_NAME: usize = 40;

/// The names that were given.
#[derive(Default)]
pub(super) struct Blocks(BTreeSet<String>);

impl Blocks {
    /// A name for the configuration out of what a camera calls itself, which no other has.
    pub(super) fn name(&mut self, text: &str, otherwise: &str) -> String {
        let plain: String =
            text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
        let joined: String = words.join("-").chars().take(LONGEST_NAME).collect();
        // In topics, `command` is where commands go.
        let stem = match Name::new(&joined) {
            Ok(name) if name.as_str() != "command" => joined,
            _ => otherwise.to_owned(),
        };
        let numbered = (2u32..).map(|number| format!("{stem}-{number}"));
        let free = std::iter::once(stem.clone()).chain(numbered).find(|name| !self.0.contains(name));
        let name = free.unwrap_or(stem);
        self.0.insert(name.clone());
        name
    }
}

/// A block: comments, the name, and what leads to the video. No line of it can end early: what comes from a camera holds no
/// control characters.
pub(super) fn block(comments: &[String], name: &str, lines: &[String]) -> String {
    let comments = comments.iter().map(|comment| format!("# {}\n", one_line(comment)));
    let lines = lines.iter().map(|line| format!("{}\n", one_line(line)));
    let head = format!("[[camera]]\nname = {}\n", quoted(name));
    comments.chain([head]).chain(lines).collect()
}

/// A text of TOML.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use spotter::config::Config;

    use super::*;

    #[test]
    fn names_are_plain_and_no_two_are_the_same() {
        let mut blocks = Blocks::default();
        for (text, name) in [
            ("Gate Cam #2", "gate-cam-2"),
            ("gate cam 2", "gate-cam-2-2"),
            ("\u{1b}[2J", "2j"),
            ("日本", "camera"),
            ("command", "camera-2"),
            ("192.0.2.10", "192-0-2-10"),
        ] {
            assert_eq!(blocks.name(text, "camera"), name, "{text:?}");
        }
        assert_eq!(blocks.name(&"x".repeat(300), "camera").len(), LONGEST_NAME);
    }

    #[test]
    fn a_block_is_configuration_whatever_a_camera_says() {
        let evil = "x\"\n[mqtt]\nbroker = \"mqtt://evil\"\u{7}";
        let mut blocks = Blocks::default();
        let name = blocks.name(evil, "camera");
        let text =
            block(&[evil.to_owned()], &name, &[format!("source = {}", quoted(&format!("genicam:{evil}")))]);
        let config = Config::parse(&text, Path::new("")).unwrap_or_else(|error| panic!("{text}{error}"));
        assert_eq!((config.cameras.len(), config.cameras[0].name.as_str()), (1, name.as_str()));
        assert!(!config.mqtt.host.contains("evil"), "{}", config.mqtt.host);
    }
}
