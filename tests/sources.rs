//! Every kind of source, from a real server, as a camera of the daemon: frames come and show what they should, or the
//! status says why not.
//!
//! RTSP comes from `examples/test_camera`, HTTP from small servers in here, HLS from a pipeline that writes segments
//! while they are served.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use gstreamer as gst;
use spotter::telemetry::CameraState;

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/pipeline.rs"]
mod pipeline;
#[path = "support/test_camera.rs"]
mod test_camera;
#[path = "support/watched.rs"]
mod watched;
#[path = "support/web.rs"]
mod web;

use certificates::Authority;
use pipeline::Pipeline;
use test_camera::TestCamera;
use watched::{PATIENCE, Shot, Watched};
use web::Web;

#[test]
fn rtsp_of_every_codec_over_tcp_and_udp() {
    for codec in ["h264", "h265", "mjpeg"] {
        for transport in ["tcp", "udp"] {
            println!("{codec} over {transport}");
            // A stream that another watcher is just leaving is another case.
            let camera = TestCamera::start(&[]);
            let watched =
                Watched::start(&format!("source = \"{}\"\ntransport = \"{transport}\"", camera.url(codec)));
            watched.shows_the_room();
            watched.was_never_lost();
        }
    }
}

#[test]
fn rtsp_with_a_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "wetter\n").unwrap();
    for method in ["basic", "digest"] {
        let camera = TestCamera::start(&["--user", "guard", "--password", "wetter", "--auth", method]);
        println!("{method}, in the address");
        Watched::of(&camera.url_as("rtsp", "guard:wetter@", "h264")).shows_the_room();

        println!("{method}, a wrong one");
        let wrong = Watched::of(&camera.url_as("rtsp", "guard:sonne@", "h264"));
        let reason = wrong.offline();
        assert!(names_the_password(&reason) && !reason.contains("sonne"), "{reason}");

        println!("{method}, none");
        let reason = Watched::of(&camera.url("h264")).offline();
        assert!(names_the_password(&reason), "{reason}");
    }
}

#[test]
fn rtsp_with_a_password_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "wetter\n").unwrap();
    for method in ["basic", "digest"] {
        let camera = TestCamera::start(&["--user", "guard", "--password", "wetter", "--auth", method]);
        let keys = format!(
            "source = \"{}\"\nusername = \"guard\"\npassword_file = \"{}\"",
            camera.url("h264"),
            file.display()
        );
        Watched::start(&keys).shows_the_room();
    }
}

fn names_the_password(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    ["unauthorized", "password", "credentials"].iter().any(|word| reason.contains(word))
}

#[test]
fn rtsp_over_tls() {
    let authority = Authority::new("nobody knows it");
    let signed = authority.sign("camera", "IP:127.0.0.1");
    let (certificate, key) = (signed.certificate.to_str().unwrap(), signed.key.to_str().unwrap());
    let camera = TestCamera::start(&["--tls", certificate, "--key", key]);
    let url = camera.url_as("rtsps", "", "h264");
    let reason = Watched::of(&url).offline();
    assert!(reason.to_lowercase().contains("certificate"), "{reason}");
    let watched = Watched::start(&format!("source = \"{url}\"\nverify_tls = false"));
    watched.shows_the_room();
}

#[test]
fn an_unknown_path_is_said_and_tried_again() {
    let mut camera = TestCamera::start(&[]);
    let reason = Watched::of(&camera.url("garden")).offline();
    assert!(reason.to_lowercase().contains("not found") || reason.contains("404"), "{reason}");
    camera.tell("unmount");
    let watched = Watched::of(&camera.url("h264"));
    watched.offline();
    camera.tell("mount");
    watched.shows_the_room();
}

#[test]
fn a_camera_without_power_is_offline_and_comes_back() {
    let mut camera = TestCamera::start(&[]);
    camera.kill();
    let watched = Watched::of(&camera.url("h264"));
    let reason = watched.offline();
    assert!(reason.to_lowercase().contains("connect"), "{reason}");
    // After five attempts in vain what was learned is forgotten, and the sixth is like the first.
    let attempts = watched
        .wait("beginning from nothing", |_| Some(watched.faults()).filter(|faults| faults.rebuilds == 1));
    assert!(attempts.reconnects >= 4, "{attempts:?}");
    camera.restart();
    watched.shows_the_room();
}

