//! Secrets and certificates: read from files or from what systemd gives a service, never printed.
//!
//! A value `credential:NAME` names a file in `$CREDENTIALS_DIRECTORY`, as systemd's `LoadCredential=` sets it up; any
//! other value is a path.

use std::fmt;
use std::path::{Path, PathBuf};

use super::read::Section;

/// Begins a value that names a credential of systemd.
pub(super) const CREDENTIAL: &str = "credential:";

/// Nothing that is read here is larger.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text`.
    pub fn new(text: String) -> Self {
        Secret(text)
    }

    /// The text itself, for the one call that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Certificates or a private key in PEM format. Prints as where it came from.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    from: String,
    text: Secret,
}

impl Pem {
    /// Keeps `text`, which came from `from`.
    pub fn new(from: impl Into<String>, text: String) -> Self {
        Pem { from: from.into(), text: Secret::new(text) }
    }

    /// The file or the credential.
    pub fn from(&self) -> &str {
        &self.from
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        self.text.reveal()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({})", self.from)
    }
}

/// Where values that name files point to.
pub(super) struct Files<'a> {
    base: &'a Path,
    credentials: Option<PathBuf>,
}

impl<'a> Files<'a> {
    /// Relative paths count from `base`, credentials from where systemd says.
    pub(super) fn new(base: &'a Path) -> Self {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|path| !path.is_empty());
        Files { base, credentials: credentials.map(PathBuf::from) }
    }

    /// The only line of a file, as it is.
    pub(super) fn password(&self, value: &str) -> Result<Secret, String> {
        password(&self.path(value)?)
    }

    /// One certificate or more.
    pub(super) fn certificates(&self, value: &str) -> Result<Pem, String> {
        let text = self.read(value)?;
        if !text.contains("-----BEGIN CERTIFICATE-----") {
            return Err(format!("has no certificate in PEM format: {value}"));
        }
        Ok(Pem::new(value, text))
    }

    /// A private key without a passphrase.
    pub(super) fn private_key(&self, value: &str) -> Result<Pem, String> {
        let text = self.read(value)?;
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(format!(
                "has a passphrase, which nobody could enter: {value}; give a key without one that only Spotter can read"
            ));
        }
        if !text.contains("PRIVATE KEY-----") {
            return Err(format!("has no private key in PEM format: {value}"));
        }
        Ok(Pem::new(value, text))
    }

    fn read(&self, value: &str) -> Result<String, String> {
        read(&self.path(value)?)
    }

    fn path(&self, value: &str) -> Result<PathBuf, String> {
        let Some(name) = value.strip_prefix(CREDENTIAL) else { return Ok(self.base.join(value)) };
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(format!(
                "is \"{value}\"; a credential has the name of a file, such as {CREDENTIAL}mqtt"
            ));
        }
        let Some(directory) = &self.credentials else {
            return Err(format!(
                "is \"{value}\", but $CREDENTIALS_DIRECTORY is not set; credentials come from systemd's LoadCredential="
            ));
        };
        Ok(directory.join(name))
    }
}

/// The password that is the only line of the file at `path`, as it stands there, without the end of the line.
///
/// # Errors
/// When the file cannot be read, and when it holds what an editor adds and nobody sees: a byte order mark, a blank at an
/// end, a second line; or nothing at all. Such a password would be refused by a camera or a broker, and nothing would say
/// why.
pub fn password(path: &Path) -> Result<Secret, String> {
    let text = read(path)?;
    let wrong = |what: &str| Err(format!("{}: {what}", path.display()));
    if text.starts_with('\u{feff}') {
        return wrong("begins with a byte order mark; save it as UTF-8 without one");
    }
    let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    if line.trim().is_empty() {
        return wrong("holds no password: it is empty, or blank");
    }
    if line.trim_end().contains(['\n', '\r']) {
        return wrong("has a second line; a password is the only line of its file");
    }
    if line.contains(['\n', '\r']) {
        return wrong("has empty lines after the password; a password is the only line of its file");
    }
    if line.trim() != line {
        return wrong(
            "begins or ends with a blank, which would be part of the password; take it out, or, where a camera's password \
             really has one, write it in the address as %20",
        );
    }
    if line.contains('\0') {
        return wrong("holds the character NUL");
    }
    Ok(Secret::new(line.to_owned()))
}

