//! Lines there and back, and requests that are none.

use super::client::somebody_listens;
use super::*;
use crate::daemon::asking::Asking;
use crate::daemon::vitals::Vitals;

#[test]
fn outcomes_come_through_the_socket_as_they_are() {
    let problems = vec!["line 3: mqtt.host is unknown".to_owned(), "applied nothing".to_owned()];
    for told in [
        Outcome::Applied("6 cameras".to_owned()),
        Outcome::Failed("the daemon is stopping".to_owned()),
        Outcome::Refused(problems),
        Outcome::Refused(Vec::new()),
    ] {
        assert_eq!(outcome(&lines(&told)), Some(told));
    }
    let broken = Outcome::Failed("a\nrefused".to_owned());
    assert_eq!(outcome(&lines(&broken)), Some(Outcome::Failed("a\\nrefused".to_owned())));
    assert_eq!(outcome(""), None);
    assert_eq!(outcome("perhaps so"), None);
}

/// What is read when somebody writes these pieces and then closes or waits.
fn read(pieces: &[&[u8]], closes: bool) -> io::Result<String> {
    let (mut here, mut there) = UnixStream::pair().unwrap();
    pieces.iter().for_each(|piece| there.write_all(piece).unwrap());
    let kept = (!closes).then_some(there);
    let read = read_request(&mut here);
    drop(kept);
    read
}

#[test]
fn a_request_is_a_short_line_that_comes_in_time() {
    assert_eq!(read(&[b"reload ab\n"], false).unwrap(), "reload ab");
    assert_eq!(read(&[b"rel", b"oad ab\nmore"], true).unwrap(), "reload ab");
    let refused = |pieces: &[&[u8]], closes| read(pieces, closes).unwrap_err().kind();
    assert_eq!(refused(&[b"reload"], true), io::ErrorKind::InvalidData);
    assert_eq!(refused(&[b"\xff\n"], true), io::ErrorKind::InvalidData);
    assert_eq!(refused(&[&[b'a'; 4096]], false), io::ErrorKind::InvalidData);
    let begun = Instant::now();
    assert_eq!(refused(&[b"reload"], false), io::ErrorKind::WouldBlock);
    assert!(begun.elapsed() >= PATIENCE);
}

#[test]
fn a_place_has_one_daemon_and_is_free_again_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::at(folder.path().join("control"));
    place.make().unwrap();
    let held = lock(&place).unwrap();
    match lock(&place).unwrap_err() {
        ControlError::Taken { process, socket } => {
            assert_eq!((process, socket), (std::process::id().to_string(), place.socket()));
        }
        other => panic!("{other}"),
    }
    drop(held);
    drop(lock(&place).unwrap());
}

#[test]
fn whoever_looks_sees_a_daemon_that_listens() {
    let folder = tempfile::tempdir().unwrap();
    let places = ["none", "control"].map(|name| Place::at(folder.path().join(name)));
    places[1].make().unwrap();
    assert!(!somebody_listens(places.clone()));
    let listener = UnixListener::bind(places[1].socket()).unwrap();
    assert!(somebody_listens(places.clone()));
    // One that ended without a word leaves its socket behind.
    drop(listener);
    assert!(places[1].socket().exists() && !somebody_listens(places));
}

#[test]
fn nobody_at_the_socket_holds_up_the_end_and_who_has_asked_is_told_of_it() {
    let file = Path::new("/etc/spotter/spotter.toml");
    let asks = format!("reload {}\n", place::digest(file));
    // What somebody has said, and what they hear.
    for (said, heard) in [("", ""), ("rel", ""), (&*asks, "failed the daemon is stopping\n")] {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::at(folder.path().join("control"));
        let vitals = Arc::new(Vitals::new());
        let (asking, asker) = Asking::start(file.to_path_buf(), Arc::clone(&vitals), || None).unwrap();
        let control = Control::at(&place, file, asker).unwrap();
        let mut stream = UnixStream::connect(place.socket()).unwrap();
        stream.write_all(said.as_bytes()).unwrap();
        let deadline = Instant::now() + 30 * PATIENCE;
        while control.serving.stream().is_none() {
            assert!(Instant::now() < deadline, "nobody is served");
            std::thread::yield_now();
        }
        let begun = Instant::now();
        drop(control);
        assert!(begun.elapsed() < PATIENCE / 2, "{said:?}: {:?}", begun.elapsed());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, heard, "{said:?}");
        vitals.stopping();
        asking.join();
    }
}
