//! Logins that cameras take anywhere else than before the host of their address: in its path, as `/user=admin&password=x`
//! and its kin, in its query and behind it, escaped or not.

/// How often what was escaped is escaped again, at most.
const LAYERS: usize = 3;

/// Names of what makes a login, in small letters; the last part of a name suffices, as in `stream_password`.
const USERS: [&str; 13] = [
    "user", "usr", "username", "userid", "uid", "uname", "login", "loginuse", "account", "acct", "auth",
    "cred", "u",
];
const PASSWORDS: [&str; 56] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pass",
    "pwd",
    "pswd",
    "upwd",
    "pw",
    "psw",
    "pword",
    "psd",
    "loginpas",
    "usrpwd",
    "userpwd",
    "pin",
    "code",
    // In other languages.
    "passwort",
    "kennwort",
    "contraseña",
    "contrasena",
    "clave",
    "senha",
    "mdp",
    "motdepasse",
    "hasło",
    "haslo",
    "heslo",
    "wachtwoord",
    "token",
    "key",
    "apikey",
    "streamkey",
    "secret",
    "authorization",
    "authbasic",
    "basic",
    "bearer",
    "jwt",
    "ticket",
    "credential",
    "credentials",
    "session",
    "sessionid",
    "sid",
    "signature",
    "sig",
    "sign",
    "hash",
    "hmac",
    "md5",
    "digest",
    "nonce",
    "p",
    // The user's own name before the password.
    "admin",
    "root",
];

/// Names that a part of a path has when the next part is the password, as in `/user/admin/password/secret`: first those that
/// mean nothing else, then those of users.
const PARTS: [&[&str]; 2] = [
    &["password", "passwd", "pass", "pwd", "token", "secret", "auth", "key", "apikey", "basic"],
    &["admin", "root", "operator"],
];

/// What stands between names and values where there is no `=`, as in `/user_admin_password_secret`.
const MARKS: [char; 6] = ['_', '-', '.', ',', '&', ' '];

/// Where a value may end.
const ENDS: [char; 8] = ['&', ';', ',', '/', '?', '#', '_', '|'];
/// Of how many such places each is tried as the end of a password.
const MOST_ENDS: usize = 16;

/// A text of an address without its escapes, and where each character came from.
struct Plain {
    chars: Vec<(char, usize)>,
}

impl Plain {
    fn raw(text: &str) -> Self {
        Plain { chars: text.char_indices().map(|(at, c)| (c, at)).collect() }
    }

    fn of(text: &str) -> Self {
        let mut chars = Plain::raw(text).chars;
        for _ in 0..LAYERS {
            let before = chars.len();
            chars = unescaped(&chars);
            if chars.len() == before {
                break;
            }
        }
        Plain { chars }
    }

    fn text(&self, from: usize, to: usize) -> String {
        self.chars[from..to].iter().map(|(c, _)| c).collect()
    }

    /// Where the values of a login stand, and whether each is a password.
    fn values(&self) -> Vec<(usize, bool)> {
        let mut values = Vec::new();
        // A name from the last mark of any kind on, and from the last that is in no name.
        let (mut narrow, mut wide) = (0, 0);
        for (at, (c, _)) in self.chars.iter().enumerate() {
            if *c == '=' {
                let names = [self.text(narrow, at), self.text(wide, at).replace(['_', '-', '.'], "")];
                let names = names.map(|name| name.trim().to_ascii_lowercase());
                let is = |known: &[&str]| names.iter().any(|name| is_name(name, known));
                if is(&PASSWORDS) || is(&USERS) {
                    values.push((at + 1, is(&PASSWORDS)));
                }
            }
            if *c == '=' || *c == ':' || *c == '?' || *c != '_' && ENDS.contains(c) {
                (narrow, wide) = (at + 1, at + 1);
            } else if matches!(c, '_' | '-' | '.') {
                narrow = at + 1;
            }
        }
        values
    }

    /// Where the parts between slashes stand.
    fn parts(&self) -> Vec<(usize, usize)> {
        let ends = self.chars.iter().enumerate().filter(|(_, (c, _))| *c == '/').map(|(at, _)| at);
        let mut begin = 0;
        let parts = ends.chain([self.chars.len()]).map(|end| (std::mem::replace(&mut begin, end + 1), end));
        parts.collect()
    }

    /// Where the part begins that follows one with a password's name, and where the login does that it belongs to.
    fn named_part(&self) -> Option<(usize, usize)> {
        let parts = self.parts();
        let name = |(from, to): &(usize, usize)| self.text(*from, *to).to_ascii_lowercase();
        let place = |names: &&[&str]| parts.iter().position(|part| names.contains(&&*name(part)));
        let at = PARTS.iter().find_map(place)?;
        let (password, _) = *parts.get(at + 1)?;
        let user = parts[..at].iter().position(|part| USERS.contains(&&*name(part)));
        let begin = user.and_then(|user| parts.get(user + 1)).map_or(password, |(begin, _)| *begin);
        Some((password, begin))
    }