#[test]
fn a_camera_that_sends_nothing_has_stalled_and_goes_on() {
    let mut camera = TestCamera::start(&[]);
    let watched = Watched::of(&camera.url("h264"));
    watched.shows_the_room();
    camera.tell("hang");
    let reason = watched.told(CameraState::Stalled).reason.unwrap();
    // Ten a second; how often that is learned to be depends on a few frames.
    assert!(reason.starts_with("no frame for ") && reason.contains(" s, usually one every 0."), "{reason}");
    camera.tell("go on");
    watched.shows_the_room();
}

#[test]
fn a_stream_that_begins_between_two_key_frames() {
    // Eight seconds from one to the next.
    let camera = TestCamera::start(&["--key-interval", "80"]);
    for codec in ["h264", "h265"] {
        let first = Watched::of(&camera.url(codec));
        first.frames(5, "pictures of who comes first", |shot| shot.room);
        let second = Watched::of(&camera.url(codec));
        second.shows_the_room();
        let shots = second.given.0.lock().unwrap().shots.clone();
        let whole = shots.iter().filter(|shot| shot.room).count();
        assert_eq!(whole, shots.len(), "{codec}: a picture without its key frame got through");
    }
}

#[test]
fn pictures_change_their_size_and_rate_in_mid_stream() {
    for codec in ["h264", "h265", "mjpeg"] {
        println!("{codec}");
        let mut camera = TestCamera::start(&[]);
        let watched = Watched::of(&camera.url(codec));
        watched.shows_the_room();
        camera.tell("size 480 360");
        watched.frames(3, "larger pictures", |shot| shot.room && shot.size == (480, 360));
        watched.wait("status with their size", |given| {
            (given.statuses.last()?.video.as_ref()?.size == (480, 360)).then_some(())
        });
        camera.tell("size 160 120");
        watched.frames(3, "smaller pictures", |shot| shot.room && shot.size == (160, 120));
        camera.tell("rate 25");
        watched.frames(30, "faster pictures", |shot| shot.room);
        camera.tell("rate 4");
        watched.frames(5, "slower pictures", |shot| shot.room);
        watched.was_never_lost();
        let counted = watched.faults();
        assert!(counted.format_changes >= 2, "{counted:?}");
    }
}

#[test]
fn another_codec_on_the_same_path() {
    let mut camera = TestCamera::start(&[]);
    let watched = Watched::of(&camera.url("live"));
    watched.shows_the_room();
    for codec in ["h265", "mjpeg", "h264"] {
        camera.tell(&format!("codec {codec}"));
        watched.wait("loss of the connection", |given| (!given.is(CameraState::Online)).then_some(()));
        watched.shows_the_room();
    }
}

#[test]
fn time_stamps_jump_and_the_pictures_go_on() {
    for (codec, transport) in [("h264", "tcp"), ("h265", "tcp"), ("mjpeg", "tcp"), ("h264", "udp")] {
        println!("{codec} over {transport}");
        let mut camera = TestCamera::start(&[]);
        let watched =
            Watched::start(&format!("source = \"{}\"\ntransport = \"{transport}\"", camera.url(codec)));
        watched.shows_the_room();
        for jump in ["5", "-5", "3600", "-7200", "100000"] {
            camera.tell(&format!("jump {jump}"));
            println!("{jump} s");
            watched.frames(20, &format!("pictures after a jump of {jump} s"), |shot| shot.room);
        }
        let given = watched.given.0.lock().unwrap();
        let strange: Vec<&Shot> =
            given.shots.iter().filter(|shot| !(-1.0..15.0).contains(&shot.age_s)).collect();
        assert!(strange.is_empty(), "capture times are believable: {strange:?}");
        drop(given);
        // Five seconds may be a burst.
        let counted = watched.faults().time_jumps;
        assert!((3..=6).contains(&counted), "{counted} jumps");
    }
}

