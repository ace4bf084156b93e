//! What cannot work is told in words that say what to do: certificates, statuses of servers, pages in the place of video,
//! plug-ins that are missing, addresses that are none.

use std::ffi::OsStr;
use std::fs;

use crate::certificates::{Authority, Signed};
use crate::mosquitto::{free_port, wait};
use crate::peers::{Running, vlc};
use crate::pipeline::Pipeline;
use crate::program::{PATIENCE, Program, spotter};
use crate::strange_camera::StrangeCamera;
use crate::test_camera::TestCamera;

/// What `spotter probe` has to say of an address that gives no frames.
fn complaint(arguments: &[&str]) -> String {
    let ended = spotter(["probe", "--seconds", "1"].iter().chain(arguments));
    assert_ne!(ended.code, Some(0), "{ended:?}");
    ended.stderr.lines().last().unwrap_or_default().to_owned()
}

fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "\"{word}\" is not in: {text}");
    }
    assert!(!text.contains("plug-in."), "GStreamer's own words: {text}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (mine, other) = (Authority::new("127.0.0.1"), Authority::new("nobody knows it"));
    let itself = Signed { certificate: mine.certificate(), key: mine.certificate().with_file_name("ca.key") };
    let cases = [
        (itself, vec!["is self-signed", "is for another name"]),
        (
            other.sign("good", "IP:127.0.0.1"),
            vec!["is signed by an authority that this machine does not know"],
        ),
        (other.sign_expired("old", "IP:127.0.0.1"), vec!["has expired"]),
        (other.sign("name", "DNS:other.example"), vec!["is for another name than the address has"]),
    ];
    for (Signed { certificate, key }, words) in cases {
        let arguments =
            ["--certificate".as_ref(), certificate.as_os_str(), "--key".as_ref(), key.as_os_str()];
        let web = StrangeCamera::web(folder.path(), &arguments);
        let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
        let rtsp = TestCamera::start(&["--tls", certificate, "--key", key]);
        for url in [web.url("https", "video"), rtsp.url_as("rtsps", "", "h264")] {
            let text = complaint(&[&url]);
            println!("{text}");
            holds(&text, &["its certificate ", "verify_tls = false"]);
            holds(&text, &words);
            let ended = spotter(["probe", "--seconds", "1", "--no-verify-tls", &url]);
            assert_eq!(ended.code, Some(0), "{ended:?}");
        }
    }
}

#[test]
fn a_port_that_speaks_something_else_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("nobody knows it");
    let Signed { certificate, key } = authority.sign("good", "IP:127.0.0.1");
    let tls = ["--certificate".as_ref(), certificate.as_os_str(), "--key".as_ref(), key.as_os_str()];
    let (web, encrypted) = (StrangeCamera::web(folder.path(), &[]), StrangeCamera::web(folder.path(), &tls));
    let closed = free_port();
    for (url, words) in [
        (web.url("https", "video"), "not with TLS"),
        (web.url("rtsp", "video"), "does not speak RTSP"),
        (encrypted.url("http", "video"), "begin with https://"),
        (format!("http://127.0.0.1:{closed}/video"), "Connection refused"),
        (format!("rtsp://127.0.0.1:{closed}/video"), "Connection refused"),
        (format!("https://127.0.0.1:{closed}/video"), "Connection refused"),
    ] {
        let text = complaint(&[&url]);
        println!("{text}");
        holds(&text, &[words]);
    }
}

