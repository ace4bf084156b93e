//! Keeps passwords out of what people read: of addresses, and of other people's messages that repeat them.
//!
//! Called by [`super::Source`]. What is hidden becomes `***`.

mod path;
mod properties;
#[cfg(test)]
mod tests;

use url::Url;

use properties::{of_properties, secret_values, without_escapes};

/// Passwords shorter than this are hidden only where they stand alone: replaced everywhere, a password of one letter would
/// leave no word as it was.
const SHORTEST_WORD: usize = 4;

/// `url` as scheme, host, port and path; a login and a query leave a trace, a fragment does not.
pub(super) fn of_url(url: &Url) -> String {
    let mut bare = url.clone();
    bare.set_fragment(None);
    of_address(bare.as_str())
}

/// `text`, a message of somebody who was given `url`.
pub(super) fn of_message(text: &str, url: &Url) -> String {
    let mut text = of_addresses(text);
    let user = path::decoded(url.username());
    let mut logins = Vec::new();
    if let Some(password) = url.password() {
        for (user, password) in [(url.username(), password), (&*user, &*path::decoded(password))] {
            logins.push(format!("{user}:{password}@"));
        }
    }
    for user in [url.username(), &*user] {
        if !user.is_empty() {
            logins.extend([format!("{user}:@"), format!("{user}@")]);
        }
    }
    for login in logins {
        text = replace_word(&text, &login, "***@");
    }
    for word in words_of(url) {
        text = hide(&text, &word);
    }
    of_pairs(&text)
}

/// Whatever is secret of an address, as somebody might repeat it; the longest first.
fn words_of(url: &Url) -> Vec<String> {
    let mut words: Vec<String> = url.password().map(str::to_owned).into_iter().collect();
    if let Some(begin) = path::login(url.path()) {
        words.push(url.path()[begin..].to_owned());
        words.extend(path::words(url.path()));
    }
    for part in [url.query(), url.fragment()].into_iter().flatten() {
        words.push(part.to_owned());
        words.extend(path::words(part));
    }
    words.extend(words.iter().map(|word| path::decoded(word)).collect::<Vec<_>>());
    words.extend(words.iter().map(|word| super::address::escaped(word)).collect::<Vec<_>>());
    words.retain(|word| !word.is_empty());
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    words.dedup();
    words
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
    for address in addresses(fragment) {
        if let Ok(url) = Url::parse(address) {
            for word in words_of(&url).iter().filter(|word| word.len() >= SHORTEST_WORD) {
                text = text.replace(&**word, "***");
            }
        }
    }
    text
}

/// Hides login and query of every address in `text`.
fn of_addresses(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    for address in addresses(text) {
        let at = rest.find(address).expect("it was found there");
        shown.push_str(&rest[..at]);
        let said = address.trim_end_matches([':', ',', ';', '.', ')']);
        shown.push_str(&of_address(said));
        shown.push_str(&address[said.len()..]);
        rest = &rest[at + address.len()..];
    }
    shown + rest
}

/// The addresses in `text`, in order, each from its scheme on.
fn addresses(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find("://").map(|at| from + at) {
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let begin = text[from..at].rfind(|c| !is_scheme(c)).map_or(from, |before| {
            from + before + text[from + before..].chars().next().map_or(1, char::len_utf8)
        });
        let rest = &text[at + "://".len()..];
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>');
        from = at + "://".len() + rest.find(is_end).unwrap_or(rest.len());
        found.push(&text[begin..from]);
    }
    found
}

/// One address without its login, its query and what follows that.
fn of_address(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // An `@` behind the host may end a login that holds what ends a host, and then the host is a part of that.
    if path.contains('@') && path::named(path).is_none() {
        return format!("{scheme}://***");
    }
    let (login, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("***@", host));
    let (path, behind) = path.split_at(path.find(['?', '#']).unwrap_or(path.len()));
    let (path, hidden) = path.split_at(path::login(path).unwrap_or(path.len()));
    let hidden = if hidden.is_empty() { "" } else { "***" };
    let behind = behind.chars().next().map_or(String::new(), |mark| format!("{mark}***"));
    format!("{scheme}://{login}{host}{path}{hidden}{behind}")
}

/// Hides what names itself a login, wherever it stands: `password=secret` in a sentence.
fn of_pairs(text: &str) -> String {
    let is_space = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '(' | ')');
    let mut shown = String::new();
    for word in text.split_inclusive(is_space) {
        let said = word.trim_end_matches(|c| is_space(c) || matches!(c, ':' | ',' | ';' | '.'));
        match path::named(said).filter(|begin| !said[*begin..].starts_with("***")) {
            Some(begin) => shown.extend([&said[..begin], "***", &word[said.len()..]]),
            None => shown.push_str(word),
        }
    }
    shown
}

/// Replaces `word`; a short one only where it stands alone.
fn hide(text: &str, word: &str) -> String {
    if word.len() >= SHORTEST_WORD {
        return text.replace(word, "***");
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        shown.push_str(before);
        let goes_on = shown.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        shown.push_str(if goes_on { word } else { "***" });
        rest = after;
    }
    shown + rest
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
