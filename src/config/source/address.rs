//! What is wrong with the text of a source before anything connects, in words that say what to write instead.
//!
//! Called by [`super::Source::parse`]. No message repeats the text, which may hold a password.

use std::borrow::Cow;

use super::BadSource;

/// Schemes that this program speaks itself.
const SPOKEN: [&str; 7] = ["rtsp", "rtsps", "http", "https", "file", "libcamera", "genicam"];
/// Last parts of names of hosts, by which a text without a scheme is told from a file in a folder.
const HOST_ENDS: [&str; 11] =
    ["local", "localdomain", "lan", "home", "internal", "arpa", "com", "net", "org", "box", "localhost"];

/// What stands in the place of a host in manuals, beside names with `_`.
const BLANK_HOSTS: [&str; 5] = ["IP", "HOST", "HOSTNAME", "ADDRESS", "IPADDRESS"];

/// Whatever is wrong with `text` that its parser would not say, or not so that it helps.
pub(super) fn check(text: &str) -> Result<(), BadSource> {
    filled_in(text)?;
    let Some((scheme, rest)) = text.split_once("://") else {
        return if lacks_scheme(text) { Err(BadSource::NoScheme) } else { Ok(()) };
    };
    if !["rtsp", "rtsps", "http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    // Where the parser of addresses ends the host; `\` is a `/` for it in those of the web.
    let ends = if scheme.to_ascii_lowercase().starts_with("http") {
        &['/', '?', '#', '\\'][..]
    } else {
        &['/', '?', '#']
    };
    let (authority, path) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
    // The parser of addresses takes the first part of the path for the host of a web address that has none.
    if authority.is_empty() {
        return Err(BadSource::BadUrl("the host is missing".to_owned()));
    }
    match authority.rsplit_once('@') {
        None if path.contains('@') => Err(BadSource::StrayAt),
        Some((login, _)) if !is_escaped(login) => Err(BadSource::BadEscape),
        _ => Ok(()),
    }
}

/// Whether nothing of a template is left in `text`.
pub(super) fn filled_in(text: &str) -> Result<(), BadSource> {
    placeholder(text).map_or(Ok(()), |left| Err(BadSource::Placeholder(left)))
}

/// What to do about an address whose scheme nothing here speaks.
pub(super) fn instead_of(scheme: &str) -> Cow<'static, str> {
    let known = match scheme {
        "rtspt" | "rtsph" | "rtspst" | "rtspsh" => {
            "write rtsp:// or rtsps://; transport = \"tcp\" is the default"
        }
        "rtspu" | "rtspsu" => "write rtsp:// or rtsps://, and transport = \"udp\"",
        "rtmp" | "rtmps" | "rtmpt" => {
            "give `pipeline = 'rtmp2src location=ADDRESS'` instead, or the camera's rtsp:// address"
        }
        "srt" => "give `pipeline = 'srtsrc uri=ADDRESS'` instead",
        "udp" => "give `pipeline = 'udpsrc uri=ADDRESS'` instead, for an MPEG transport stream",
        "rtp" => "give `pipeline = 'rtpsrc uri=ADDRESS'` instead",
        "rist" => "give `pipeline = 'ristsrc uri=ADDRESS'` instead",
        "tcp" => "give `pipeline = 'tcpclientsrc host=HOST port=PORT'` instead",
        "onvif" | "onvif-http" | "onvif-https" => {
            "ask the camera for its stream's address, which begins with rtsp://, for instance with `spotter discover`"
        }
        "hls" | "hlss" | "mjpeg" | "mjpg" | "httpx" | "httpsx" => {
            "write http:// or https://; what comes is found out by itself"
        }
        "v4l2" | "v4l" | "device" | "dev" | "webcam" | "usb" => "write the device alone, such as /dev/video0",
        "ws" | "wss" | "webrtc" | "whep" | "whip" | "homekit" => {
            "cameras and media servers with it have an rtsp:// address too"
        }
        "ftp" | "ftps" | "sftp" | "smb" | "nfs" => "mount it, and write the path of the file",
        _ => match SPOKEN.into_iter().find(|spoken| is_slip(scheme, spoken)) {
            Some(meant) if SPOKEN[..5].contains(&meant) => return format!("did you mean {meant}://?").into(),
            Some(meant) => return format!("did you mean {meant}:?").into(),
            None => "or give a `pipeline`",
        },
    };
    known.into()
}