#[test]
fn what_comes_in_the_place_of_video_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let web = StrangeCamera::web(folder.path(), &[]);
    for (path, words) in [
        ("page", "it is a web page"),
        ("page-as-stream", "it is a web page"),
        ("error", "no video that can be told: the server calls it application/json"),
        ("status", "no video that can be told: the server calls it text/xml"),
        ("manual", "it is application/pdf and no video"),
        ("empty", "the server's answer is empty"),
        ("page-as-picture", "it is a web page"),
        ("page-for-ever", "no frame for 15 s: it is a web page"),
        ("error-as-picture", "the server calls image/jpeg: it begins with \"{\"error\": \"no session\"}\""),
        ("empty-as-picture", "the server's answer is empty"),
        (
            "png-parts",
            "no JPEG picture in what the server calls multipart/x-mixed-replace: its parts are image/png",
        ),
        ("bmp", "it is a picture of the type image/bmp; JPEG, PNG and WebP are read"),
        ("gif", "it is a picture of the type image/gif; JPEG, PNG and WebP are read"),
        ("broken-picture", "the connection broke in the middle of a picture"),
        ("401", "user name or password is wrong, or missing"),
        ("403", "access is forbidden"),
        ("404", "the server has no such stream"),
        ("500", "the server failed"),
        ("503", "no room for one more, or is not ready yet"),
    ] {
        let text = complaint(&[&web.url("http", path)]);
        println!("{text}");
        holds(&text, &[words]);
    }
}

#[test]
fn a_plug_in_that_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.mkv");
    Pipeline::start(&format!(
        "videotestsrc num-buffers=20 ! jpegenc ! matroskamux ! filesink location={}",
        file.display()
    ))
    .play_out();
    let web = StrangeCamera::web(folder.path(), &["--file".as_ref(), file.as_os_str()]);
    for (rank, words) in [
        ("matroskademux:NONE", ["GStreamer misses ", "for video/x-matroska"]),
        (
            "jpegdec:NONE,avdec_mjpeg:NONE,nvjpegdec:NONE,vajpegdec:NONE,vaapijpegdec:NONE,v4l2jpegdec:NONE",
            ["GStreamer misses ", "for image/jpeg"],
        ),
    ] {
        let variables = [("GST_PLUGIN_FEATURE_RANK", OsStr::new(rank))];
        let arguments = ["probe".to_owned(), web.url("http", "file")];
        let ended = Program::start_with(arguments, &variables).wait(PATIENCE);
        println!("{}", ended.stderr);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        holds(ended.stderr.lines().last().unwrap(), &words);
    }
}

#[test]
fn statuses_of_rtsp_servers_say_what_to_do() {
    let none: [&str; 0] = [];
    let camera = StrangeCamera::start("rtsp", none);
    for (path, transport, words) in [
        ("461-SETUP", "tcp", "set transport = \"udp\""),
        ("461-SETUP", "udp", "set transport = \"tcp\""),
        ("461-DESCRIBE", "tcp", "set transport = \"udp\""),
        ("461-PLAY", "tcp", "set transport = \"udp\""),
        ("401-DESCRIBE", "tcp", "user name or password is wrong, or missing"),
        ("401-SETUP", "tcp", "user name or password is wrong, or missing"),
        ("403-DESCRIBE", "tcp", "access is forbidden"),
        ("403-SETUP", "tcp", "access is forbidden"),
        ("404-DESCRIBE", "tcp", "the server has no such stream"),
        ("404-SETUP", "tcp", "the server has no such stream"),
        ("453-SETUP", "tcp", "no room for one more"),
        ("503-DESCRIBE", "tcp", "no room for one more"),
        ("405-DESCRIBE", "tcp", "describes no stream"),
    ] {
        let text = complaint(&["--transport", transport, &camera.url("rtsp", path)]);
        println!("{text}");
        holds(&text, &[words]);
        assert!(!text.contains("Unhandled error"), "{text}");
    }
}