#[test]
fn damaged_packets_are_survived() {
    for codec in ["h264", "h265", "mjpeg"] {
        println!("{codec}");
        let mut camera = TestCamera::start(&[]);
        let watched = Watched::of(&camera.url(codec));
        watched.shows_the_room();
        camera.tell("garbage on");
        // So long it is damaged, whatever comes of that.
        std::thread::sleep(Duration::from_secs(3));
        camera.tell("garbage off");
        watched.frames(10, "whole pictures afterwards", |shot| shot.room);
    }
}

/// Ten a second.
const USUAL: Duration = Duration::from_millis(100);

/// So many pictures as a JPEG camera sends them, no two alike.
fn send_mjpeg(stream: &mut TcpStream, pictures: u32, every: Duration) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.0 200 OK\r\nServer: test\r\nContent-Type: multipart/x-mixed-replace; boundary=next\r\n\r\n"
    )?;
    for number in 0..pictures {
        let picture = image::RgbImage::from_fn(160, 120, |x, y| {
            let noise = (x * 7 + y * 13 + number * 31) % 9;
            image::Rgb([x as u8, y as u8, 100 + noise as u8])
        });
        let mut jpeg = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
        let jpeg = jpeg.into_inner();
        write!(stream, "--next\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len())?;
        stream.write_all(&jpeg)?;
        write!(stream, "\r\n")?;
        stream.flush()?;
        std::thread::sleep(every);
    }
    Ok(())
}

#[test]
fn http_mjpeg() {
    let web = Web::start(|_, _, stream| send_mjpeg(stream, u32::MAX, USUAL));
    let watched = Watched::of(&format!("http://127.0.0.1:{}/video", web.port));
    watched.frames(10, "pictures", |shot| shot.size == (160, 120));
    watched.was_never_lost();
}

