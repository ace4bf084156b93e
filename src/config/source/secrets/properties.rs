//! Properties of a pipeline's elements that hold a secret, by their names.

use std::ops::Range;

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

/// Hides the values of properties that hold a secret: `user-pw=secret`, `password = "a secret"`.
pub(super) fn of_properties(text: &str) -> String {
    let mut shown = String::new();
    let mut from = 0;
    for (_, value) in secret_values(text) {
        shown.extend([&text[from..value.start], "***"]);
        from = value.end;
    }
    shown + &text[from..]
}

/// The properties in `text` that hold a secret, in order: their names, and where their values stand, without quotes.
pub(super) fn secret_values(text: &str) -> Vec<(&str, Range<usize>)> {
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
pub(super) fn without_escapes(text: &str) -> String {
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