#[test]
fn vlc_that_sends_over_udp_alone_says_which_key_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.avi");
    Pipeline::start(&format!(
        "videotestsrc num-buffers=250 ! video/x-raw,width=320,height=240,framerate=25/1 ! jpegenc ! avimux ! filesink location={}",
        clip.display()
    ))
    .play_out();
    let port = free_port();
    let output = format!("#transcode{{vcodec=mp4v,vb=500}}:rtp{{sdp=rtsp://127.0.0.1:{port}/stream}}");
    let _vlc = Running::start(vlc(folder.path()).args(["--no-sout-audio", "--loop"]).arg(&clip).args([
        "--sout",
        &output,
        "--sout-keep",
    ]));
    let url = format!("rtsp://127.0.0.1:{port}/stream");
    // It listens before it serves.
    let mut text = String::new();
    let served = wait(|| {
        text = complaint(&[&url]);
        // Before it has its first frame it answers 500.
        ["cannot connect", "no such stream", "the server failed", "RTSP"]
            .iter()
            .all(|early| !text.contains(early))
    });
    assert!(served, "{text}");
    holds(&text, &["set transport = \"udp\""]);
    let ended = spotter(["probe", "--seconds", "1", "--transport", "udp", &url]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn texts_that_are_no_addresses_are_refused_with_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("spotter.toml");
    for (source, words) in [
        ("192.168.1.10:554/stream1", "has no scheme"),
        ("192.168.1.10/stream1", "has no scheme"),
        ("admin:s3cret@192.168.1.10/stream1", "has no scheme"),
        ("camera.lan:554/stream1", "has no scheme"),
        ("rtsp:/192.168.1.10/stream1", "has no scheme"),
        ("rtsp://${CAM_USER}:${CAM_PASSWORD}@192.168.1.10/s", "holds ${…}"),
        ("rtsp://admin:{{ password }}@192.168.1.10/s", "holds {{…}}"),
        ("rtsp://<user>:<password>@<address>/s", "holds <…>"),
        ("rtmp://192.168.1.10/live", "rtmp2src"),
        ("srt://192.168.1.10:9000", "srtsrc"),
        ("udp://239.0.0.1:5000", "udpsrc"),
        ("rtspu://192.168.1.10/s", "transport = \"udp\""),
        ("onvif://192.168.1.10", "rtsp://"),
        ("v4l2:///dev/video0", "/dev/video0"),
        ("smb://nas/clip.mp4", "mount it"),
        ("rtsp://{user}:{password}@192.168.1.10/s", "holds {…}"),
        ("rtsp://IP_ADDRESS/s", "holds a host that stands for another"),
        ("rtsp://192.168.x.x:554/s", "holds a host that stands for another"),
        ("http:///video", "the host is missing"),
        ("www.cam.example/video.mjpg", "has no scheme"),
        ("htttp://192.168.1.10/video", "did you mean http://?"),
        ("rtps://192.168.1.10/s", "did you mean rtsp://?"),
        ("rstp://192.168.1.10/s", "did you mean rtsp://?"),
        ("xyz://192.168.1.10", "allowed: rtsp, rtsps, http, https"),
    ] {
        fs::write(&config, format!("[[camera]]\nname = \"ramp\"\nsource = \"{source}\"\n")).unwrap();
        let told = spotter::config::Config::load(&config).unwrap_err().to_string();
        println!("{told}");
        assert!(told.contains("camera[1].source") && told.contains(words), "{source}: {told}");
        assert!(!told.contains("s3cret") && !told.contains("192.168.1"), "{told}");
    }
}

/// It may be a file, so that only its absence tells.
#[test]
fn a_file_in_a_folder_that_is_not_there_may_be_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("spotter.toml");
    let hint = "If it is an address, begin it with rtsp://";
    for (source, is_hinted) in [("camera1/stream.mjpg", true), ("stream.mjpg", false)] {
        fs::write(&config, format!("[[camera]]\nname = \"ramp\"\nsource = \"{source}\"\n")).unwrap();
        let ended = spotter(["check", "--config", config.to_str().unwrap()]);
        let line = ended.stderr.lines().find(|line| line.contains("which is not there")).unwrap();
        assert_eq!(line.contains(hint), is_hinted, "{line}");
    }
}
