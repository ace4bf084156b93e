//! MJPEG as firmwares and servers write it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use crate::footage;
use crate::mosquitto::free_port;
use crate::peers::{Running, vlc};
use crate::picture_server::{Server, capture, pictures, play, shows};
use crate::rotation::with_exif;
use crate::watched::Watched;

/// How one firmware writes a stream.
struct Firmware {
    name: &'static str,
    content_type: &'static str,
    before: &'static str,
    /// What stands in front of each picture; LENGTH is how long it is.
    head: &'static str,
    after: &'static str,
}

const FIRMWARES: &[Firmware] = &[
    Firmware {
        name: "as the standard says",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "--b\r\n",
        head: "Content-Type: image/jpeg\r\nContent-Length: LENGTH\r\n\r\n",
        after: "\r\n--b\r\n",
    },
    Firmware {
        name: "no boundary before the first part",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "",
        head: "Content-Type: image/jpeg\r\nContent-Length: LENGTH\r\n\r\n",
        after: "\r\n--b\r\n",
    },
    Firmware {
        name: "the boundary with its dashes, in quotes",
        content_type: "multipart/x-mixed-replace;boundary=\"--b\"",
        before: "",
        head: "--b\r\nContent-type: image/jpeg\r\n\r\n",
        after: "\r\n",
    },
    Firmware {
        name: "a boundary that is never used",
        content_type: "multipart/x-mixed-replace;boundary=other",
        before: "",
        head: "--b\r\nContent-Type: image/jpeg\r\nContent-Length: LENGTH\r\n\r\n",
        after: "\r\n",
    },
    Firmware {
        name: "no boundary in the header",
        content_type: "multipart/x-mixed-replace",
        before: "",
        head: "--b\r\nContent-Type: image/jpeg\r\n\r\n",
        after: "\r\n",
    },
    Firmware {
        name: "image/jpg",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "",
        head: "--b\r\nContent-Type: image/jpg\r\nContent-Length: LENGTH\r\n\r\n",
        after: "\r\n",
    },
    Firmware {
        name: "image/pjpeg, multipart/mixed",
        content_type: "Multipart/Mixed; boundary=b",
        before: "",
        head: "--b\r\nContent-Type: image/pjpeg\r\n\r\n",
        after: "\r\n",
    },
    Firmware {
        name: "texts beside pictures",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "--b\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello\r\n",
        head: "--b\r\nContent-Type: image/jpeg\r\n\r\n",
        after: "\r\n--b\r\nContent-Type: audio/basic\r\nContent-Length: 6\r\n\r\n\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\r\n",
    },
    Firmware {
        name: "parts without headers",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "",
        head: "--b\r\n\r\n",
        after: "\r\n",
    },
    Firmware {
        name: "parts without even an empty line",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "",
        head: "--b\r\n",
        after: "",
    },
    Firmware {
        name: "a length that is too small",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "",
        head: "--b\r\nContent-Type: image/jpeg\r\nContent-Length: 17\r\n\r\n",
        after: "\r\n",
    },
    Firmware {
        name: "a length that is too large",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "",
        head: "--b\r\nContent-Type: image/jpeg\r\nContent-Length: 99999999\r\n\r\n",
        after: "\r\n",
    },
    Firmware {
        name: "LF alone",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "",
        head: "--b\nContent-Type: image/jpeg\nContent-Length: LENGTH\n\n",
        after: "\n",
    },
    Firmware {
        name: "garbage between parts",
        content_type: "multipart/x-mixed-replace; boundary=b",
        before: "\0\0\0\0garbage",
        head: "--b\r\nContent-Type: image/jpeg\r\n\r\n",
        after: "\r\n\0\0\0more of it\r\n",
    },
    Firmware {
        name: "one after the other, video/x-motion-jpeg",
        content_type: "video/x-motion-jpeg",
        before: "",
        head: "",
        after: "",
    },
    Firmware {
        name: "one after the other, application/octet-stream",
        content_type: "application/octet-stream",
        before: "",
        head: "",
        after: "",
    },
    Firmware {
        name: "multipart that is called text",
        content_type: "text/plain",
        before: "\r\n",
        head: "--b\r\nContent-Type: image/jpeg\r\n\r\n",
        after: "\r\n",
    },
];

