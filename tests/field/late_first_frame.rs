//! Streams whose first frame takes long although data come.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use tempfile::TempDir;

use crate::live::{Joins, Live};
use crate::media_server::MediaServer;
use crate::mosquitto::free_port;
use crate::peers::{Running, vlc};
use crate::pipeline::Pipeline;
use crate::program::spotter;
use crate::test_camera::TestCamera;
use crate::watched::Watched;
use crate::web::Web;

/// The camera of these tests, without its interval of key frames.
const CAMERA: &str = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! \
    x264enc tune=zerolatency speed-preset=ultrafast";

/// The daemon gets pictures of it, and a probe too.
fn daemon_and_probe_agree(url: &str) {
    std::thread::scope(|scope| {
        let probe = scope.spawn(|| spotter(["probe", url, "--seconds", "1"]));
        Watched::of(url).frames(2, "pictures", |shot| shot.size == (160, 120));
        let ended = probe.join().unwrap();
        assert_eq!(ended.code, Some(0), "{ended:?}");
    });
}

/// node-media-server announces sound in every stream, and GStreamer waits for it for 6 s of the stream.
#[test]
fn http_flv_that_announces_sound_and_sends_none() {
    let server = MediaServer::start(10);
    server.wait_for(10);
    daemon_and_probe_agree(&server.url());
}

#[test]
fn a_transport_stream_that_is_joined_right_after_a_key_frame() {
    let live = Live::start(&format!("{CAMERA} key-int-max=85 ! h264parse name=encoded ! mpegtsmux"));
    let server = live.server("video/mp2t", Joins::AfterKeyFrame);
    let web = Web::start(move |_, _, stream| server.answer(stream));
    daemon_and_probe_agree(&format!("http://127.0.0.1:{}/cam", web.port));
}

#[test]
fn rtsp_with_key_frames_far_apart() {
    let camera = TestCamera::start(&["--rate", "5", "--key-interval", "50"]);
    // The first one to watch begins with a key frame.
    let first = Watched::of(&camera.url("h264"));
    first.frames(3, "pictures", |shot| shot.room);
    let second = Watched::of(&camera.url("h264"));
    second.frames(3, "pictures", |shot| shot.room);
    second.was_never_lost();
}

/// The limit grows after a miss with data, also where these have pauses: a picture is whole when the next one begins.
#[test]
fn a_picture_every_seven_seconds_without_its_length() {
    let web = Web::start(|_, _, stream| {
        write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n")?;
        let pause = Duration::from_secs(7);
        for number in 0.. {
            let picture = image::RgbImage::from_fn(160, 120, |x, y| image::Rgb([x as u8, y as u8, number]));
            let mut jpeg = std::io::Cursor::new(Vec::new());
            picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
            write!(stream, "--next\r\nContent-Type: image/jpeg\r\n\r\n")?;
            stream.write_all(jpeg.get_ref())?;
            stream.write_all(b"\r\n")?;
            stream.flush()?;
            std::thread::sleep(pause);
        }
        Ok(())
    });
    daemon_and_probe_agree(&format!("http://127.0.0.1:{}/cam", web.port));
}

/// Sends the header of a stream, and then so much of its filling, a piece every 100 ms.
fn header_and(stream: &mut TcpStream, kind: &str, header: &[u8], filling: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n")?;
    stream.write_all(header)?;
    loop {
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(filling)?;
        stream.flush()?;
    }
}

#[test]
fn a_header_and_then_nothing_is_given_up() {
    let web = Web::start(|_, _, stream| {
        // FLV with sound and video.
        header_and(stream, "video/x-flv", b"FLV\x01\x05\0\0\0\x09\0\0\0\0", b"")
    });
    let watched = Watched::of(&format!("http://127.0.0.1:{}/cam", web.port));
    let reason = watched.offline();
    assert!(reason.contains("no frame for 5 s") || reason.contains("no frame for 6 s"), "{reason}");
}

#[test]
fn data_that_never_make_a_frame_are_given_up() {
    let web = Web::start(|_, _, stream| {
        // Packets of a transport stream without contents.
        let mut packet = [0xff; 188];
        packet[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
        header_and(stream, "video/mp2t", &packet.repeat(20), &packet)
    });
    let watched = Watched::of(&format!("http://127.0.0.1:{}/cam", web.port));
    let reason = watched.offline();
    assert!(reason.contains("no frame for 1"), "{reason}");
}

#[test]
fn vlc_that_is_joined_between_key_frames_ten_seconds_apart() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("cam.ts");
    Pipeline::start(&format!(
        "videotestsrc num-buffers=400 pattern=ball ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast key-int-max=100 ! h264parse ! mpegtsmux ! filesink location={}",
        file.display()
    ))
    .play_out();
    let port = free_port();
    let output = format!("#gather:std{{access=http,mux=ts,dst=127.0.0.1:{port}/cam}}");
    let _vlc = Running::start(
        vlc(folder.path()).args(["--loop", "--no-sout-all", "--sout-keep", "--sout", &output]).arg(&file),
    );
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(std::time::Instant::now() < deadline, "VLC does not listen");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    daemon_and_probe_agree(&format!("http://127.0.0.1:{port}/cam"));
}
