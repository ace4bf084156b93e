//! A broker's address.

use url::Url;

/// Where a broker is: `mqtt://host[:port]`, or `mqtts://host[:port]` for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Whether to speak TLS.
    pub tls: bool,
    /// Host name or address, an IPv6 one without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Default for Broker {
    fn default() -> Self {
        Broker { tls: false, host: "localhost".to_owned(), port: 1883 }
    }
}

/// A text that is no broker's address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadBroker {
    /// No address at all.
    #[error("is no address ({0}); it must look like mqtt://host, mqtt://host:1883 or mqtts://host:8883")]
    BadUrl(String),
    /// A scheme that nothing here speaks.
    #[error("has the scheme `{0}`; allowed: mqtt, mqtts")]
    UnknownScheme(String),
    /// Credentials in an address end up in logs and shell histories.
    #[error("holds a user name; put it into username and password_file")]
    Credentials,
}

impl std::str::FromStr for Broker {
    type Err = BadBroker;

    fn from_str(text: &str) -> Result<Self, BadBroker> {
        // `localhost:1883` would have a scheme called `localhost`.
        if !text.contains("://") {
            return Err(BadBroker::BadUrl("the scheme is missing".to_owned()));
        }
        // Also one that holds what ends a host, so that its rest looks like a path.
        if text.contains('@') {
            return Err(BadBroker::Credentials);
        }
        let url = Url::parse(text).map_err(|error| BadBroker::BadUrl(error.to_string()))?;
        let tls = match url.scheme() {
            "mqtt" => false,
            "mqtts" => true,
            other => return Err(BadBroker::UnknownScheme(other.to_owned())),
        };
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(BadBroker::BadUrl("the host is missing".to_owned()));
        }
        Ok(Broker { tls, host: host.to_owned(), port: url.port().unwrap_or(if tls { 8883 } else { 1883 }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_brokers() {
        let broker = |tls, host: &str, port| Ok(Broker { tls, host: host.to_owned(), port });
        for (text, expected) in [
            ("mqtt://localhost", broker(false, "localhost", 1883)),
            ("mqtt://10.0.0.7:1884", broker(false, "10.0.0.7", 1884)),
            ("mqtts://broker.example", broker(true, "broker.example", 8883)),
            ("mqtt://[::1]:9", broker(false, "::1", 9)),
            ("http://x", Err(BadBroker::UnknownScheme("http".to_owned()))),
            ("mqtt://me:pw@x", Err(BadBroker::Credentials)),
            ("mqtt://", Err(BadBroker::BadUrl("the host is missing".to_owned()))),
            ("localhost", Err(BadBroker::BadUrl("the scheme is missing".to_owned()))),
            ("localhost:1883", Err(BadBroker::BadUrl("the scheme is missing".to_owned()))),
            ("192.168.1.5:1883", Err(BadBroker::BadUrl("the scheme is missing".to_owned()))),
            ("mqtt://me:12/secret@x", Err(BadBroker::Credentials)),
            ("mqtt://me:pa#ss@x", Err(BadBroker::Credentials)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }
}