#[test]
fn http_mjpeg_with_a_password() {
    let web = Web::start(|path, lines, stream| {
        // guard:wetter
        let knows = lines.iter().any(|line| line.ends_with("Basic Z3VhcmQ6d2V0dGVy"));
        match path {
            "/video" if knows => send_mjpeg(stream, u32::MAX, USUAL),
            "/video" => write!(
                stream,
                "HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"camera\"\r\nContent-Length: 0\r\n\r\n"
            ),
            _ => write!(stream, "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        }
    });
    let at = |user: &str, path: &str| format!("http://{user}127.0.0.1:{}/{path}", web.port);
    Watched::of(&at("guard:wetter@", "video")).frames(5, "pictures", |shot| shot.size == (160, 120));
    let reason = Watched::of(&at("guard:sonne@", "video")).offline();
    assert!(names_the_password(&reason) && !reason.contains("sonne"), "{reason}");
    let reason = Watched::of(&at("", "nothing")).offline();
    assert!(reason.to_lowercase().contains("not found") || reason.contains("404"), "{reason}");
}

#[test]
fn a_camera_that_is_known_to_be_quick_is_not_waited_for_long() {
    let connections = AtomicUsize::new(0);
    let web = Web::start(move |_, _, stream| {
        if connections.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            return send_mjpeg(stream, 10, USUAL);
        }
        // It takes the connection and gives no picture.
        send_mjpeg(stream, 0, USUAL)?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    });
    let watched = Watched::of(&format!("http://127.0.0.1:{}/video", web.port));
    let told = |what: &[&str]| {
        watched.wait(what[0], |given| {
            let mut reasons = given.statuses.iter().filter_map(|status| status.reason.as_deref());
            reasons.any(|reason| what.iter().any(|what| reason.ends_with(what))).then_some(())
        });
    };
    told(&["no frame for 3 s", "no frame for 4 s"]);
    // Nothing at all has come, so the next time the server may be as slow as that.
    told(&["no frame for 15 s"]);
}

#[test]
fn a_camera_with_a_picture_every_eight_seconds_stays_online() {
    let web = Web::start(|_, _, stream| send_mjpeg(stream, u32::MAX, Duration::from_secs(8)));
    let watched = Watched::of(&format!("http://127.0.0.1:{}/video", web.port));
    watched.frames(3, "pictures", |shot| shot.size == (160, 120));
    watched.was_never_lost();
}

#[test]
fn a_server_that_takes_long_for_everything_is_waited_for() {
    let web = Web::start(|_, _, stream| {
        // In all longer than a camera usually may take for its first picture.
        std::thread::sleep(Duration::from_secs(7));
        send_mjpeg(stream, u32::MAX, USUAL)
    });
    let watched = Watched::of(&format!("http://127.0.0.1:{}/video", web.port));
    watched.offline();
    watched.frames(10, "pictures", |shot| shot.size == (160, 120));
}

#[test]
fn hls() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let _camera = Pipeline::start(&format!(
        "videotestsrc is-live=true pattern=ball ! video/x-raw,width=160,height=120,framerate=10/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! h264parse ! \
         hlssink2 target-duration=1 playlist-length=6 max-files=20 location={} playlist-location={}",
        at("part%05d.ts"),
        at("live.m3u8")
    ));
    // A player wants some segments to begin with.
    let deadline = Instant::now() + PATIENCE;
    let segments = || std::fs::read_to_string(at("live.m3u8")).map_or(0, |list| list.matches(".ts").count());
    while segments() < 4 {
        assert!(Instant::now() < deadline, "no segments come");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    let served = folder.path().to_path_buf();
    let web = Web::start(move |path, _, stream| {
        let kind = if path.ends_with(".m3u8") { "application/vnd.apple.mpegurl" } else { "video/mp2t" };
        match std::fs::read(served.join(path.trim_start_matches('/'))) {
            Ok(bytes) => {
                write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
                    bytes.len()
                )?;
                stream.write_all(&bytes)
            }
            Err(_) => {
                write!(stream, "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            }
        }
    });
    let watched = Watched::of(&format!("http://127.0.0.1:{}/live.m3u8", web.port));
    // More than what was there in the beginning.
    watched.frames(80, "pictures", |shot| shot.size == (160, 120));
    watched.was_never_lost();
}

/// The first device of V4L2, if there is one.
fn video_device() -> Option<PathBuf> {
    let devices = std::fs::read_dir("/dev").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    devices.filter(|path| path.to_string_lossy().starts_with("/dev/video")).min()
}

#[test]
fn v4l2() {
    let Some(device) = video_device() else {
        println!("skipped: there is no /dev/video*; `modprobe v4l2loopback` makes one");
        return;
    };
    Watched::of(device.to_str().unwrap()).frames(3, "pictures", |_| true);
}

#[test]
fn libcamera() {
    gst::init().unwrap();
    if gst::ElementFactory::find("libcamerasrc").is_none() || !Path::new("/dev/media0").exists() {
        println!("skipped: there is no libcamerasrc (gstreamer1.0-libcamera), or no /dev/media0");
        return;
    }
    Watched::of("libcamera:").frames(3, "pictures", |_| true);
}

#[test]
fn a_file_once_and_over_and_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mkv");
    Pipeline::start(&format!(
        "videotestsrc num-buffers=15 ! video/x-raw,width=160,height=120,framerate=20/1 ! jpegenc ! matroskamux ! \
         filesink location={}",
        path.display()
    ))
    .play_out();
    let once = Watched::of(path.to_str().unwrap());
    let reason = once.offline();
    assert!(reason.ends_with("clip.mkv has ended"), "{reason}");
    assert!((1..=15).contains(&once.given.0.lock().unwrap().shots.len()));
    let looped = Watched::start(&format!("source = \"{}\"\nloop = true", path.display()));
    looped.frames(40, "pictures of three rounds", |shot| shot.size == (160, 120));
    assert!(looped.given.0.lock().unwrap().is(CameraState::Online));
}

#[test]
fn a_free_fragment() {
    let camera = TestCamera::start(&[]);
    let fragment = format!("rtspsrc location={} latency=0 ! rtph264depay", camera.url("h264"));
    let watched = Watched::start(&format!("pipeline = \"{fragment}\""));
    watched.shows_the_room();
}
