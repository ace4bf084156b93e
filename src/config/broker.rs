//! A broker's address.

use url::Url;

/// What most brokers call their WebSocket.
const USUAL_PATH: &str = "/mqtt";

/// Where a broker is: `mqtt://host[:port]`, or `mqtts://host[:port]` for TLS; by WebSocket `ws://host[:port][/path]`, or
/// `wss://host[:port][/path]` for TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Whether to speak TLS.
    pub tls: bool,
    /// The path to ask for by WebSocket, with its query; nothing for plain MQTT.
    pub web: Option<String>,
    /// Host name or address, an IPv6 one without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Default for Broker {
    fn default() -> Self {
        Broker { tls: false, web: None, host: "localhost".to_owned(), port: 1883 }
    }
}

/// A text that is no broker's address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadBroker {
    /// No address at all.
    #[error(
        "is no address ({0}); it must look like mqtt://host, mqtt://host:1883, mqtts://host:8883, ws://host:8080/mqtt or \
         wss://host/mqtt"
    )]
    BadUrl(String),
    /// A scheme that nothing here speaks.
    #[error("has the scheme `{0}`; allowed: mqtt, mqtts, ws, wss")]
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
        let (tls, is_web, usual_port) = match url.scheme() {
            "mqtt" => (false, false, 1883),
            "mqtts" => (true, false, 8883),
            "ws" => (false, true, 80),
            "wss" => (true, true, 443),
            other => return Err(BadBroker::UnknownScheme(other.to_owned())),
        };
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(BadBroker::BadUrl("the host is missing".to_owned()));
        }
        let path = || match (url.path(), url.query()) {
            ("" | "/", None) => USUAL_PATH.to_owned(),
            (path, None) => path.to_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        };
        Ok(Broker {
            tls,
            web: is_web.then(path),
            host: host.to_owned(),
            port: url.port().unwrap_or(usual_port),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_brokers() {
        let broker = |tls, host: &str, port| Ok(Broker { tls, web: None, host: host.to_owned(), port });
        let web = |tls, host: &str, port, path: &str| {
            Ok(Broker { tls, web: Some(path.to_owned()), host: host.to_owned(), port })
        };
        for (text, expected) in [
            ("mqtt://localhost", broker(false, "localhost", 1883)),
            ("mqtt://10.0.0.7:1884", broker(false, "10.0.0.7", 1884)),
            ("mqtts://broker.example", broker(true, "broker.example", 8883)),
            ("mqtt://[::1]:9", broker(false, "::1", 9)),
            ("ws://broker.example", web(false, "broker.example", 80, "/mqtt")),
            ("ws://10.0.0.7:9001/", web(false, "10.0.0.7", 9001, "/mqtt")),
            ("wss://[::1]/ws?a=1", web(true, "::1", 443, "/ws?a=1")),
            ("ws://me@x", Err(BadBroker::Credentials)),
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
