//! Where a configuration keeps its secrets: for whoever looks at who may read them.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::credential::CREDENTIAL;
use super::source::holds_login;

/// Keys whose values name files with secrets.
const FILES: [&str; 2] = ["password_file", "client_key_file"];

/// Where the secrets of a configuration are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Whether the text itself holds some: an address with a login, or a pipeline with one or with another secret.
    pub inside: bool,
    /// Files that it names for them, sorted. Credentials of systemd are not among them.
    pub files: Vec<PathBuf>,
}

impl Secrets {
    /// Of a configuration's text, as far as it is TOML; relative paths count from `base`.
    pub fn of(text: &str, base: &Path) -> Self {
        let mut found = Secrets::default();
        found.look_in(DeTable::parse_recoverable(text).0.get_ref(), base);
        found.files.sort();
        found.files.dedup();
        found
    }

    fn look_in(&mut self, table: &DeTable<'_>, base: &Path) {
        for (key, value) in table {
            self.look_at(key.get_ref(), value.get_ref(), base);
        }
    }

    fn look_at(&mut self, key: &str, value: &DeValue<'_>, base: &Path) {
        match value {
            DeValue::Table(table) => self.look_in(table, base),
            DeValue::Array(values) => {
                values.iter().for_each(|value| self.look_at(key, value.get_ref(), base));
            }
            DeValue::String(path) if FILES.contains(&key) && path.starts_with(CREDENTIAL) => {}
            DeValue::String(path) if FILES.contains(&key) => self.files.push(base.join(path.as_ref())),
            DeValue::String(text) => self.inside |= holds_login(text),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_where_values_hold_them() {
        for (text, expected) in [
            ("source = \"rtsp://me:pw@cam/1\"", true),
            ("source = 'rtsp://me@cam'", true),
            ("source = \"http://cam/mjpeg?token=1\"", true),
            ("[[camera]]\npipeline = \"rtspsrc location=rtsp://cam user-pw=secret\"", true),
            ("[[camera]]\npipeline = 'srtsrc uri=srt://cam:9 passphrase=\"a secret\"'", true),
            ("[[camera]]\npipeline = 'souphttpsrc location=http://cam cookies=sid=1'", true),
            ("[[camera]]\npipeline = 'videotestsrc pattern=ball'", false),
            ("source = \"rtsp://cam/a@b\"", true),
            ("# source = \"rtsp://me:pw@cam/1\"", false),
            ("broker = \"mqtt://localhost\" # me@here", false),
        ] {
            assert_eq!(Secrets::of(text, Path::new("/")).inside, expected, "{text}");
        }
    }

    #[test]
    fn files_with_secrets_are_found() {
        let text = "[mqtt]\npassword_file = \"mqtt\"\ntls.client_key_file = '/k.pem'\nusername = \"a\"\n\
                    [[camera]]\npassword_file = \"credential:cam\"\n[[camera]]\npassword_file = \"cam\"\n";
        let files = ["/etc/cam", "/etc/mqtt", "/k.pem"].map(PathBuf::from).to_vec();
        assert_eq!(Secrets::of(text, Path::new("/etc")), Secrets { inside: false, files });
    }
}