/// Sends one picture after the other until the client has left.
fn stream_for_ever(
    firmware: &'static Firmware,
    pictures: Vec<Vec<u8>>,
) -> impl Fn(&str, usize, &mut TcpStream) -> std::io::Result<()> {
    move |_, _, stream| {
        write!(
            stream,
            "HTTP/1.0 200 OK\r\nContent-Type: {}\r\n\r\n{}",
            firmware.content_type, firmware.before
        )?;
        // 20 a second, for as long as the client listens: writing fails when it has left.
        for picture in pictures.iter().cycle() {
            let head = firmware.head.replace("LENGTH", &picture.len().to_string());
            stream.write_all(&[head.as_bytes(), picture, firmware.after.as_bytes()].concat())?;
            stream.set_read_timeout(Some(Duration::from_millis(50)))?;
            // The pause; a client that has closed the connection ends it.
            if let Ok(0) = stream.read(&mut [0]) {
                return Ok(());
            }
        }
        Ok(())
    }
}

#[test]
fn streams_play_as_firmwares_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let sent = pictures(folder.path(), 4);
    for firmware in FIRMWARES {
        let server = Server::start(stream_for_ever(firmware, sent.clone()));
        let mut seen = [false; 4];
        println!("{}", firmware.name);
        play(&capture(&server.url(""), ""), |frame| {
            let n = (0..4).find(|&n| shows(frame, n));
            seen[n.unwrap_or_else(|| panic!("{}: a picture of another grey", firmware.name))] = true;
            seen == [true; 4]
        });
    }
}

/// Each picture says how it is to be shown, and that may change from one to the next.
#[test]
fn each_picture_is_turned_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let one = pictures(folder.path(), 1).remove(0);
    let sent = vec![one.clone(), with_exif(&one, 6)];
    let server = Server::start(stream_for_ever(&FIRMWARES[0], sent));
    let mut seen = [false; 2];
    play(&capture(&server.url(""), ""), |frame| {
        match (frame.image.width(), frame.image.height()) {
            (160, 120) => seen[0] = true,
            (120, 160) => seen[1] = true,
            other => panic!("{other:?}"),
        }
        seen == [true; 2]
    });
}

/// Plays a camera as the daemon does: servers end the first connections while they have no picture yet.
fn shows_pictures(url: &str, size: (u32, u32)) {
    Watched::of(url).frames(4, "pictures", |shot| shot.size == size);
}

/// motion 4.5.1 with a file for its camera.
#[test]
fn motion_plays() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (port, at) = (free_port(), folder.path());
    let config = at.join("motion.conf");
    fs::write(
        &config,
        format!(
            "daemon off\nsetup_mode off\ntarget_dir {}\npid_file {}/pid\nlog_file {}/log\nwebcontrol_port 0\n\
             stream_port {port}\nstream_localhost on\nstream_maxrate 10\npicture_output off\nmovie_output off\n\
             width 640\nheight 480\nframerate 10\nnetcam_url file://{}\n",
            at.display(),
            at.display(),
            at.display(),
            vtest.display()
        ),
    )
    .unwrap();
    let _motion = Running::start(Command::new("motion").arg("-c").arg(&config));
    shows_pictures(&format!("http://127.0.0.1:{port}/"), (640, 480));
}

/// ustreamer 4.9, which serves its picture "no signal" where it has no device: as a stream and as a single one.
#[test]
fn ustreamer_plays() {
    let port = free_port();
    let arguments = ["--host", "127.0.0.1", "--port", &port.to_string(), "--device", "/dev/video-of-nobody"];
    let _ustreamer = Running::start(Command::new("ustreamer").args(arguments));
    for path in ["stream", "snapshot"] {
        shows_pictures(&format!("http://127.0.0.1:{port}/{path}"), (640, 480));
    }
}

/// VLC 3.0, which writes an empty line before its first boundary. It does not run as root, so that it gets another user there.
#[test]
fn vlc_plays() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.avi");
    fs::copy(vtest, &film).unwrap();
    fs::set_permissions(&film, PermissionsExt::from_mode(0o644)).unwrap();
    let port = free_port();
    let boundary = "7b3cc56e5f51db803f790dad720ed50a";
    let output = format!(
        "#transcode{{vcodec=MJPG,vb=2000,venc=ffmpeg{{strict=-2}}}}:\
         std{{access=http{{mime=multipart/x-mixed-replace;boundary={boundary}}},mux=mpjpeg,dst=127.0.0.1:{port}/v}}"
    );
    let _vlc = Running::start(
        vlc(folder.path()).args(["--no-audio", "--loop"]).arg(&film).args(["--sout", &output]),
    );
    shows_pictures(&format!("http://127.0.0.1:{port}/v"), (768, 576));
}
