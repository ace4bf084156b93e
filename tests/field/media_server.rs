//! node-media-server, with a camera that sends to it by RTMP, as many do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;
use tempfile::TempDir;

use crate::mosquitto::free_port;
use crate::peers::node;

/// How long the server may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server and the camera that sends to it. Dropping it ends both.
pub struct MediaServer {
    server: Child,
    camera: gst::Pipeline,
    http: u16,
    /// Frames that the camera has sent.
    sent: Arc<AtomicU64>,
    _folder: TempDir,
}

impl MediaServer {
    /// Starts a server and a camera of 10 frames per second, with a key frame every so many frames and no sound.
    pub fn start(key_interval: u32) -> Self {
        let folder = TempDir::new().unwrap();
        let (rtmp, http) = (free_port(), free_port());
        let server = node("media_server.js")
            .args([rtmp.to_string(), http.to_string(), folder.path().display().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait("a server that listens", || {
            [rtmp, http].iter().all(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_ok())
        });
        gst::init().unwrap();
        let camera = gst::parse::launch(&format!(
            "videotestsrc name=scene is-live=true pattern=black ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! \
             x264enc tune=zerolatency speed-preset=ultrafast key-int-max={key_interval} ! h264parse name=encoded ! \
             flvmux streamable=true ! rtmp2sink location=rtmp://127.0.0.1:{rtmp}/live/cam"
        ));
        let camera = camera.unwrap().downcast::<gst::Pipeline>().unwrap();
        let sent = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&sent);
        let pad = camera.by_name("encoded").unwrap().static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            counts.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        });
        camera.set_state(gst::State::Playing).unwrap();
        MediaServer { server, camera, http, sent, _folder: folder }
    }

    /// Where the camera is played.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/live/cam.flv", self.http)
    }

    /// What the camera sees from now on: a pattern of `videotestsrc`.
    pub fn show(&self, pattern: &str) {
        self.camera.by_name("scene").unwrap().set_property_from_str("pattern", pattern);
    }

    /// Waits until the camera has sent so many frames.
    pub fn wait_for(&self, frames: u64) {
        wait("the camera's frames", || self.sent.load(Ordering::Relaxed) >= frames);
    }
}

impl Drop for MediaServer {
    fn drop(&mut self) {
        if let Err(error) = self.camera.set_state(gst::State::Null) {
            eprintln!("the camera does not stop: {error}");
        }
        self.server.kill().and_then(|()| self.server.wait()).unwrap();
    }
}

fn wait(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} does not come");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}
