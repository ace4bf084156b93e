//! The log as the journal's entries: a line for people, and each of its fields as a field, such as `CAMERA=ramp`.
//!
//! Used when standard error leads to the journal, as it does in a service. Names of fields are in capitals there, and
//! `journalctl CAMERA=ramp` finds what concerns a camera. Entries are sent by the journal's own protocol and not by
//! libsystemd, which waits for a journal that hangs and says nothing of one that is not there.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Whether standard error is the stream that systemd has connected to the journal.
pub(super) fn is_stderr() -> bool {
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().map(std::fs::File::from);
    let metadata = stderr.and_then(|stderr| stderr.metadata());
    match (std::env::var("JOURNAL_STREAM"), metadata) {
        (Ok(stream), Ok(metadata)) => stream == format!("{}:{}", metadata.dev(), metadata.ino()),
        _ => false,
    }
}

/// Where the journal takes entries.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Sends every event to the journal.
pub(super) struct Journal {
    at: PathBuf,
    /// Takes the line for people where the journal takes no entry.
    instead: fn(&str),
}

impl Journal {
    pub(super) fn or(instead: fn(&str)) -> Self {
        Journal { at: SOCKET.into(), instead }
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let entry = entry(event);
        if self.send(&entry).is_err() {
            // The stream leads to the same place, without fields.
            let message = entry.first().map_or("", |message| message.trim_start_matches("MESSAGE="));
            (self.instead)(&format!("{message}\n"));
        }
    }
}

impl Journal {
    /// Hands an entry over, or fails at once.
    fn send(&self, entry: &[String]) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.send_to(&datagram(entry), &self.at).map(drop)
    }
}

/// An entry as the journal takes it: a value of several lines comes after its length.
fn datagram(entry: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in entry.iter().filter_map(|field| field.split_once('=')) {
        bytes.extend(name.bytes());
        if value.contains('\n') {
            bytes.push(b'\n');
            bytes.extend((value.len() as u64).to_le_bytes());
        } else {
            bytes.push(b'=');
        }
        bytes.extend(value.bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// The fields of an entry, the message first.
fn entry(event: &Event<'_>) -> Vec<String> {
    let metadata = event.metadata();
    let mut read = Read::default();
    event.record(&mut read);
    let mut entry = vec![
        format!("MESSAGE={}{}", read.message, read.rest),
        format!("PRIORITY={}", priority(metadata.level())),
        "SYSLOG_IDENTIFIER=spotter".to_owned(),
        format!("TARGET={}", metadata.target()),
    ];
    entry.extend(metadata.file().map(|file| format!("CODE_FILE={file}")));
    entry.extend(metadata.line().map(|line| format!("CODE_LINE={line}")));
    entry.extend(read.fields);
    entry
}

/// As in syslog(3).
fn priority(level: &Level) -> u8 {
    match *level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

/// What an event says.
#[derive(Default)]
struct Read {
    message: String,
    /// Its fields, as they follow the message in a line.
    rest: String,
    /// Its fields, for the journal.
    fields: Vec<String>,
}

impl Read {
    fn take(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
            return;
        }
        self.rest += &format!(" {}={value}", field.name());
        self.fields.push(format!("{}={value}", name(field.name())));
    }
}

impl Visit for Read {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, &format!("{value:?}"));
    }
}

/// A field's name as the journal takes it: capitals, digits and underscores, not beginning with an underscore, which is
/// for the journal's own.
fn name(field: &str) -> String {
    let taken = field.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let name: String = taken.collect();
    let name = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    // Neither may a field speak for those that say what the entry is.
    match name {
        "MESSAGE" | "PRIORITY" | "" => format!("FIELD_{name}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Keeps entries instead of sending them.
    struct Kept(Arc<Mutex<Vec<Vec<String>>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().unwrap().push(entry(event));
        }
    }

    #[test]
    fn an_event_is_a_line_and_its_fields() {
        let kept = Arc::<Mutex<Vec<Vec<String>>>>::default();
        let subscriber = tracing_subscriber::registry().with(Kept(Arc::clone(&kept)));
        tracing::subscriber::with_default(subscriber, || {
            let camera = "ramp";
            tracing::warn!(%camera, repeated = 3, retry_in_s = 0.5, "no route to {}", "10.0.0.7");
            tracing::error!(priority = "high", "lost");
            tracing::info!("ready");
        });
        let kept = kept.lock().unwrap();
        let of = |entry: usize| -> Vec<&str> {
            let places = ["CODE_LINE=", "CODE_FILE="];
            let fields = kept[entry].iter().map(String::as_str);
            fields.filter(|field| !places.iter().any(|place| field.starts_with(place))).collect()
        };
        let target = format!("TARGET={}", module_path!());
        assert_eq!(
            of(0),
            [
                "MESSAGE=no route to 10.0.0.7 camera=ramp repeated=3 retry_in_s=0.5",
                "PRIORITY=4",
                "SYSLOG_IDENTIFIER=spotter",
                &target,
                "CAMERA=ramp",
                "REPEATED=3",
                "RETRY_IN_S=0.5",
            ]
        );
        assert_eq!(of(1)[..2], ["MESSAGE=lost priority=high", "PRIORITY=3"]);
        assert_eq!(of(1)[4..], ["FIELD_PRIORITY=high"]);
        assert_eq!(of(2)[..2], ["MESSAGE=ready", "PRIORITY=6"]);
        assert!(kept[0].iter().any(|field| field.starts_with("CODE_FILE=") && field.ends_with("journal.rs")));
    }

    #[test]
    fn an_entry_that_nobody_takes_fails_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("socket");
        let journal = Journal { at: at.clone(), instead: |_| () };
        let entry = ["MESSAGE=two\nlines".to_owned(), "PRIORITY=4".to_owned()];
        assert!(journal.send(&entry).is_err(), "there is no journal");
        let socket = UnixDatagram::bind(&at).unwrap();
        journal.send(&entry).unwrap();
        let mut bytes = [0; 100];
        let length = socket.recv(&mut bytes).unwrap();
        assert_eq!(bytes[..length], *b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nPRIORITY=4\n");
        // One that hangs takes as many as its queue holds.
        assert!((0..100_000).any(|_| journal.send(&entry).is_err()));
    }

    #[test]
    fn names_are_what_the_journal_takes() {
        for (field, expected) in [
            ("camera", "CAMERA"),
            ("a.b-c", "A_B_C"),
            ("_uid", "UID"),
            ("9lives", "LIVES"),
            ("message", "FIELD_MESSAGE"),
        ] {
            assert_eq!(name(field), expected);
        }
    }
}