    /// The same within one part, whose names and values stand between marks: `user_admin_password_secret`, `admin,secret`.
    fn marked_part(&self) -> Option<(usize, usize)> {
        self.parts().into_iter().find_map(|(from, to)| {
            let marks = (from..to).filter(|at| MARKS.contains(&self.chars[*at].0));
            let mut begin = from;
            let words: Vec<(usize, String)> = marks
                .chain([to])
                .map(|end| {
                    let word = self.text(begin, end).to_ascii_lowercase();
                    (std::mem::replace(&mut begin, end + 1), word)
                })
                .collect();
            let behind = |at: usize| words.get(at + 1).map(|(begin, _)| *begin).filter(|begin| *begin < to);
            let user = words.iter().position(|(_, word)| USERS.contains(&word.as_str()));
            let named = user.and_then(|user| {
                let word = |(_, word): &(usize, String)| PASSWORDS.contains(&word.as_str());
                let last = words.len() - 1;
                let password = user + 1 + words.get(user + 1..last)?.iter().rposition(word)?;
                Some((behind(password)?, behind(user)?))
            });
            let is_user = words.first().is_some_and(|(_, word)| ["admin", "root"].contains(&word.as_str()));
            let mark = words.get(1).and_then(|(begin, _)| Some(self.chars.get(begin.checked_sub(1)?)?.0));
            let paired =
                || Some((behind(0)?, behind(0)?)).filter(|_| is_user && matches!(mark, Some('&' | ',')));
            named.or_else(paired)
        })
    }
}

/// One layer of escapes less. Bytes that make no text are left out, each as one strange character.
fn unescaped(chars: &[(char, usize)]) -> Vec<(char, usize)> {
    let digit = |at: usize| chars.get(at).and_then(|(c, _)| c.to_digit(16));
    let mut plain = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let mut bytes = Vec::new();
        let begin = at;
        while chars.get(at).is_some_and(|(c, _)| *c == '%')
            && let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2))
        {
            bytes.push((high * 16 + low) as u8);
            at += 3;
        }
        if bytes.is_empty() {
            plain.push(chars[at]);
            at += 1;
            continue;
        }
        let mut offset = begin;
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                plain.push((c, chars[offset].1));
                offset += 3 * c.len_utf8();
            }
            if !chunk.invalid().is_empty() {
                plain.push((char::REPLACEMENT_CHARACTER, chars[offset].1));
                offset += 3 * chunk.invalid().len();
            }
        }
    }
    plain
}

/// `text` without its escapes.
pub(super) fn decoded(text: &str) -> String {
    let plain = Plain::of(text);
    plain.text(0, plain.chars.len())
}

/// Where in `text`, a path, a login begins. All from there on is hidden: nobody can tell where a password ends that holds
/// `&`, `_` or `/`.
pub(super) fn login(text: &str) -> Option<usize> {
    let plain = Plain::of(text);
    let value = plain.values().first().map(|(at, _)| *at);
    let [named, marked] = [plain.named_part(), plain.marked_part()].map(|part| part.map(|(_, begin)| begin));
    // `…@host`: whatever stands before it is a login, or the rest of one; behind a name it is a part of a password.
    let stray =
        plain.chars.iter().position(|(c, _)| *c == '@').filter(|at| value.is_none_or(|value| *at < value));
    let stray = stray.map(|_| usize::from(plain.chars.first().is_some_and(|(c, _)| *c == '/')));
    // `user:password`, but not `rtsp://`, which an address within the address begins with.
    let pair = plain.parts().into_iter().find(|(from, to)| {
        let part = plain.text(*from, *to);
        part.find(':').is_some_and(|at| at > 0 && at + 1 < part.len())
    });
    let begins = [value, named, marked, stray, pair.map(|(from, _)| from)];
    begins.into_iter().flatten().min().and_then(|at| plain.chars.get(at)).map(|(_, offset)| *offset)
}

/// The same by its names alone: `password=secret`, in any text.
pub(super) fn named(text: &str) -> Option<usize> {
    let plain = Plain::of(text);
    let (at, _) = *plain.values().first()?;
    plain.chars.get(at).map(|(_, offset)| *offset)
}

/// The passwords in `text`, a path, a query or what follows one, as somebody may repeat them: with and without escapes, and
/// up to each character that may end them.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for plain in [Plain::raw(text), Plain::of(text)] {
        let parts = [plain.named_part(), plain.marked_part()];
        let named = parts.into_iter().flatten().map(|(password, _)| (password, true));
        for (from, _) in plain.values().into_iter().chain(named).filter(|(_, is_password)| *is_password) {
            let all = plain.chars.len();
            let ends = (from..all).filter(|at| ENDS.contains(&plain.chars[*at].0)).take(MOST_ENDS);
            words.extend(ends.chain([all]).map(|to| plain.text(from, to)));
        }
    }
    words
}

fn is_name(word: &str, names: &[&str]) -> bool {
    // `user1`, and `StreamPassword`.
    let bare = word.trim_end_matches(|c: char| c.is_ascii_digit());
    names.iter().any(|name| *name == word || *name == bare || name.len() > 3 && bare.ends_with(name))
}