fn read(path: &Path) -> Result<String, String> {
    let unreadable = |why: &dyn fmt::Display| format!("cannot be read: {}: {why}", path.display());
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
    // A device or a pipe may never end, and states no size.
    if !metadata.is_file() {
        return Err(unreadable(&"it is no file"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(unreadable(&format_args!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(&error))?;
    String::from_utf8(bytes)
        .map_err(|_| unreadable(&"it is not UTF-8; save it as UTF-8 without a byte order mark"))
}

/// User name and password out of `username` and `password_file`, when both are given.
pub(super) fn login(section: &mut Section<'_, '_, '_>, files: &Files<'_>) -> Option<(String, Secret)> {
    let user = section.string("username");
    let password = section.parsed("password_file", |at| files.password(at));
    match (section.has("username"), section.has("password_file")) {
        (true, false) => section.problem("password_file", "is missing; username needs it"),
        (false, true) => section.problem("username", "is missing; password_file needs it"),
        _ => {}
    }
    user.zip(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_come_from_where_systemd_puts_them() {
        let with = Files { base: Path::new("/etc/spotter"), credentials: Some("/run/credentials/x".into()) };
        let without = Files { base: Path::new("/etc/spotter"), credentials: None };
        assert_eq!(with.path("credential:mqtt").unwrap(), Path::new("/run/credentials/x/mqtt"));
        assert_eq!(with.path("keys/mqtt").unwrap(), Path::new("/etc/spotter/keys/mqtt"));
        assert_eq!(with.path("/run/mqtt").unwrap(), Path::new("/run/mqtt"));
        for bad in ["credential:", "credential:../shadow", "credential:a/b", "credential:.."] {
            let why = with.path(bad).unwrap_err();
            assert!(why.ends_with("a credential has the name of a file, such as credential:mqtt"), "{why}");
        }
        let why = without.path("credential:mqtt").unwrap_err();
        assert!(why.contains("$CREDENTIALS_DIRECTORY is not set"), "{why}");
    }

    #[test]
    fn what_is_read_is_what_it_should_be_and_is_not_printed() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files { base: folder.path(), credentials: None };
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("password", "s3cret\r\n");
        write("certificate", "-----BEGIN CERTIFICATE-----\ns3cret\n");
        write("key", "-----BEGIN PRIVATE KEY-----\ns3cret\n");
        write("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\ns3cret\n");
        let password = files.password("password").unwrap();
        assert_eq!((password.reveal(), format!("{password:?}").as_str()), ("s3cret", "***"));
        let key = files.private_key("key").unwrap();
        assert_eq!(format!("{key:?}"), "Pem(key)");
        assert!(files.certificates("certificate").is_ok());
        assert_eq!(files.certificates("key").unwrap_err(), "has no certificate in PEM format: key");
        assert_eq!(
            files.private_key("certificate").unwrap_err(),
            "has no private key in PEM format: certificate"
        );
        assert!(files.private_key("locked").unwrap_err().starts_with("has a passphrase"));
        assert!(files.password("missing").unwrap_err().starts_with("cannot be read: "));
        for (name, text, expected) in [
            ("bom", "\u{feff}s3cret\n", "begins with a byte order mark"),
            ("empty", "", "holds no password"),
            ("blank", " \t\r\n\n", "holds no password"),
            ("second", "s3cret\nother\n", "has a second line"),
            ("second-mac", "s3cret\rother", "has a second line"),
            ("more-lines", "s3cret\n\n", "has empty lines after the password"),
            ("trailing", "s3cret \n", "begins or ends with a blank"),
            ("tab", "s3cret\t", "begins or ends with a blank"),
            ("leading", " s3cret", "begins or ends with a blank"),
            ("no-break", "s3cret\u{a0}\r\n", "begins or ends with a blank"),
            ("nul", "s3\0cret", "holds the character NUL"),
        ] {
            write(name, text);
            let why = files.password(name).unwrap_err();
            let named = format!("{}: {expected}", folder.path().join(name).display());
            assert!(why.starts_with(&named) && !why.contains("s3"), "{name}: {why}");
        }
        for (text, password) in
            [("a b%/?#@:\r\n", "a b%/?#@:"), ("\u{e4}\u{1f511}", "\u{e4}\u{1f511}"), ("x\n", "x")]
        {
            write("right", text);
            assert_eq!(files.password("right").unwrap().reveal(), password);
        }
        std::fs::write(folder.path().join("utf-16"), b"\xff\xfes\0\n\0").unwrap();
        assert!(files.password("utf-16").unwrap_err().contains("it is not UTF-8"));
        write("large", &" ".repeat(MAX_FILE_BYTES as usize + 1));
        assert!(files.password("large").unwrap_err().contains("larger than 1048576 bytes"));
        for endless in ["/dev/zero", "."] {
            assert!(files.password(endless).unwrap_err().ends_with("it is no file"), "{endless}");
        }
    }
}
