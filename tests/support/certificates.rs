//! A certificate authority for tests, made with `openssl` in a folder of its own.
//!
//! Used by integration tests with `#[path]`.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// An authority, and what it has signed.
pub struct Authority {
    folder: TempDir,
}

/// A certificate and its private key.
pub struct Signed {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// A new one of this name that nobody knows.
    pub fn new(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority { folder };
        let path = authority.folder.path();
        std::fs::write(path.join("index"), "").unwrap();
        std::fs::write(path.join("serial"), "01\n").unwrap();
        let settings = "[ca]\ndefault_ca = test\n[test]\ndatabase = index\nserial = serial\nnew_certs_dir = .\n\
                        certificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\npolicy = any\n\
                        copy_extensions = copy\nunique_subject = no\n[any]\ncommonName = supplied\n";
        std::fs::write(path.join("settings"), settings).unwrap();
        let subject = format!("/CN={name}");
        let request = ["req", "-x509", "-days", "30", "-subj", &subject, "-out", "ca.pem"];
        openssl(path, &[&request[..], &NEW_KEY, &["-keyout", "ca.key"]].concat());
        authority
    }

    /// Its own certificate.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Signs a certificate for a subject's names, such as `IP:127.0.0.1`, that is valid now.
    pub fn sign(&self, file: &str, names: &str) -> Signed {
        self.sign_until(file, names, "20991231000000Z")
    }

    /// Signs one that has expired.
    pub fn sign_expired(&self, file: &str, names: &str) -> Signed {
        self.sign_until(file, names, "20200201000000Z")
    }

    fn sign_until(&self, file: &str, names: &str, end: &str) -> Signed {
        let path = self.folder.path();
        let (key, request, certificate) =
            (format!("{file}.key"), format!("{file}.csr"), format!("{file}.pem"));
        let names = format!("subjectAltName={names}");
        let ask = ["req", "-subj", "/CN=test", "-addext", &names, "-keyout", &key, "-out", &request];
        openssl(path, &[&ask[..], &NEW_KEY].concat());
        let validity = ["-startdate", "20200101000000Z", "-enddate", end];
        let sign = ["ca", "-batch", "-config", "settings", "-notext", "-in", &request, "-out", &certificate];
        openssl(path, &[&sign[..], &validity].concat());
        Signed { certificate: path.join(certificate), key: path.join(key) }
    }
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

fn openssl(folder: &Path, arguments: &[&str]) {
    let ended = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("openssl is installed");
    assert!(ended.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
}
