//! Keeps passwords out of what people read: of addresses, and of other people's messages that repeat them.
//!
//! Called by [`super::Source`]. What is hidden becomes `***`.

use std::ops::Range;

use url::{Url, form_urlencoded};

/// Passwords shorter than this are hidden only where they stand in an address: replaced everywhere, a password of one
/// letter would leave no word as it was.
const SHORTEST_WORD: usize = 4;

/// Last parts of the names of properties that hold a login or another secret, in small letters and with `-` for `_`.
const SECRET_ENDS: [&str; 17] = [
    "-pw",
    "-pass",
    "password",
    "passwd",
    "passphrase",
    "user-id",
    "token",
    "secret",
    "credential",
    "credentials",
    "authorization",
    "cookie",
    "cookies",
    // Of HTTP: `Authorization` is one of them.
    "headers",
    // Of SRT: servers read user and password from it.
    "streamid",
    "-key",
    "apikey",
];
/// Whole names that end like others.
const SECRET_NAMES: [&str; 4] = ["pw", "pass", "key", "pem"];

/// `url` as scheme, host, port and path; a login and a query leave a trace, a fragment does not.
pub(super) fn of_url(url: &Url) -> String {
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    let has_login = !url.username().is_empty() || url.password().is_some();
    let cleared = bare.set_username("").and_then(|()| bare.set_password(None));
    let mut shown = match cleared {
        Ok(()) if has_login => bare.as_str().replacen("://", "://***@", 1),
        Ok(()) => bare.into(),
        Err(()) => return format!("{}://***", url.scheme()),
    };
    if url.query().is_some() {
        shown.push_str("?***");
    }
    shown
}

/// `text`, a message of somebody who was given `url`.
pub(super) fn of_message(text: &str, url: &Url) -> String {
    let mut text = text.replace(url.as_str(), &of_url(url));
    if let Some(query) = url.query().filter(|query| query.len() >= SHORTEST_WORD) {
        text = text.replace(query, "***");
    }
    for decode in [str::to_owned, decoded] {
        let user = decode(url.username());
        if let Some(password) = url.password().map(decode) {
            text = replace_word(&text, &format!("{user}:{password}@"), "***@");
            if password.len() >= SHORTEST_WORD {
                text = text.replace(&password, "***");
            }
        }
        if !user.is_empty() {
            text = replace_word(&text, &format!("{user}@"), "***@");
        }
    }
    of_addresses(&text)
}

/// `text`, a fragment of a pipeline or a message of GStreamer about it.
pub(super) fn of_pipeline(text: &str, fragment: &str) -> String {
    let mut text = of_properties(&of_addresses(text));
    for (name, value) in secret_values(fragment) {
        if name.ends_with("user-id") {
            continue;
        }
        // A message may show the value as it was understood, or the login within it alone.
        let understood = without_escapes(&fragment[value.clone()]);
        let within = secret_values(&understood).into_iter().map(|(_, value)| &understood[value]);
        for word in [&fragment[value], &*understood].into_iter().chain(within) {
            if word.len() >= SHORTEST_WORD {
                text = text.replace(word, "***");
            }
        }
    }
    text
}

/// Hides login and query of every address in `text`.
fn of_addresses(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
        let (address, after) = address.split_at(address.find(is_end).unwrap_or(address.len()));
        let (authority, path) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => shown.extend(["***@", host]),
            None => shown.push_str(authority),
        }
        match path.split_once('?') {
            Some((path, query)) => {
                let said = query.trim_end_matches([':', ',', ';', '.', ')']);
                shown.extend([path, "?***", &query[said.len()..]]);
            }
            None => shown.push_str(path),
        }
        rest = after;
    }
    shown + rest
}

/// Hides the values of properties that hold a secret: `user-pw=secret`, `password = "a secret"`.
fn of_properties(text: &str) -> String {
    let mut shown = String::new();
    let mut from = 0;
    for (_, value) in secret_values(text) {
        shown.extend([&text[from..value.start], "***"]);
        from = value.end;
    }
    shown + &text[from..]
}

/// The properties in `text` that hold a secret, in order: their names, and where their values stand, without quotes.
fn secret_values(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('=').map(|at| from + at) {
        let name = text[from..at].trim_end();
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let name = name.rsplit(|c| !is_part(c)).next().unwrap_or(name);
        from = at + 1;
        if !is_secret(name) {
            continue;
        }
        let rest = text[from..].trim_start();
        let value = within_quotes(rest);
        let begin = text.len() - rest.len();
        from = begin + value.end;
        if !value.is_empty() {
            found.push((name, begin + value.start..from));
        }
    }
    found
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_NAMES.contains(&&*name) || SECRET_ENDS.iter().any(|end| name.ends_with(end))
}

