//! The address of a server.

use url::Url;

use super::RemoteError;

/// An address that can be asked.
#[derive(Debug)]
pub(super) struct Address {
    /// Scheme, host and port, for logs, errors and statuses: some keep a key in the path.
    pub(super) name: String,
    /// The same with the scheme of the web, whose path ends without a slash.
    pub(super) base: Url,
    is_grpc: bool,
}

impl Address {
    /// # Errors
    /// When the address is of another scheme, or has a part that has no meaning here.
    pub(super) fn new(url: &Url) -> Result<Self, RemoteError> {
        let wrong = |why| RemoteError::Address { address: nameless(url), why };
        let (scheme, is_grpc) = match url.scheme() {
            "http" => ("http", false),
            "https" => ("https", false),
            "grpc" => ("http", true),
            "grpcs" => ("https", true),
            _ => return Err(wrong("the scheme is none of grpc, grpcs, http and https")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a user and a password are not supported"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it must end with the host, the port or the path"));
        }
        if is_grpc && url.port().is_none() {
            return Err(wrong("the port is missing, such as :8001"));
        }
        if is_grpc && !matches!(url.path(), "" | "/") {
            return Err(wrong("gRPC has no path"));
        }
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("the host is missing"))?;
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        let path = url.path().trim_end_matches('/');
        let base = Url::parse(&format!("{scheme}://{host}{port}{path}"))
            .map_err(|_| wrong("the host is no name"))?;
        Ok(Address { name: format!("{}://{host}{port}", url.scheme()), base, is_grpc })
    }

    /// Whether gRPC is spoken there; REST otherwise.
    pub(super) fn is_grpc(&self) -> bool {
        self.is_grpc
    }

    /// Whether it is reached over TLS.
    pub(super) fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }
}

/// An address without what may be a secret.
fn nameless(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}://{host}{port}", url.scheme())
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
            let address = Address::new(&Url::parse(written).unwrap()).unwrap();
            assert_eq!((address.name.as_str(), address.base.as_str()), (name, base));
        }
        for (written, error) in [
            (
                "mqtt://h:1",
                "`mqtt://h:1` is no address of a server: the scheme is none of grpc, grpcs, http and https",
            ),
            (
                "http://me:secret@h",
                "`http://h` is no address of a server: a user and a password are not supported",
            ),
            (
                "http://h/?key=secret",
                "`http://h` is no address of a server: it must end with the host, the port or the path",
            ),
            ("grpc://h", "`grpc://h` is no address of a server: the port is missing, such as :8001"),
            ("grpc://h:1/v2", "`grpc://h:1` is no address of a server: gRPC has no path"),
            ("grpc:h:1", "`grpc://` is no address of a server: the port is missing, such as :8001"),
        ] {
            assert_eq!(Address::new(&Url::parse(written).unwrap()).unwrap_err().to_string(), error);
        }
    }
}