/// Whether `text` is `word` with one letter too many, too few or wrong, or with two neighbours exchanged.
fn is_slip(text: &str, word: &str) -> bool {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    let same = text.iter().zip(word).take_while(|(a, b)| a == b).count();
    let (text, word) = (&text[same..], &word[same..]);
    match (text, word) {
        ([a, b, text @ ..], [c, d, word @ ..]) if (a, b) == (d, c) && text == word => true,
        ([_, text @ ..], [_, word @ ..]) if text == word => true,
        ([_, text @ ..], word) if text == word => true,
        (text, [_, word @ ..]) => text == word,
        _ => false,
    }
}

/// Whether a text without `://` is an address whose scheme somebody has left out or mistyped, and no file.
fn lacks_scheme(text: &str) -> bool {
    let lower = text.trim_start().to_ascii_lowercase();
    let of_scheme =
        |scheme: &&str| lower.strip_prefix(*scheme).is_some_and(|rest| rest.starts_with([':', '/']));
    // `rtsp:/host`, `rtsp:host` and `rtsp//host`; a folder may be called rtsp, and libcamera has a colon only.
    let half = SPOKEN[..4].iter().find(|scheme| of_scheme(scheme)).is_some_and(|scheme| {
        let rest = &lower[scheme.len()..];
        rest.starts_with(':') || rest.starts_with("//")
    });
    if half {
        return true;
    }
    let lower = lower.strip_prefix("//").unwrap_or(&lower);
    let (authority, _) = lower.split_at(lower.find(['/', '?', '#']).unwrap_or(lower.len()));
    let (login, host) =
        authority.rsplit_once('@').map_or((None, authority), |(login, host)| (Some(login), host));
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()) =>
        {
            (name, true)
        }
        _ => (host, false),
    };
    let is_name =
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    // Without its port an address of IPv6 stands in brackets.
    let is_ip = host.parse::<std::net::Ipv4Addr>().is_ok() || host.starts_with('[') && host.ends_with(']');
    let ends_as_host =
        host.rsplit_once('.').is_some_and(|(name, end)| !name.is_empty() && HOST_ENDS.contains(&end));
    // A file may end in `.com`, and be in no folder.
    let leads_on = lower.len() > authority.len();
    let is_script = lower.split(['?', '#']).next().is_some_and(ends_as_script) && !host.starts_with('.');
    is_ip
        || is_name && port
        || is_name && (ends_as_host || is_script || host.starts_with("www.")) && leads_on
        || login.is_some_and(|login| login.contains(':')) && is_name
        // The password holds a `/`, so that what looks like a folder is a login's begin.
        || authority.contains(':') && lower[authority.len()..].contains('@')
}

/// Whether a path is one of programs of web servers, which no video is called.
fn ends_as_script(path: &str) -> bool {
    [".cgi", ".asp", ".php"].iter().any(|end| path.ends_with(end))
}

