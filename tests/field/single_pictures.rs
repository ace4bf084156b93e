//! Addresses that give a single picture, which is asked for again and again.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use spotter::capture::{Next, Stream, Timing};
use spotter::clock::SystemClock;
use spotter::name::Name;

use crate::films::ffmpeg;
use crate::picture_server::{PATIENCE, Server, capture, pictures, play, shows, single};
use crate::program::Program;
use crate::watched::Watched;

/// An address that gives one picture and ends is asked again and again, and never flaps.
#[test]
fn an_address_of_a_single_picture_is_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let sent = pictures(folder.path(), 4);
    let one_png = folder.path().join("one.png");
    ffmpeg("-f lavfi -i color=c=0x282828:s=160x120 -frames:v 1", &one_png);
    let png = fs::read(one_png).unwrap();
    for content_type in ["image/jpeg", "image/jpg", "application/octet-stream", "image/png"] {
        let (sent, png) = (sent.clone(), png.clone());
        let is_png = content_type == "image/png";
        let server = Server::start(move |_, number, stream| {
            let body = if is_png { &png } else { &sent[number % 4] };
            let length =
                if number % 2 == 0 { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
            single(stream, &format!("Content-Type: {content_type}\r\nETag: \"same\"\r\n{length}"), body)
        });
        let (mut frames, mut seen) = (0, [false; 4]);
        println!("{content_type}");
        play(&capture(&server.url(""), "poll_s = 0.1"), |frame| {
            frames += 1;
            if let Some(n) = (0..4).find(|&n| shows(frame, n)) {
                seen[n] = true;
            }
            frames >= 5 && (is_png || seen == [true; 4])
        });
        assert!(server.asked.load(Ordering::SeqCst) >= 5);
    }
}

/// A picture whose end is missing, as some firmwares leave it out or cut it, is shown as far as it goes.
#[test]
fn a_picture_without_its_end_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let sent = pictures(folder.path(), 4);
    for (name, keep, has_length) in
        [("no end", 1.0, true), ("no end, no length", 1.0, false), ("nine tenths", 0.9, true)]
    {
        let sent = sent.clone();
        let server = Server::start(move |_, number, stream| {
            let body = &sent[number % 4];
            let body = &body[..((body.len() - 2) as f64 * keep) as usize];
            let length =
                if has_length { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
            single(stream, &format!("Content-Type: image/jpeg\r\n{length}"), body)
        });
        println!("{name}");
        let mut seen = [false; 4];
        play(&capture(&server.url(""), "poll_s = 0.1"), |frame| {
            // What was cut off is the last that is written, so that the middle is there.
            let n = (0..4).find(|&n| shows(frame, n));
            seen[n.unwrap_or_else(|| panic!("{name}: a picture of another grey"))] = true;
            seen == [true; 4]
        });
    }
}

/// A type that is not the picture's own.
#[test]
fn a_picture_is_known_by_its_bytes_and_not_by_what_it_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.png");
    ffmpeg("-f lavfi -i color=c=0x282828:s=160x120 -frames:v 1", &path);
    let png = fs::read(path).unwrap();
    for content_type in ["image/jpeg", "application/octet-stream", "text/plain"] {
        let png = png.clone();
        let server = Server::start(move |_, _, stream| {
            single(stream, &format!("Content-Type: {content_type}\r\n"), &png)
        });
        let mut frames = 0;
        println!("{content_type}");
        play(&capture(&server.url(""), "poll_s = 0.1"), |frame| {
            assert!(shows(frame, 0));
            frames += 1;
            frames == 5
        });
    }
}

/// One part of several that never come, in an answer that ends as it should.
#[test]
fn an_answer_of_one_part_is_a_single_picture() {
    let folder = tempfile::tempdir().unwrap();
    let sent = pictures(folder.path(), 4);
    for (end, has_length) in [("\r\n--b--\r\n", false), ("\r\n", true)] {
        let sent = sent.clone();
        let server = Server::start(move |_, number, stream| part(stream, &sent[number % 4], end, has_length));
        let camera = Watched::start(&format!("source = \"{}\"\npoll_s = 0.2", server.url("")));
        camera.frames(6, "pictures", |_| true);
        camera.was_never_lost();
    }
}

