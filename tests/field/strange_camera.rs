//! `camera.py` as a child: a camera over HTTP, HTTPS or RTSP that answers as real ones do when something is wrong.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running one. Dropping it kills it.
pub struct StrangeCamera {
    child: Child,
    port: u16,
}

impl StrangeCamera {
    /// Starts one of a kind (`web`, `rtsp`) with these arguments and waits until it listens.
    pub fn start<A: AsRef<OsStr>>(kind: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/camera.py");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(kind)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("listening on ").expect("it says where").parse().unwrap();
        StrangeCamera { child, port }
    }

    /// One over HTTP that sends pictures at `/video`, with these further arguments.
    pub fn web(folder: &Path, arguments: &[&OsStr]) -> Self {
        let picture = picture(folder);
        let all = [OsStr::new("--picture"), picture.as_os_str()].into_iter().chain(arguments.iter().copied());
        StrangeCamera::start("web", all)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// An address of it.
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://127.0.0.1:{}/{path}", self.port)
    }
}

impl Drop for StrangeCamera {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("a camera could not be killed: {error}");
        }
    }
}

/// A picture of 160 x 120.
fn picture(folder: &Path) -> PathBuf {
    let path = folder.join("picture.jpg");
    let picture = image::RgbImage::from_fn(160, 120, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
    picture.save(&path).unwrap();
    path
}
