//! The address of an inference server.

use url::Url;

/// The schemes: the protocol, plain or over TLS, and the web's scheme for it.
const SCHEMES: [(&str, &str, bool); 4] =
    [("grpc", "http", true), ("grpcs", "https", true), ("http", "http", false), ("https", "https", false)];

/// Where a server of the Open Inference Protocol listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    name: String,
    base: Url,
    is_grpc: bool,
}

impl ServerAddress {
    /// Reads `grpc://host:port`, `grpcs://host:port`, `http://host` or `https://host`, the last two with a port and a path where
    /// needed.
    ///
    /// # Errors
    /// The address without what may be a secret, and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("\"{}\", which {why}", without_login(text));
        let url = Url::parse(text).map_err(|error| wrong(format!("is no address: {error}")))?;
        let Some((_, scheme, is_grpc)) = SCHEMES.into_iter().find(|(scheme, ..)| *scheme == url.scheme())
        else {
            let schemes = SCHEMES.map(|(scheme, ..)| format!("{scheme}://")).join(", ");
            return Err(wrong(format!("is no address; it must begin with {schemes}")));
        };
        let wrong = |why: &str| wrong(why.to_owned());
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("has no host"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has a login; servers of this protocol take none from Spotter"));
        }
        if is_grpc && url.port().is_none() {
            return Err(wrong("has no port, and gRPC has no usual one"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has something after the path"));
        }
        let path = url.path().trim_end_matches('/');
        if is_grpc && !path.is_empty() {
            return Err(wrong("has a path, which gRPC has not"));
        }
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let base = Url::parse(&format!("{scheme}://{host}{port}{path}"))
            .map_err(|error| wrong(&format!("is no address: {error}")))?;
        Ok(ServerAddress { name: format!("{}://{host}{port}", url.scheme()), base, is_grpc })
    }

    /// Scheme, host and port, for logs, errors and statuses: some keep a key in the path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address with the web's scheme; its path ends without a slash, unless it is only that.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Whether gRPC is spoken there; REST otherwise.
    pub fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    /// Whether it is reached over TLS.
    pub fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }
}

/// The address without what may be a password or a key.
fn without_login(text: &str) -> &str {
    let rest = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
    rest.split(['?', '#']).next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_two_protocols() {
        for (written, name, base) in [
            ("grpc://edge-2:8001", "grpc://edge-2:8001", "http://edge-2:8001/"),
            ("grpcs://[::1]:8001/", "grpcs://[::1]:8001", "https://[::1]:8001/"),
            ("http://edge-2", "http://edge-2", "http://edge-2/"),
            ("https://gate.example/models/", "https://gate.example", "https://gate.example/models"),
        ] {
            let address = ServerAddress::parse(written).unwrap();
            assert_eq!((address.name(), address.base().as_str()), (name, base));
        }
        for (written, error) in [
            (
                "rack:8001",
                "\"rack:8001\", which is no address; it must begin with grpc://, grpcs://, http://, https://",
            ),
            ("mqtt://h:1", "\"mqtt://h:1\", which is no address; it must begin with grpc://"),
            ("http://me:secret@h", "\"h\", which has a login"),
            ("http://h/?key=secret", "\"http://h/\", which has something after the path"),
            ("grpc://h", "\"grpc://h\", which has no port"),
            ("grpc://h:1/v2", "\"grpc://h:1/v2\", which has a path"),
            ("grpc:h:1", "\"grpc:h:1\", which has no host"),
        ] {
            let said = ServerAddress::parse(written).unwrap_err();
            assert!(said.starts_with(error) && !said.contains("secret"), "{said}");
        }
    }
}
