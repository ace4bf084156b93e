//! User names and passwords arrive as they are written, and a password file with what nobody sees in it is named.

use std::ffi::OsStr;
use std::fs;

use crate::program::spotter;
use crate::strange_camera::StrangeCamera;
use crate::test_camera::TestCamera;
use crate::watched::Watched;

/// Logins with characters that have a meaning in an address, in an escape, or in a pipeline's text.
const LOGINS: [(&str, &str); 4] = [
    ("guard", "50%off"),
    ("guard%41", "100%"),
    ("night guard", "a/b?c#d@e:f [g] \"h\" \\i 'j' $k"),
    ("w\u{e4}chter", "+&=;,!*()~%2F\u{20ac}\u{1f511}"),
];

/// The keys of a camera whose login stands beside its address.
fn keys(url: &str, user: &str, password: &str, folder: &std::path::Path) -> String {
    let file = folder.join("password");
    fs::write(&file, format!("{password}\n")).unwrap();
    let user = user.replace('\\', "\\\\").replace('"', "\\\"");
    format!("source = \"{url}\"\nusername = \"{user}\"\npassword_file = \"{}\"", file.display())
}

#[test]
fn every_character_of_a_login_arrives_over_rtsp() {
    let folder = tempfile::tempdir().unwrap();
    for (user, password) in LOGINS {
        for method in ["basic", "digest"] {
            println!("{method}: {user} {password}");
            let camera = TestCamera::start(&["--user", user, "--password", password, "--auth", method]);
            Watched::start(&keys(&camera.url("h264"), user, password, folder.path())).shows_the_room();
        }
    }
}

#[test]
fn every_character_of_a_login_arrives_over_http() {
    let folder = tempfile::tempdir().unwrap();
    for (user, password) in LOGINS {
        for method in ["basic", "digest"] {
            println!("{method}: {user} {password}");
            let login = ["--user", user, "--password", password, "--auth", method].map(OsStr::new);
            let camera = StrangeCamera::web(folder.path(), &login);
            let keys = keys(&camera.url("http", "video"), user, password, folder.path());
            Watched::start(&keys).frames(3, "pictures", |shot| shot.size == (160, 120));
        }
    }
}

#[test]
fn a_wrong_password_is_still_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let camera = TestCamera::start(&["--user", "guard", "--password", "50%off", "--auth", "digest"]);
    let reason = Watched::start(&keys(&camera.url("h264"), "guard", "50%25off", folder.path())).offline();
    assert!(reason.contains("user name or password is wrong") && !reason.contains("50%"), "{reason}");
}

#[test]
fn an_escaped_login_in_the_address_arrives_and_one_that_is_none_is_refused() {
    let camera = TestCamera::start(&["--user", "guard", "--password", "50%off/#", "--auth", "basic"]);
    Watched::of(&camera.url_as("rtsp", "guard:50%25off%2f%23@", "h264")).shows_the_room();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("spotter.toml");
    fs::write(&config, "[[camera]]\nname = \"ramp\"\nsource = \"rtsp://guard:50%off@192.0.2.1/s\"\n")
        .unwrap();
    let ended = spotter(["check".as_ref(), "--config".as_ref(), config.as_os_str()]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("%25") && !ended.stderr.contains("50%off"), "{}", ended.stderr);
}

#[test]
fn check_names_a_password_file_with_what_nobody_sees() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("spotter.toml");
    for (bytes, said) in [
        (&b"\xef\xbb\xbfwetter\n"[..], "byte order mark"),
        (b"wetter \n", "blank"),
        (b"wetter\t\r\n", "blank"),
        (b" wetter", "blank"),
        (b"wetter\nsonne\n", "second line"),
        (b"wetter\r\nsonne", "second line"),
        (b"wetter\n\n", "empty lines"),
        (b"", "holds no password"),
        (b"\n", "holds no password"),
        (b" \r\n", "holds no password"),
        (b"\xff\xfew\0e\0", "not UTF-8"),
        (b"w\xe4tter", "not UTF-8"),
    ] {
        for section in ["[mqtt]", "[[camera]]\nname = \"ramp\"\nsource = \"rtsp://192.0.2.1/s\""] {
            let other = if section == "[mqtt]" {
                "[[camera]]\nname = \"a\"\nsource = \"rtsp://192.0.2.1/s\""
            } else {
                ""
            };
            fs::write(folder.path().join("the-password"), bytes).unwrap();
            let keys = "username = \"guard\"\npassword_file = \"the-password\"";
            fs::write(&config, format!("{section}\n{keys}\n{other}\n")).unwrap();
            let told = spotter::config::Config::load(&config).unwrap_err().to_string();
            let named = told.contains(&folder.path().join("the-password").display().to_string());
            assert!(told.contains(said) && named, "{bytes:?}: {told}");
            assert!(!told.contains("wetter") && !told.contains("sonne"), "{bytes:?}: {told}");
        }
    }
    // The program prints what the library finds.
    let ended = spotter(["check".as_ref(), "--config".as_ref(), config.as_os_str()]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    assert!(ended.stderr.contains("the-password") && ended.stderr.contains("not UTF-8"), "{}", ended.stderr);
}
