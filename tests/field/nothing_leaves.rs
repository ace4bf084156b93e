//! Nothing leaves the device that is not a tag: no library reports, looks up, connects or writes for itself.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::certificates::Authority;
use crate::mosquitto::{Mosquitto, wait};
use crate::peers::Running;
use crate::program::PATIENCE;
use crate::strange_camera::StrangeCamera;
use crate::test_camera::TestCamera;

/// How long the daemon is watched after its cameras have come. ONNX Runtime sends its first reports within 10 s.
const WATCHED: Duration = Duration::from_secs(60);

/// A camera whose pictures Orc converts, with machine code that it writes into a file.
const DRAWN: &str = "pipeline = \"videotestsrc is-live=true ! video/x-raw,format=RGB,framerate=5/1\"";

/// The system calls that make files, and those of the network.
const CALLS: &str = "network,openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,\
                     mknod,mknodat,truncate";

/// The folders of a user who has run nothing yet, in an environment that lets libraries do what they like.
struct User {
    folder: tempfile::TempDir,
    proxy: TcpListener,
}

impl User {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "cache", "config", "data", "state"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        User { folder, proxy: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn dress<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let proxy = format!("http://{}", self.proxy.local_addr().unwrap());
        let path = std::env::var_os("PATH").unwrap();
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.path("home"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("ORT_DISABLE_TELEMETRY", "0")
            .env("GSETTINGS_BACKEND", "dconf")
            .envs(["http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"].map(|name| (name, proxy.clone())))
    }

    /// Every file and folder that somebody has made outside of the state.
    fn made(&self) -> Vec<PathBuf> {
        ["home", "cache", "config", "data"].iter().flat_map(|name| below(&self.path(name))).collect()
    }