/// A variable or a blank of a template that nobody has filled in.
fn placeholder(text: &str) -> Option<&'static str> {
    let name = |text: &str, end: &str| {
        let name = text.split_once(end).map_or("", |(name, _)| name).trim();
        let name = name.split([':', '-', '|']).next().unwrap_or_default().trim_end();
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
    };
    for (begin, end, shown) in [("${", "}", "${…}"), ("$(", ")", "$(…)"), ("{{", "}}", "{{…}}")] {
        if text.match_indices(begin).any(|(at, _)| name(&text[at + begin.len()..], end)) {
            return Some(shown);
        }
    }
    let (_, rest) = text.split_once("://")?;
    let (authority, _) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let parts = || authority.split(['@', ':']);
    // `rtsp://<user>:<password>@<address>/`: none of these can be in a host.
    if parts().any(|part| part.len() > 2 && part.starts_with('<') && part.ends_with('>')) {
        return Some("<…>");
    }
    // `rtsp://{user}:{password}@{host}/`.
    if parts().any(|part| part.strip_prefix('{').is_some_and(|rest| name(rest, "}") && rest.ends_with('}'))) {
        return Some("{…}");
    }
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if is_blank_host(host.split(':').next().unwrap_or_default()) {
        return Some("a host that stands for another, such as IP_ADDRESS or 192.168.x.x");
    }
    let is_variable = |part: &str| {
        part.strip_prefix('$').is_some_and(|name| {
            name.starts_with(|c: char| c.is_ascii_uppercase())
                && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
    };
    parts().any(is_variable).then_some("$…")
}

/// Whether a host stands for one that somebody was to write there. A name of a host has no `_` (RFC 952); some local networks
/// have such names all the same, but not in capitals.
fn is_blank_host(host: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    let has_capital = host.contains(|c: char| c.is_ascii_uppercase());
    if has_capital
        && host.contains('_')
        && host.chars().all(|c| is_capital(c) || matches!(c, '_' | '-' | '.'))
    {
        return true;
    }
    let is_x = |label: &str| !label.is_empty() && label.chars().all(|c| matches!(c, 'x' | 'X'));
    let is_number = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_digit());
    let labels: Vec<&str> = host.split('.').collect();
    let is_address = labels.len() == 4 && labels.iter().all(|label| is_x(label) || is_number(label));
    BLANK_HOSTS.contains(&host) || is_address && labels.into_iter().any(is_x)
}