/// But a stream that breaks behind its first picture is no such answer: the camera is connected anew.
#[test]
fn a_stream_that_breaks_behind_its_first_picture_is_no_single_one() {
    let folder = tempfile::tempdir().unwrap();
    let one = pictures(folder.path(), 1).remove(0);
    let server = Server::start(move |_, _, stream| part(stream, &one, "\r\n--b\r\n", false));
    let timing = Timing::Live(Arc::new(SystemClock));
    let mut stream =
        Stream::open(Name::new("test").unwrap(), &capture(&server.url(""), "poll_s = 0.1"), timing).unwrap();
    let begun = Instant::now();
    while !matches!(stream.next(Duration::from_millis(200)).unwrap(), Next::End) {
        assert!(begun.elapsed() < PATIENCE, "it does not end");
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

/// Answers with one part of several and ends.
fn part(stream: &mut TcpStream, picture: &[u8], end: &str, has_length: bool) -> std::io::Result<()> {
    let body = [b"--b\r\nContent-Type: image/jpeg\r\n\r\n", picture, end.as_bytes()].concat();
    let length = if has_length { format!("Content-Length: {}\r\n", body.len()) } else { String::new() };
    single(stream, &format!("Content-Type: multipart/x-mixed-replace; boundary=b\r\n{length}"), &body)
}

/// A camera whose session has run out sends a page in the place of its next picture.
#[test]
fn a_page_in_the_place_of_the_next_picture_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let one = pictures(folder.path(), 1).remove(0);
    let server = Server::start(move |_, number, stream| {
        single(stream, "Content-Type: image/jpeg\r\n", if number < 3 { &one } else { b"<html>log in</html>" })
    });
    let timing = Timing::Live(Arc::new(SystemClock));
    let mut stream =
        Stream::open(Name::new("test").unwrap(), &capture(&server.url(""), "poll_s = 0.1"), timing).unwrap();
    let begun = Instant::now();
    let error = loop {
        match stream.next(Duration::from_millis(200)) {
            Ok(Next::End) => panic!("it has ended"),
            Ok(Next::Frame(_) | Next::Idle) => assert!(begun.elapsed() < PATIENCE, "it goes on"),
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("it is a web page"), "{error}");
}

/// As often as `poll_s` says, with the login each time.
#[test]
fn a_picture_is_asked_for_as_often_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let one = pictures(folder.path(), 1).remove(0);
    let server = Server::start(move |head, _, stream| {
        if !head.contains("Authorization: Basic bWU6czNjcmV0") {
            return write!(
                stream,
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"cam\"\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
        }
        single(stream, "Content-Type: image/jpeg\r\n", &one)
    });
    let mut times = Vec::new();
    play(&capture(&server.url("me:s3cret@"), "poll_s = 0.5"), |_| {
        times.push(Instant::now());
        times.len() == 5
    });
    let took = *times.last().unwrap() - times[0];
    assert!(took >= Duration::from_millis(1700), "4 pauses of half a second took {took:?}");
    assert!(server.heads.lock().unwrap().iter().all(|head| !head.contains("s3cret")));
}

/// The camera stays online while its picture is asked for, and says so when the server fails.
#[test]
fn a_polled_camera_stays_online_until_the_server_fails() {
    let folder = tempfile::tempdir().unwrap();
    let sent = pictures(folder.path(), 4);
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let server = Server::start(move |_, number, stream| {
        if is_broken.load(Ordering::SeqCst) {
            return write!(
                stream,
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        single(stream, "Content-Type: image/jpeg\r\n", &sent[number % 4])
    });
    let timing = Timing::Live(Arc::new(SystemClock));
    let capture = capture(&server.url(""), "poll_s = 0.1");
    let mut stream = Stream::open(Name::new("test").unwrap(), &capture, timing).unwrap();
    let (begun, mut frames) = (Instant::now(), 0);
    let error = loop {
        match stream.next(Duration::from_millis(200)) {
            Ok(Next::Frame(_)) => frames += 1,
            Ok(Next::Idle) => {}
            Ok(Next::End) => panic!("it has ended"),
            Err(error) => break error,
        }
        broken.store(frames >= 10, Ordering::SeqCst);
        assert!(begun.elapsed() < PATIENCE, "{frames} frames");
    };
    assert!(error.to_string().contains("Service Unavailable"), "{error}");
    let stopping = Instant::now();
    drop(stream);
    assert!(stopping.elapsed() < Duration::from_secs(5), "{:?}", stopping.elapsed());
}

/// `probe` shows both as what they are.
#[test]
fn probe_takes_a_single_picture_for_a_camera() {
    let folder = tempfile::tempdir().unwrap();
    let sent = pictures(folder.path(), 4);
    let server = Server::start(move |_, number, stream| {
        single(stream, "Content-Type: image/jpeg\r\n", &sent[number % 4])
    });
    let ended = Program::start(["probe", &server.url("")]).wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("jpeg") && ended.stdout.contains("160x120"), "{}", ended.stdout);
}

/// As the daemon runs it: it comes online once and stays so, where it came and went with each picture before.
#[test]
fn a_polled_camera_does_not_flap() {
    let folder = tempfile::tempdir().unwrap();
    let sent = pictures(folder.path(), 4);
    let server = Server::start(move |_, number, stream| {
        single(stream, "Content-Type: image/jpeg\r\n", &sent[number % 4])
    });
    for keys in ["", "poll_s = 0.2"] {
        let camera = Watched::start(&format!("source = \"{}\"\n{keys}", server.url("")));
        camera.frames(6, "pictures", |_| true);
        camera.was_never_lost();
    }
}