    fn nobody_asked_the_proxy(&self) {
        self.proxy.set_nonblocking(true).unwrap();
        assert!(self.proxy.accept().is_err(), "the proxy of the environment was connected to");
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let deeper: Vec<PathBuf> =
        paths.iter().filter(|path| path.is_dir()).flat_map(|path| below(path)).collect();
    paths.into_iter().chain(deeper).collect()
}

fn configure(user: &User, mqtt: u16, cameras: &[(&str, String)]) -> PathBuf {
    let cameras: String =
        cameras.iter().map(|(name, key)| format!("[[camera]]\nname = \"{name}\"\n{key}\n")).collect();
    let path = user.path("spotter.toml");
    fs::write(
        &path,
        format!("[node]\nname = \"box\"\n[mqtt]\nbroker = \"mqtt://localhost:{mqtt}\"\n{cameras}"),
    )
    .unwrap();
    path
}

#[test]
fn commands_that_load_the_models_write_nothing_into_the_users_folders() {
    let user = User::new();
    let config = configure(&user, 1, &[("test", "pipeline = \"videotestsrc\"".to_owned())]);
    let clip = user.path("clip.avi");
    crate::pipeline::Pipeline::start(&format!(
        "videotestsrc num-buffers=10 ! jpegenc ! avimux ! filesink location={}",
        clip.display()
    ))
    .play_out();
    for arguments in [
        [OsStr::new("check"), "--config".as_ref(), config.as_os_str()].as_slice(),
        &["replay".as_ref(), clip.as_os_str()],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spotter"));
        let ended = user.dress(command.args(arguments)).stdin(Stdio::null()).output().unwrap();
        assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
        assert_eq!(user.made(), Vec::<PathBuf>::new(), "{arguments:?}");
    }
    // It was read, so that it did not stay away for want of a place.
    assert!(user.path("state/spotter/gstreamer-registry.bin").exists(), "{:?}", below(&user.path("state")));
    user.nobody_asked_the_proxy();
}

#[test]
fn a_run_connects_to_cameras_and_broker_only_and_writes_its_state_only() {
    let user = User::new();
    let broker = Mosquitto::start("");
    let rtsp = TestCamera::start(&[]);
    let web = StrangeCamera::web(user.folder.path(), &[]);
    let authority = Authority::new("nobody knows it");
    let signed = authority.sign("camera", "IP:127.0.0.1,DNS:localhost");
    let tls =
        ["--certificate".as_ref(), signed.certificate.as_os_str(), "--key".as_ref(), signed.key.as_os_str()];
    let encrypted = StrangeCamera::web(user.folder.path(), &tls);
    let named = |url: String| format!("source = \"{}\"", url.replace("127.0.0.1", "localhost"));
    let config = configure(
        &user,
        broker.port(),
        &[
            ("rtsp", named(rtsp.url("h264"))),
            ("web", named(web.url("http", "video"))),
            ("refused", named(encrypted.url("https", "video"))),
            ("taken", named(encrypted.url("https", "video")) + "\nverify_tls = false"),
            ("drawn", DRAWN.to_owned()),
        ],
    );
    let (calls, log) = (user.path("calls"), user.path("log"));
    let mut command = Command::new("strace");
    // `-D`: the child is the daemon, and strace watches from beside.
    command.args(["-D", "-f", "-qq", "-s", "200", "-e"]).arg(format!("trace={CALLS}")).arg("-o").arg(&calls);
    command.args([
        OsStr::new(env!("CARGO_BIN_EXE_spotter")),
        "run".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ]);
    let stderr = fs::File::create(&log).unwrap();
    let child = user.dress(&mut command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn();
    let mut daemon = Running(child.expect("strace is installed"));
    let said = || fs::read_to_string(&log).unwrap();
    let begun = Instant::now();
    let online = |name: &str| {
        said().lines().any(|line| line.contains("online") && line.contains(&format!("camera={name}")))
    };
    // Under strace everything takes its time.
    while !["rtsp", "web", "taken", "drawn"].into_iter().all(online) || !said().contains("camera=refused") {
        assert!(begun.elapsed() < PATIENCE, "{}", said());
        wait_a_moment();
    }
    let begun = Instant::now();
    while begun.elapsed() < WATCHED {
        assert!(daemon.0.try_wait().unwrap().is_none(), "{}", said());
        wait_a_moment();
    }
    let told = Command::new("kill").args(["-TERM", &daemon.0.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert!(wait(|| daemon.0.try_wait().unwrap().is_some()), "{}", said());

    assert_eq!(user.made(), Vec::<PathBuf>::new());
    user.nobody_asked_the_proxy();
    let ports = [broker.port(), web.port(), encrypted.port(), port_of(&rtsp.url("h264"))];
    let calls = fs::read_to_string(&calls).unwrap();
    assert!(
        calls.contains("outbox.redb") && calls.contains(&format!("htons({})", web.port())),
        "it saw nothing"
    );
    let strange: Vec<&str> =
        calls.lines().filter(|call| !is_expected(call, &user.path("state/spotter"), &ports)).collect();
    assert!(strange.is_empty(), "{}", strange.join("\n"));
}

fn wait_a_moment() {
    std::thread::park_timeout(Duration::from_millis(50));
}

fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().split('/').next().unwrap().parse().unwrap()
}

/// Whether a line of strace is what a daemon does that keeps to itself.
fn is_expected(line: &str, state: &Path, ports: &[u16]) -> bool {
    let call = line.split_once(' ').map_or(line, |(_, call)| call).trim_start();
    let name = call.split('(').next().unwrap_or_default();
    // A call in vain writes nothing, though an address was connected to all the same.
    let in_vain = call.contains(" = -1 E");
    match name {
        "openat" | "open" => {
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.contains(flag));
            !writes || in_vain || is_own(call, state)
        }
        "creat" | "mkdir" | "mkdirat" | "rename" | "renameat" | "renameat2" | "link" | "linkat"
        | "symlink" | "symlinkat" | "mknod" | "mknodat" | "truncate" => in_vain || is_own(call, state),
        _ if call.contains("sin_port=htons(") || call.contains("sin6_port=htons(") => {
            let loopback = call.contains("inet_addr(\"127.0.0.1\")")
                || call.contains("inet_pton(AF_INET6, \"::1\"")
                || call.contains("inet_pton(AF_INET6, \"::ffff:127.0.0.1\"");
            // What the system tells of the own end of a connection.
            let is_own_end = ["getsockname", "<... getsockname"].iter().any(|own| call.starts_with(own));
            let known = ports.iter().any(|port| call.contains(&format!("htons({port})")));
            loopback && (known || is_own_end)
        }
        // The system's bus knows whether the clock is right; of a session's there is nothing to ask.
        _ => !call.contains("sun_path=") || !call.contains("bus") || call.contains("/system_bus_socket\""),
    }
}

/// Whether every path of a call is the daemon's own state, or no file.
fn is_own(call: &str, state: &Path) -> bool {
    let paths = call.split('"').skip(1).step_by(2);
    paths.map(Path::new).all(|path| {
        path.starts_with(state)
            || path == state
            || state.starts_with(path)
            || path.starts_with("/dev")
            || path.starts_with("/proc/self")
    })
}

#[test]
fn what_strace_tells_is_understood() {
    let state = Path::new("/s/spotter");
    for (line, expected) in [
        ("7 openat(AT_FDCWD, \"/s/spotter/outbox.redb\", O_RDWR|O_CREAT|O_CLOEXEC, 0666) = 13", true),
        ("7 openat(AT_FDCWD, \"/c/dconf/user\", O_RDWR|O_CREAT, 0600) = 29", false),
        ("7 openat(AT_FDCWD, \"/c/dconf/user\", O_RDWR|O_CREAT, 0600) = -1 EACCES (Permission denied)", true),
        ("7 openat(AT_FDCWD, \"/c/x\", O_WRONLY <unfinished ...>", false),
        ("7 openat(AT_FDCWD, \"/etc/hosts\", O_RDONLY|O_CLOEXEC) = 3", true),
        ("7 mkdir(\"/c/Microsoft\", 0700) = 0", false),
        ("7 rename(\"/s/spotter/a\", \"/c/a\") = 0", false),
        (
            "7 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr(\"127.0.0.53\")}, 16) = 0",
            false,
        ),
        (
            "7 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = 0",
            false,
        ),
        (
            "7 connect(5, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"127.0.0.1\")}, 16) = -1 EINPROGRESS (x)",
            true,
        ),
        (
            "7 connect(5, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr(\"192.0.2.1\")}, 16) = 0",
            false,
        ),
        ("7 connect(5, {sa_family=AF_UNIX, sun_path=\"/run/user/0/bus\"}, 110) = 0", false),
        ("7 connect(5, {sa_family=AF_UNIX, sun_path=\"/var/run/nscd/socket\"}, 110) = -1 ENOENT (x)", true),
    ] {
        assert_eq!(is_expected(line, state, &[80]), expected, "{line}");
    }
}

/// That a test which loads ONNX Runtime itself does so without reports, by `.cargo/config.toml`.
#[test]
fn tests_load_onnx_runtime_without_its_reports() {
    assert_eq!(std::env::var_os("ORT_DISABLE_TELEMETRY"), Some(OsString::from("1")));
}
