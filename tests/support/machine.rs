//! A service's surroundings: its configuration, its state, and a notify socket that hears what it tells systemd.
//!
//! Used by integration tests with `#[path]`, beside `program`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use tempfile::TempDir;

use super::program::{Ended, PATIENCE, Program};

/// A machine with a configuration, and a notify socket for a service, which is read at once as systemd does.
pub struct Machine {
    pub folder: TempDir,
    pub heard: Receiver<String>,
    reader: Option<JoinHandle<()>>,
    broker: u16,
}

/// What ends the reader of a notify socket.
const END: &str = "END";

impl Drop for Machine {
    fn drop(&mut self) {
        let ended = UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(END.as_bytes(), self.folder.path().join("notify")));
        let joined = self.reader.take().map(JoinHandle::join);
        if ended.is_err() || joined.is_some_and(|joined| joined.is_err()) {
            eprintln!("the notify socket was not closed");
        }
    }
}

impl Machine {
    /// One whose broker is at this port of it.
    pub fn new(broker: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        let (sender, heard) = channel();
        let read = move || {
            let mut bytes = [0; 4096];
            loop {
                let read = socket.recv(&mut bytes).unwrap();
                let text = String::from_utf8(bytes[..read].to_vec()).unwrap();
                if text == END || sender.send(text).is_err() {
                    return;
                }
            }
        };
        let reader = std::thread::Builder::new().name("notify".to_owned()).spawn(read).unwrap();
        Machine { folder, heard, reader: Some(reader), broker }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("spotter.toml")
    }

    /// Writes the configuration, with more of `[mqtt]` and what follows it.
    pub fn configure(&self, more: &str) {
        let text =
            format!("[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n{more}", self.broker);
        fs::write(self.file(), text).unwrap();
    }

    pub fn run(&self) -> Program {
        self.run_with("run", &[])
    }

    pub fn reload(&self) -> Ended {
        self.run_with("reload", &[]).wait(PATIENCE)
    }

    pub fn run_with(&self, command: &str, variables: &[(&str, &OsStr)]) -> Program {
        let (state, notify) = (self.folder.path().join("state"), self.folder.path().join("notify"));
        let mut all = vec![("XDG_STATE_HOME", state.as_os_str()), ("NOTIFY_SOCKET", notify.as_os_str())];
        all.extend(variables);
        Program::start_with([OsStr::new(command), "--config".as_ref(), self.file().as_os_str()], &all)
    }

    /// The first message for which this holds; those before it are passed by, unless they are no status and no sign of life.
    pub fn until(&self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let heard = self
                .heard
                .recv_timeout(left)
                .unwrap_or_else(|error| panic!("systemd hears nothing: {error}"));
            if wanted(&heard) {
                return heard;
            }
            let passing = heard.starts_with("STATUS=") || heard == "WATCHDOG=1";
            assert!(passing, "instead came:\n{heard}");
        }
    }

    pub fn until_ready(&self) -> String {
        self.until(|heard| heard.starts_with("READY=1\n"))
    }

    pub fn until_status(&self, status: &str) {
        self.until(|heard| heard.strip_prefix("STATUS=") == Some(status));
    }
}
