//! Why a server gives no result, in plain words.

use std::path::PathBuf;
use std::time::Duration;

/// How much of a server's words is kept, in characters.
const WORDS: usize = 300;

/// Why a server gives no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// There is no certificate authority to trust.
    #[error("no certificate authorities can be read from {}: {why}", path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The system gives no thread for the connections.
    #[error("the thread for connections to servers does not start: {why}")]
    Thread {
        /// What the system says.
        why: String,
    },
    /// Nobody can be reached at the address.
    #[error("{address}: no connection: {why}")]
    NoConnection {
        /// The server.
        address: String,
        /// What the system or TLS says.
        why: String,
    },
    /// The connection has ended before the answer.
    #[error("{address}: the connection was lost: {why}")]
    Lost {
        /// The server.
        address: String,
        /// How.
        why: String,
    },
    /// No answer has come in time.
    #[error("{address} gave no answer within {:.1} s", within.as_secs_f64())]
    Silent {
        /// The server.
        address: String,
        /// How long it was waited for.
        within: Duration,
    },
    /// The server is not ready, or has too much to do.
    #[error("{address} cannot answer now: {why}")]
    Busy {
        /// The server.
        address: String,
        /// What it says.
        why: String,
    },
    /// The server has no model of the name.
    #[error("{address} has no model `{model}`: {why}")]
    UnknownModel {
        /// The server.
        address: String,
        /// The model that was asked for.
        model: String,
        /// What it says.
        why: String,
    },
    /// The server does not take the request.
    #[error("{address} refuses the request: {why}")]
    Refused {
        /// The server.
        address: String,
        /// What it says.
        why: String,
    },
    /// The model, or the server itself, has failed.
    #[error("{address}: {what} failed there: {why}")]
    Failed {
        /// The server.
        address: String,
        /// Which.
        what: String,
        /// What it says.
        why: String,
    },
    /// The answer cannot be read.
    #[error("{address}: the answer is not one of the protocol: {why}")]
    Answer {
        /// The server.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// Several addresses were tried.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(
        /// Why not, in the order in which they were tried.
        Vec<RemoteError>,
    ),
}

impl RemoteError {
    /// Whether a server has answered at all, although not with what was asked for.
    pub fn is_reached(&self) -> bool {
        match self {
            RemoteError::Busy { .. }
            | RemoteError::UnknownModel { .. }
            | RemoteError::Failed { .. }
            | RemoteError::Refused { .. }
            | RemoteError::Answer { .. } => true,
            RemoteError::NoConnection { .. }
            | RemoteError::Lost { .. }
            | RemoteError::Silent { .. }
            | RemoteError::Thread { .. }
            | RemoteError::Authorities { .. } => false,
            RemoteError::Several(errors) => errors.iter().any(RemoteError::is_reached),
        }
    }

    /// The errors of one call as one.
    pub(super) fn all(mut errors: Vec<RemoteError>) -> Self {
        if errors.len() == 1 { errors.remove(0) } else { RemoteError::Several(errors) }
    }
}

/// What was asked about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked<'a> {
    Server,
    Model(&'a str),
}

/// A [`RemoteError`] of one address before it names that. Each text is why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    NoConnection(String),
    Lost(String),
    Silent(Duration),
    Busy(String),
    Unknown(String),
    Refused(String),
    Failed(String),
    Answer(String),
}

impl Fault {
    pub(super) fn at(self, address: &str, asked: Asked<'_>) -> RemoteError {
        let address = address.to_owned();
        let words = |why: String| one_line(&why);
        match (self, asked) {
            (Fault::NoConnection(why), _) => RemoteError::NoConnection { address, why: words(why) },
            (Fault::Lost(why), _) => RemoteError::Lost { address, why: words(why) },
            (Fault::Silent(within), _) => RemoteError::Silent { address, within },
            (Fault::Busy(why), _) => RemoteError::Busy { address, why: words(why) },
            (Fault::Unknown(why), Asked::Model(model)) => {
                RemoteError::UnknownModel { address, model: model.to_owned(), why: words(why) }
            }
            (Fault::Refused(why) | Fault::Unknown(why), _) => {
                RemoteError::Refused { address, why: words(why) }
            }
            (Fault::Failed(why), Asked::Model(model)) => {
                RemoteError::Failed { address, what: format!("the model `{model}`"), why: words(why) }
            }
            (Fault::Failed(why), Asked::Server) => {
                RemoteError::Failed { address, what: "the server".to_owned(), why: words(why) }
            }
            (Fault::Answer(why), _) => RemoteError::Answer { address, why: words(why) },
        }
    }
}

/// Another's words in one line of at most [`WORDS`] characters.
fn one_line(words: &str) -> String {
    let plain = words.replace(char::is_control, " ");
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS - 1) {
        _ if line.is_empty() => "it does not say why".to_owned(),
        Some((end, last)) if line.len() > end + last.len_utf8() => format!("{}…", &line[..end]),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_one_line_and_few() {
        let long = "é".repeat(WORDS + 1);
        let cut = format!("{}…", "é".repeat(WORDS - 1));
        for (words, line) in [
            ("a\r\n  b\tc \u{1b}[31m", "a b c [31m"),
            (" \n", "it does not say why"),
            (&long[2..], &long[2..]),
            (&long, &cut),
        ] {
            assert_eq!(one_line(words), line);
        }
    }

    #[test]
    fn errors_name_the_server_and_say_whether_it_was_reached() {
        let at = |fault: Fault| fault.at("grpc://h:1", Asked::Model("pose"));
        let why = || "why".to_owned();
        for (fault, is_reached, text) in [
            (Fault::NoConnection(why()), false, "grpc://h:1: no connection: why"),
            (Fault::Lost(why()), false, "grpc://h:1: the connection was lost: why"),
            (Fault::Silent(Duration::from_millis(1040)), false, "grpc://h:1 gave no answer within 1.0 s"),
            (Fault::Busy(why()), true, "grpc://h:1 cannot answer now: why"),
            (Fault::Unknown(why()), true, "grpc://h:1 has no model `pose`: why"),
            (Fault::Refused(why()), true, "grpc://h:1 refuses the request: why"),
            (Fault::Failed(why()), true, "grpc://h:1: the model `pose` failed there: why"),
            (Fault::Answer(why()), true, "grpc://h:1: the answer is not one of the protocol: why"),
        ] {
            let error = at(fault);
            assert_eq!((error.is_reached(), error.to_string().as_str()), (is_reached, text));
        }
        let several = RemoteError::all(vec![at(Fault::Lost(why())), at(Fault::Refused(why()))]);
        assert!(several.is_reached());
        assert_eq!(
            several.to_string(),
            "grpc://h:1: the connection was lost: why; grpc://h:1 refuses the request: why"
        );
    }
}
