//! A Debian in a folder, made by debootstrap, in which packages are installed and programs run.
//!
//! Used by integration tests with `#[path]`. Every command runs in namespaces of its own for mounts and processes: when it
//! ends, however it ends, its mounts and all that it started end with it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// Debian 12 and 13. The first is the one that apt knows here; both are on the same mirrors, and the keyring of the first
/// has the keys of the second.
pub const RELEASES: [&str; 2] = ["bookworm", "trixie"];

/// The longest that one command may take, in seconds; a slow mirror may have to give some hundred packages.
const PATIENCE_S: &str = "900";

/// Variables that reach programs in the folder; nothing else of the caller's does.
const PROXIES: [&str; 6] = ["http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];

/// Packages need neither the disk's word for every file nor manual pages.
const DPKG: &str = "force-unsafe-io
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/spotter/*
path-exclude=/usr/share/man/*
path-exclude=/usr/share/locale/*
";

/// A freshly unpacked Debian. Dropping it deletes it.
pub struct Debian {
    release: &'static str,
    folder: TempDir,
}

/// How a command ended, and all that it said.
#[derive(Debug)]
pub struct Ended {
    pub succeeded: bool,
    pub said: String,
}

impl Debian {
    /// Unpacks this release, or says why that cannot be done here. The first time it is fetched, which takes some minutes.
    pub fn unpack(release: &'static str) -> Result<Self, String> {
        let text = |command: &str, arguments: &[&str]| said(Command::new(command).args(arguments));
        if text("id", &["-u"])?.trim() != "0" {
            return Err("only root can make a Debian in a folder".to_owned());
        }
        said(Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]))?;
        let mirror = mirror(&text("apt-get", &["indextargets", "--format", "$(REPO_URI) $(CODENAME)"])?)?;
        let architecture = text("dpkg", &["--print-architecture"])?;
        let base = cache().join(format!("debian-{release}-{}.tar", architecture.trim()));
        if !base.is_file() {
            bootstrap(release, &mirror, &base)?;
        }
        let folder = scratch();
        said(Command::new("tar").arg("-xpf").arg(&base).arg("-C").arg(folder.path()))?;
        let debian = Debian { release, folder };
        debian.write("etc/dpkg/dpkg.cfg.d/test", DPKG);
        let proxies = text("apt-config", &["dump", "Acquire"])?
            .lines()
            .filter(|line| line.starts_with("Acquire::http") || line.starts_with("Acquire::Retries"))
            .fold(String::new(), |lines, line| lines + line + "\n");
        debian.write("etc/apt/apt.conf.d/test", &format!("{proxies}Acquire::Languages \"none\";\n"));
        debian.write("etc/resolv.conf", &fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
        debian.lend_archives();
        Ok(debian)
    }

    /// Where `path` is, seen from outside.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path.trim_start_matches('/'))
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Runs a shell script as root and gives how it ended; lines of `input` are its standard input.
    pub fn attempt(&self, script: &str, input: &str) -> Ended {
        let mut child = Command::new("timeout")
            .args(["--kill-after=10", PATIENCE_S])
            .args(["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-ec"])
            .arg(
                "root=$1; shift
                mount -t proc proc \"$root/proc\"
                mount --rbind /dev \"$root/dev\"
                exec chroot \"$root\" \"$@\" 2>&1",
            )
            .arg("sh")
            .arg(self.folder.path())
            .args(["env", "-i", "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"])
            .arg("DEBIAN_FRONTEND=noninteractive")
            .args(PROXIES.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?))))
            .args(["sh", "-ec", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        // It may end without reading.
        drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
        let Output { status, stdout, .. } = child.wait_with_output().unwrap();
        Ended { succeeded: status.success(), said: String::from_utf8_lossy(&stdout).into_owned() }
    }

    /// Runs a shell script as root and gives what it said; panics when it fails.
    pub fn run(&self, script: &str) -> String {
        let ended = self.attempt(script, "");
        assert!(ended.succeeded, "failed: {script}\n{}", ended.said);
        ended.said
    }

    /// Installs, removes or purges; packages that were fetched are kept for the next time.
    pub fn apt(&self, arguments: &str, input: &str) -> String {
        let ended = self.attempt(&format!("apt-get -o Dpkg::Use-Pty=false {arguments}"), input);
        assert!(ended.succeeded, "apt-get {arguments}\n{}", ended.said);
        self.keep_archives();
        ended.said
    }

    /// What is mounted below the folder, seen from outside.
    pub fn mounts(&self) -> Vec<String> {
        let folder = self.folder.path().display().to_string();
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        mounts.lines().filter(|line| line.contains(&folder)).map(str::to_owned).collect()
    }

    /// Where fetched packages are kept: those of one release have no use in another.
    fn kept(&self) -> PathBuf {
        cache().join("archives").join(self.release)
    }

    fn lend_archives(&self) {
        for archive in archives(&self.kept()) {
            link(&archive, &self.path("var/cache/apt/archives"));
        }
    }

    fn keep_archives(&self) {
        let kept = self.kept();
        fs::create_dir_all(&kept).unwrap();
        for archive in archives(&self.path("var/cache/apt/archives")) {
            link(&archive, &kept);
        }
    }
}

/// The folder that tests keep things in between runs.
fn cache() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache"));
    cache.join("spotter/debian")
}

/// On a disk that root may run programs and make devices on, which /tmp need not be.
fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("debian-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The mirror that this machine's apt uses for Debian.
fn mirror(index_targets: &str) -> Result<String, String> {
    let of = |line: &str| line.strip_suffix(&format!(" {}", RELEASES[0])).map(str::to_owned);
    index_targets
        .lines()
        .find_map(of)
        .ok_or_else(|| format!("apt knows no mirror of Debian's {} here", RELEASES[0]))
}

fn bootstrap(release: &str, mirror: &str, base: &Path) -> Result<(), String> {
    let folder = scratch();
    let root = folder.path().join("root");
    eprintln!("fetching Debian's {release}; this is done once");
    said(
        Command::new("timeout")
            .args(["--kill-after=10", PATIENCE_S, "unshare", "--mount", "--propagation", "private"])
            .args(["--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase", release])
            .arg(&root)
            .arg(mirror),
    )?;
    // Whole or not at all, whoever else does the same at the same time.
    let whole = folder.path().join("base.tar");
    let kept = ["--exclude=./var/cache/apt/archives/*.deb", "--exclude=./dev/*"];
    said(Command::new("tar").args(kept).arg("-cpf").arg(&whole).arg("-C").arg(&root).arg("."))?;
    fs::create_dir_all(base.parent().unwrap()).unwrap();
    let beside = base.with_extension(format!("{}", std::process::id()));
    fs::copy(&whole, &beside).and_then(|_| fs::rename(&beside, base)).map_err(|error| error.to_string())
}

fn archives(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension() == Some(OsStr::new("deb"))).collect()
}

/// A copy that costs nothing, where the disk is the same; what is there already stays.
fn link(file: &Path, folder: &Path) {
    let at = folder.join(file.file_name().unwrap());
    if !at.exists() && fs::hard_link(file, &at).is_err() {
        let beside = at.with_extension(format!("{}", std::process::id()));
        fs::copy(file, &beside).and_then(|_| fs::rename(&beside, &at)).unwrap();
    }
}

/// What a command says, or why it failed.
fn said(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let all = text(&output.stdout) + &text(&output.stderr);
    let last: Vec<&str> = all.lines().rev().take(5).collect();
    Err(format!("{name} failed: {}", last.into_iter().rev().collect::<Vec<_>>().join("; ")))
}