/// A user name or a password as it stands in an address: all but letters, digits and `-._~` as percent and two digits.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte))
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Whether every `%` begins an escape of a character other than NUL.
fn is_escaped(text: &str) -> bool {
    text.match_indices('%').all(|(at, _)| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_that_ends_no_login_is_refused() {
        for (text, expected) in [
            ("rtsp://admin:12/secret@host/s", Err(BadSource::StrayAt)),
            ("rtsp://admin:12?secret@host/s", Err(BadSource::StrayAt)),
            ("rtsp://admin:12#secret@host/s", Err(BadSource::StrayAt)),
            ("rtsps://admin:pass/word@host/s", Err(BadSource::StrayAt)),
            ("RTSP://admin/x@host", Err(BadSource::StrayAt)),
            ("http://admin:12\\secret@host/s", Err(BadSource::StrayAt)),
            ("http://cam/snap?mail=a@b", Err(BadSource::StrayAt)),
            ("rtsp://me@cam/a@b", Ok(())),
            ("rtsp://me:pw@cam/s1", Ok(())),
            ("rtsp://cam/a%40b", Ok(())),
            ("/srv/a@b.avi", Ok(())),
            ("file:///srv/a@b.avi", Ok(())),
        ] {
            assert_eq!(check(text), expected, "{text}");
        }
    }

    #[test]
    fn a_percent_in_a_login_begins_an_escape() {
        for (login, is_right) in [
            ("a:50%25off", true),
            ("a:%2F%3f", true),
            ("a:50%off", false),
            ("a:100%", false),
            ("a%:b", false),
            ("a:b%2", false),
            ("a:b%00", false),
        ] {
            let expected = if is_right { Ok(()) } else { Err(BadSource::BadEscape) };
            assert_eq!(check(&format!("rtsp://{login}@cam/50%off")), expected, "{login}");
        }
    }

    #[test]
    fn addresses_without_a_scheme_are_no_files() {
        for text in [
            "192.168.1.10:554/stream1",
            "192.168.1.10/stream1",
            "192.168.1.10",
            "//192.168.1.10/stream1",
            "admin:pw@192.168.1.10:554/stream1",
            "admin:pw@cam/stream1",
            "admin:12/34@192.168.1.10/stream1",
            "admin@192.168.1.10/s",
            "camera.lan/stream1",
            "cam-1.local:8554/live?x=1",
            "cam:8554",
            "localhost:8554/cam",
            "[fe80::1]:554/s",
            "[::1]/s",
            "rtsp:/192.168.1.10/s",
            "rtsp:192.168.1.10/s",
            "rtsp//192.168.1.10/s",
            "HTTP:/cam/x",
            "http:cam",
            "www.cam.example/video.mjpg",
            "camera1/axis-cgi/mjpg/video.cgi?resolution=320x240",
        ] {
            assert_eq!(check(text), Err(BadSource::NoScheme), "{text}");
        }
        for text in [
            "clip.avi",
            "/srv/a b.mp4",
            "./192.168.1.10/clip.avi",
            "clips/a@b.avi",
            "a@b.avi",
            "rtsp/clip.avi",
            "clip-10:30.avi",
            "/dev/video0",
            "2026.11.29/clip.avi",
            "video.com",
            "my.folder/clip.avi",
            "../cam.local/x",
            "/srv/12:30:00.mkv",
            "clip 10:30",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn a_web_address_without_a_host_is_none() {
        for text in ["http:///x", "https:///x/y", "rtsp:///x", "http://?x", "http://\\x"] {
            assert!(matches!(check(text), Err(BadSource::BadUrl(_))), "{text}");
        }
        assert_eq!(check("file:///x"), Ok(()));
    }

    #[test]
    fn a_slip_in_a_scheme_is_told_as_one() {
        for (scheme, meant) in [
            ("htttp", "http://"),
            ("htp", "http://"),
            ("hhtps", "https://"),
            ("rtps", "rtsp://"),
            ("rstp", "rtsp://"),
            ("rtsb", "rtsp://"),
            ("rtspx", "rtsp://"),
            ("rtpss", "rtsps://"),
            ("fil", "file://"),
            ("genican", "genicam:"),
        ] {
            assert_eq!(instead_of(scheme), format!("did you mean {meant}?"), "{scheme}");
        }
        for scheme in ["xyz", "x", "gopher", "ssh"] {
            assert_eq!(instead_of(scheme), "or give a `pipeline`", "{scheme}");
        }
        assert_eq!(instead_of("rtp"), "give `pipeline = 'rtpsrc uri=ADDRESS'` instead");
    }

    /// What is said of a host that stands for another.
    const BLANK: &str = "a host that stands for another, such as IP_ADDRESS or 192.168.x.x";

    #[test]
    fn what_a_template_has_left_is_named() {
        for (text, expected) in [
            ("rtsp://${CAM_USER}:${CAM_PASSWORD}@192.168.1.10/s", Some("${…}")),
            ("rtsp://me:${PW:-none}@cam/s", Some("${…}")),
            ("${CAMERA_URL}", Some("${…}")),
            ("${HOME}/clip.avi", Some("${…}")),
            ("rtsp://me:$(PASSWORD)@cam/s", Some("$(…)")),
            ("rtsp://me:{{ password }}@cam/s", Some("{{…}}")),
            ("rtsp://{{secrets.cam}}/s", Some("{{…}}")),
            ("rtsp://<user>:<password>@<ip>/s", Some("<…>")),
            ("rtsp://$USER:$PASS_1@cam/s", Some("$…")),
            ("rtsp://$CAM_HOST:554/s", Some("$…")),
            ("rtsp://{user}:{password}@192.0.2.4/s", Some("{…}")),
            ("rtsp://me:pw@{ host }:554/s", Some("{…}")),
            ("rtsp://IP_ADDRESS/s", Some(BLANK)),
            ("rtsp://me:pw@YOUR_CAMERA_IP:554/s", Some(BLANK)),
            ("rtsp://IP:554/s", Some(BLANK)),
            ("http://192.168.1.x/s", Some(BLANK)),
            ("http://XXX.XXX.XXX.XXX/s", Some(BLANK)),
            ("rtsp://CAM1/s", None),
            ("rtsp://front_door:554/s", None),
            ("rtsp://[fe80::1]/s", None),
            ("rtsp://10.0.0.4/IP_ADDRESS", None),
            ("rtsp://MY_USER:pw@cam/s", None),
            ("rtsp://me:{}@cam/s", None),
            ("rtsp://me:pa$word@cam/s", None),
            ("rtsp://me:$ecret@cam/s", None),
            ("rtsp://me:a{b}c@cam/s", None),
            ("rtsp://me:${@cam/s}", None),
            ("rtsp://cam/{1}", None),
        ] {
            assert_eq!(placeholder(text), expected, "{text}");
        }
    }
}