/// Where the value that `text` begins with stands: within its quotes, or up to the next space that is in none. As
/// GStreamer reads it, `\` takes the meaning from what follows; a quote after `\` holds together all the same, because
/// it is one of a text within a text.
fn within_quotes(text: &str) -> Range<usize> {
    let start = usize::from(text.starts_with(['"', '\'']));
    let mut open: Option<(bool, char)> = None;
    let mut escaped = false;
    let mut before = '=';
    for (at, c) in text.char_indices() {
        let quote = (escaped, c);
        escaped = c == '\\' && !escaped;
        match open {
            Some(begun) if begun == quote && start == 1 => return start..at,
            Some(begun) if begun == quote => open = None,
            Some(_) => {}
            // An apostrophe in a word opens nothing, nor does a quote after another's end.
            None if matches!(c, '"' | '\'') && !before.is_alphanumeric() && !matches!(before, '"' | '\'') => {
                open = Some(quote);
            }
            None if c.is_whitespace() && !quote.0 => return start..at,
            None => {}
        }
        before = c;
    }
    start..text.len()
}

/// `text` as GStreamer understands it.
fn without_escapes(text: &str) -> String {
    let mut understood = String::new();
    let mut escaped = false;
    for c in text.chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            understood.push(c);
        }
    }
    understood
}

/// Replaces `word` where no letter or digit stands before it.
fn replace_word(text: &str, word: &str, by: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        shown.push_str(&rest[..at]);
        let goes_on = shown.chars().next_back().is_some_and(char::is_alphanumeric);
        shown.push_str(if goes_on { word } else { by });
        rest = &rest[at + word.len()..];
    }
    shown + rest
}

