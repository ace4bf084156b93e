//! A thread of another process, held still.
//!
//! Used by integration tests with `#[path]`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// The numbers of a process's threads with this name.
pub fn threads(process: u32, name: &str) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let number = |task: fs::DirEntry| task.file_name().to_str()?.parse().ok();
    let named = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    tasks.map_while(Result::ok).filter(named).filter_map(number).collect()
}

/// Holds one thread of a process still, as a debugger does, until its standard input is closed: at once, or when it begins to
/// wait by one of the system calls that are listed. Says `held`, or `refused` where the system lets nobody do so.
const HOLD: &str = r#"
import ctypes, os, signal, struct, sys
thread, calls = int(sys.argv[1]), [int(call) for call in sys.argv[2:]]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
SEIZE, INTERRUPT, SYSCALL, INFO = 0x4206, 0x4207, 24, 0x420e
MARK_CALLS, ALL, INFO_BYTES, ENTRY = 1, 0x40000000, 88, 1
# Of futex: FUTEX_WAIT and FUTEX_WAIT_BITSET, beside flags.
OPERATION, WAITS = 0x7f, (0, 9)

def hold():
    if libc.ptrace(SEIZE, thread, None, MARK_CALLS) != 0 or libc.ptrace(INTERRUPT, thread, None, None) != 0:
        return "refused"
    info = ctypes.create_string_buffer(INFO_BYTES)
    pending = 0
    while calls:
        _, status = os.waitpid(thread, ALL)
        if not os.WIFSTOPPED(status):
            return "gone"
        stopped_by = os.WSTOPSIG(status)
        if stopped_by == signal.SIGTRAP | 0x80:
            if libc.ptrace(INFO, thread, INFO_BYTES, info) <= 0:
                return "refused"
            call, _, operation = struct.unpack_from("3Q", info.raw, 24)
            # Not where it wakes somebody, who would sleep for ever then.
            if info.raw[0] == ENTRY and call in calls and operation & OPERATION in WAITS:
                break
        # A signal of its own is handed on; other stops are the tracer's.
        pending = 0 if stopped_by == signal.SIGTRAP | 0x80 or status >> 16 else stopped_by
        libc.ptrace(SYSCALL, thread, None, pending)
    return "held"

print(hold(), flush=True)
sys.stdin.read()
"#;

/// Where a thread is held.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// Where it is.
    Once,
    /// Where it begins to wait for another thread: it has nothing then that others need.
    Wait,
}

impl At {
    /// The numbers of the system calls; none for at once.
    fn calls(self) -> &'static [&'static str] {
        match (self, cfg!(target_arch = "x86_64")) {
            (At::Once, _) => &[],
            // futex
            (At::Wait, true) => &["202"],
            (At::Wait, false) => &["98"],
        }
    }
}

/// A thread that is held still until this is dropped.
pub struct Held(Child);

impl Held {
    /// Holds the thread with this name; nothing where the system lets nobody do so.
    ///
    /// # Panics
    /// In that case, when `SPOTTER_REQUIRE_PACKAGE` or `CI` is set: where it belongs, no test may pass by doing nothing.
    pub fn hold(process: u32, thread: &str, at: At) -> Option<Held> {
        let [number] = threads(process, thread)[..] else { panic!("there is not one thread `{thread}`") };
        let mut child = Command::new("python3")
            .args(["-c", HOLD, &number.to_string()])
            .args(at.calls())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let held = Held(child);
        match said.trim_end() {
            "held" => Some(held),
            "refused" => {
                let required = ["SPOTTER_REQUIRE_PACKAGE", "CI"];
                let required = required.iter().any(|name| std::env::var_os(name).is_some());
                assert!(!required, "this system lets nobody hold a thread");
                eprintln!("not run: this system lets nobody hold a thread");
                None
            }
            other => panic!("`{other}`"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            eprintln!("the thread is not let go: {error}");
        }
    }
}
