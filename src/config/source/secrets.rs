//! Keeps passwords out of what people read: of addresses, and of other people's messages that repeat them.
//!
//! Called by [`super::Source`]. What is hidden becomes `***`.

use std::ops::Range;

use url::{Url, form_urlencoded};

/// Passwords shorter than this are hidden only where they stand in an address: replaced everywhere, a password of one
/// letter would leave no word as it was.
const SHORTEST_WORD: usize = 4;

/// Last parts of the names of properties that hold a login.
const LOGIN_PROPERTIES: [&str; 4] = ["-pw", "password", "passwd", "user-id"];

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
    for (name, value) in logins(fragment) {
        let value = &fragment[value];
        if !name.ends_with("user-id") && value.len() >= SHORTEST_WORD {
            text = text.replace(value, "***");
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

/// Hides the values of properties that hold a login: `user-pw=secret`, `password = "a secret"`.
fn of_properties(text: &str) -> String {
    let mut shown = String::new();
    let mut from = 0;
    for (_, value) in logins(text) {
        shown.extend([&text[from..value.start], "***"]);
        from = value.end;
    }
    shown + &text[from..]
}

/// The properties in `text` that hold a login, in order: their names, and where their values stand, without quotes.
fn logins(text: &str) -> Vec<(&str, Range<usize>)> {
    let mut logins = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('=').map(|at| from + at) {
        let name = text[from..at].trim_end();
        let name = &name[name.rfind(|c: char| c.is_whitespace() || c == '"').map_or(0, |at| at + 1)..];
        let value = text[at + 1..].trim_start();
        let start = text.len() - value.len();
        from = at + 1;
        if !LOGIN_PROPERTIES.iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let (start, length) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => (start + 1, value[1..].find(quote).unwrap_or(value.len() - 1)),
            _ => (start, value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        from = start + length;
        if length > 0 {
            logins.push((name, start..from));
        }
    }
    logins
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
            ("videotestsrc pattern=ball", "no property \"ball\"", "no property \"ball\""),
        ] {
            assert_eq!(of_pipeline(message, fragment), shown);
        }
    }
}