/// A user name or a password without its percent signs.
fn decoded(part: &str) -> String {
    // A form's other special characters stand for themselves here.
    let form = part.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(form.as_bytes()).next().map(|(text, _)| text.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_show_neither_login_nor_query() {
        for (url, shown) in [
            ("rtsp://cam:554/s1", "rtsp://cam:554/s1"),
            ("rtsp://admin:s3cret@cam/s1", "rtsp://***@cam/s1"),
            ("rtsp://admin@cam:8554/s1", "rtsp://***@cam:8554/s1"),
            ("rtsp://:s3cret@cam/s1", "rtsp://***@cam/s1"),
            ("http://cam/cgi?user=admin&pwd=s3cret", "http://cam/cgi?***"),
            ("http://a:b@[::1]:80/cgi?pwd=s3cret#s3cret", "http://***@[::1]/cgi?***"),
            ("http://cam/mjpeg#s3cret", "http://cam/mjpeg"),
        ] {
            assert_eq!(of_url(&Url::parse(url).unwrap()), shown);
        }
    }

    #[test]
    fn messages_keep_their_words_and_lose_the_login() {
        let camera = "rtsp://admin:s3cret@cam/s1";
        for (url, message, shown) in [
            (camera, "cannot open rtsp://admin:s3cret@cam/s1", "cannot open rtsp://***@cam/s1"),
            (camera, "admin:s3cret@cam says no", "***@cam says no"),
            (camera, "wrong password s3cret", "wrong password ***"),
            (camera, "admin@cam says no to an admin", "***@cam says no to an admin"),
            ("rtsp://a@cam/s1", "for reading, data@home, a@cam", "for reading, data@home, ***@cam"),
            ("rtsp://a:b@cam/s1", "a bad cable: a:b@cam", "a bad cable: ***@cam"),
            ("rtsp://me:p%40ss%2Bword@cam/", "me:p@ss+word@cam, p@ss+word", "***@cam, ***"),
            ("rtsp://me:p%40ss%2Bword@cam/", "p%40ss%2Bword", "***"),
            ("http://cam/cgi?pwd=s3cret", "GET /cgi?pwd=s3cret: 404", "GET /cgi?***: 404"),
            ("http://cam/cgi?pwd=s3cret", "at http://cam/cgi?pwd=s3cret: 404", "at http://cam/cgi?***: 404"),
            (camera, "moved to rtsp://other:login@cam2/s1", "moved to rtsp://***@cam2/s1"),
        ] {
            assert_eq!(of_message(message, &Url::parse(url).unwrap()), shown, "{url}");
        }
    }

    #[test]
    fn pipelines_lose_logins_and_passwords() {
        for (fragment, message, shown) in [
            (
                "rtspsrc location=rtsp://me:pw@cam/1 ! x",
                "rtspsrc location=rtsp://me:pw@cam/1 ! x",
                "rtspsrc location=rtsp://***@cam/1 ! x",
            ),
            (
                "rtspsrc user-id=me user-pw=\"a secret\" location=\"rtsp://cam/1?t=1\" latency=3",
                "rtspsrc user-id=me user-pw=\"a secret\" location=\"rtsp://cam/1?t=1\" latency=3",
                "rtspsrc user-id=*** user-pw=\"***\" location=\"rtsp://cam/1?***\" latency=3",
            ),
            ("x proxy-pw = s3cret", "could not set it to \"s3cret\"", "could not set it to \"***\""),
            ("x user-pw=\"a-pw=b c\" y=1", "x user-pw=\"a-pw=b c\" y=1", "x user-pw=\"***\" y=1"),
            ("x user-pw=", "x user-pw=", "x user-pw="),
            ("x user-pw=\"", "x user-pw=\"", "x user-pw=\""),
            (
                "x password=s3 passwd='s4'",
                "x password=s3 passwd='s4' in x",
                "x password=*** passwd='***' in x",
            ),
            (
                "srtsrc uri=srt://cam:9 passphrase=s3cret-pw streamid=read:cam:me:pw latency=3",
                "srtsrc uri=srt://cam:9 passphrase=s3cret-pw streamid=read:cam:me:pw: s3cret-pw",
                "srtsrc uri=srt://cam:9 passphrase=*** streamid=*** ***",
            ),
            ("x cookies=sid=s3cret y=1", "x cookies=sid=s3cret y=1: sid=s3cret", "x cookies=*** y=1: ***"),
            ("x cookies=\"<a=1 b>\" y=1", "x cookies=\"<a=1 b>\" y=1", "x cookies=\"***\" y=1"),
            (
                "souphttpsrc extra-headers=\"h,Authorization=\\\"Bearer s3 cret\\\",a=1\" location=http://cam/",
                "souphttpsrc extra-headers=\"h,Authorization=\\\"Bearer s3 cret\\\",a=1\" location=http://cam/",
                "souphttpsrc extra-headers=\"***\" location=http://cam/",
            ),
            (
                "x extra-headers=\"h,Authorization=\\\"Bearer s3 cret\\\"\"",
                "no h,Authorization=\"Bearer s3 cret\"; says Bearer s3 cret",
                "no h,Authorization=\"***\"; says ***",
            ),
            // As somebody might write it: GStreamer refuses it, and says so with all of it.
            (
                "x extra-headers=h,Authorization=\"Bearer s3 cret\" y=1",
                "x extra-headers=h,Authorization=\"Bearer s3 cret\" y=1",
                "x extra-headers=*** y=1",
            ),
            (
                "x options='a,authorization=(string)\"Basic s3 cret\"' y=1",
                "x options='a,authorization=(string)\"Basic s3 cret\"' y=1",
                "x options='a,authorization=*** y=1",
            ),
            ("x access-token=s3 c=1", "x access-token=s3 c=1", "x access-token=*** c=1"),
            ("x Client_Secret='s3 cr' c=1", "x Client_Secret='s3 cr' c=1", "x Client_Secret='***' c=1"),
            ("x user_pw=s3\\ cret c=1", "x user_pw=s3\\ cret c=1: s3 cret", "x user_pw=*** c=1: ***"),
            ("x source::api-key=s3 c=1", "x source::api-key=s3 c=1", "x source::api-key=*** c=1"),
            ("aesdec key=0123 iv=4567", "aesdec key=0123 iv=4567", "aesdec key=*** iv=4567"),
            ("x password=it's c=it's", "x password=it's c=it's", "x password=*** c=***"),
            ("x tokens=1 key-unit=2 headers-only=3", "x tokens=1 key-unit=2", "x tokens=1 key-unit=2"),
            ("videotestsrc pattern=ball", "no property \"ball\"", "no property \"ball\""),
        ] {
            assert_eq!(of_pipeline(message, fragment), shown);
        }
    }
}
