//! TLS: from the configuration to rustls, and its errors in plain words.
//!
//! Called by [`super::super::dial`]. Cryptography is ring's. The name that a broker is greeted with (SNI) is the host of
//! its address; `server_name` only says which name its certificate must have.

use std::io;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use super::PublishError;
use super::accept_any_certificate::AcceptAnyCertificate;
use crate::config::{Identity, Pem, ROOT_BUNDLES, Tls};

/// How to speak TLS with a broker; cheap to clone.
pub(in super::super) type Connector = Arc<ClientConfig>;

/// Reads certificates and keys.
///
/// # Errors
/// When one of them is none, the key is another certificate's, or there is no authority to trust.
pub(in super::super) fn connector(tls: &Tls) -> Result<Connector, PublishError> {
    let wrong = |key: &'static str, why: String| PublishError::Tls { key, why };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong("broker", error.to_string()))?;
    let builder = if tls.insecure {
        let verifier = Arc::new(AcceptAnyCertificate::new(provider));
        builder.dangerous().with_custom_certificate_verifier(verifier)
    } else {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots(tls.ca.as_ref())?), provider)
                .build()
                .map_err(|error| wrong("ca_file", error.to_string()))?;
        match &tls.server_name {
            None => builder.with_webpki_verifier(verifier),
            Some(name) => {
                let name = ServerName::try_from(name.clone())
                    .map_err(|_| wrong("server_name", format!("`{name}` is no host name or address")))?;
                let verifier = Arc::new(NamedVerifier { verifier, name });
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        }
    };
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(Identity { certificate, key }) => {
            let chain = certificates("client_cert_file", certificate)?;
            let private = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes())
                .map_err(|error| wrong("client_key_file", format!("{}: {error}", key.from())))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| wrong("client_key_file", misfit(key, certificate, &error)))?
        }
    };
    config.alpn_protocols = tls.alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(Arc::new(config))
}

fn misfit(key: &Pem, certificate: &Pem, error: &Error) -> String {
    match error {
        Error::InconsistentKeys(_) => {
            format!("{} is not the key of the certificate {}", key.from(), certificate.from())
        }
        other => format!("{}: {other}", key.from()),
    }
}

/// The authorities to trust.
fn roots(ca: Option<&Pem>) -> Result<RootCertStore, PublishError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(ca) => {
            for certificate in certificates("ca_file", ca)? {
                roots.add(certificate).map_err(|error| PublishError::Tls {
                    key: "ca_file",
                    why: format!("{}: {error}", ca.from()),
                })?;
            }
        }
        None => {
            let bundle = ROOT_BUNDLES.iter().find_map(|path| std::fs::read(path).ok());
            let bundle = bundle.ok_or(PublishError::NoRoots)?;
            // A system's bundle may hold one that is too old to be read; the others still count.
            roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&bundle).filter_map(Result::ok));
            if roots.is_empty() {
                return Err(PublishError::NoRoots);
            }
        }
    }
    Ok(roots)
}

/// Every certificate of a file, and at least one.
fn certificates(key: &'static str, pem: &Pem) -> Result<Vec<CertificateDer<'static>>, PublishError> {
    let wrong = |why: String| PublishError::Tls { key, why: format!("{}: {why}", pem.from()) };
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.reveal().as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() { Err(wrong("no certificate in PEM format".to_owned())) } else { Ok(found) }
}

/// Verifies a certificate as for another name than the one that was connected to.
#[derive(Debug)]
struct NamedVerifier {
    verifier: Arc<WebPkiServerVerifier>,
    name: ServerName<'static>,
}

impl ServerCertVerifier for NamedVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier.verify_server_cert(certificate, intermediates, &self.name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// What a broker without a certificate of ours may want.
pub(in super::super) const WANTS_CERTIFICATE: &str =
    "a client certificate: set client_cert_file and client_key_file in [mqtt]";

/// The error of rustls that an I/O error holds.
pub(in super::super) fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What went wrong during a handshake or after it, in one line without the broker's name.
pub(in super::super) fn explain(error: &io::Error, tls: &Tls) -> String {
    match inner(error) {
        Some(Error::InvalidCertificate(error)) => certificate(error),
        Some(Error::AlertReceived(alert)) => alerted(*alert, tls.identity.is_some()),
        Some(Error::InvalidMessage(_)) => {
            "what it sends is not TLS; does it speak TLS on this port?".to_owned()
        }
        Some(Error::NoApplicationProtocol) => no_protocol(),
        Some(other) => other.to_string(),
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                "it closed the connection during the handshake; does it speak TLS on this port?".to_owned()
            }
            _ => error.to_string(),
        },
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::UnknownIssuer => {
            "its certificate is from an authority that is not trusted here; set ca_file in [mqtt] to the right one"
                .to_owned()
        }
        CertificateError::BadSignature => "its certificate is not signed by the authority of that name that is \
                                           trusted here; set ca_file in [mqtt] to the right one"
            .to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is this machine's clock right?".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("its certificate is not for {}, but for {}", expected.to_str(), names(presented))
        }
        CertificateError::NotValidForName => "its certificate is for another host".to_owned(),
        other => format!("its certificate is not accepted ({other})"),
    }
}

/// The names of a certificate as people write them: webpki says `DnsName("broker")`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| match name.split_once('(') {
        Some((_, inner)) => inner.trim_end_matches(')').trim_matches('"').to_owned(),
        None => name.clone(),
    };
    if presented.is_empty() {
        return "no name at all".to_owned();
    }
    presented.iter().map(plain).collect::<Vec<_>>().join(", ")
}

fn alerted(alert: AlertDescription, has_identity: bool) -> String {
    match alert {
        AlertDescription::CertificateRequired => format!("it wants {WANTS_CERTIFICATE}"),
        // Before TLS 1.3 there was no alert of its own for that.
        AlertDescription::HandshakeFailure if !has_identity => {
            format!("it refuses the handshake, perhaps because it wants {WANTS_CERTIFICATE}")
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError
            if has_identity =>
        {
            format!("it does not accept this node's certificate ({alert:?})")
        }
        AlertDescription::NoApplicationProtocol => no_protocol(),
        other => format!("it refuses the handshake ({other:?})"),
    }
}

fn no_protocol() -> String {
    "it takes none of the application protocols in alpn in [mqtt]".to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use rustls::ClientConnection;
    use rustls::server::Acceptor;

    use super::*;

    fn handshake_error(error: Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn a_broker_is_greeted_with_its_name_and_the_protocols() {
        for (host, alpn, server_name) in [
            ("broker.example", vec!["mqtt", "x-amzn-mqtt-ca"], Some("broker.example")),
            ("broker.example", vec![], Some("broker.example")),
            // An address is no name.
            ("192.0.2.1", vec!["mqtt"], None),
        ] {
            let alpn: Vec<String> = alpn.into_iter().map(str::to_owned).collect();
            let config = connector(&Tls { insecure: true, alpn: alpn.clone(), ..Tls::default() }).unwrap();
            let mut client = ClientConnection::new(config, ServerName::try_from(host).unwrap()).unwrap();
            let mut greeting = Vec::new();
            client.write_tls(&mut greeting).unwrap();
            let mut acceptor = Acceptor::default();
            acceptor.read_tls(&mut Cursor::new(greeting)).unwrap();
            let accepted = acceptor.accept().map_err(|(error, _)| error).unwrap().expect("a whole greeting");
            let hello = accepted.client_hello();
            assert_eq!(hello.server_name(), server_name);
            let offered: Vec<String> = hello
                .alpn()
                .into_iter()
                .flatten()
                .map(|protocol| String::from_utf8(protocol.to_vec()).unwrap())
                .collect();
            assert_eq!(offered, alpn);
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let pem = |label: &str| {
            let text = format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
            Pem::new("some.pem", text)
        };
        let cases = [
            (
                Tls { ca: Some(Pem::new("empty.pem", String::new())), ..Tls::default() },
                "mqtt.ca_file: empty.pem: ",
            ),
            (Tls { ca: Some(pem("CERTIFICATE")), ..Tls::default() }, "mqtt.ca_file: some.pem: "),
            (
                Tls {
                    insecure: true,
                    identity: Some(Identity { certificate: pem("CERTIFICATE"), key: pem("PRIVATE KEY") }),
                    ..Tls::default()
                },
                "mqtt.client_key_file: some.pem: ",
            ),
            (
                Tls { server_name: Some("a b".to_owned()), ..Tls::default() },
                "mqtt.server_name: `a b` is no host",
            ),
        ];
        for (tls, expected) in cases {
            let said = connector(&tls).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }

    #[test]
    fn every_failure_is_one_line_that_says_what_to_do() {
        let identity = Identity {
            certificate: Pem::new("mine.pem", String::new()),
            key: Pem::new("mine.key", String::new()),
        };
        let (without, with) = (Tls::default(), Tls { identity: Some(identity), ..Tls::default() });
        let alert = |alert| handshake_error(Error::AlertReceived(alert));
        let cases = [
            (
                &without,
                alert(AlertDescription::CertificateRequired),
                "it wants a client certificate: set client_cert_file and client_key_file in [mqtt]",
            ),
            (
                &without,
                alert(AlertDescription::HandshakeFailure),
                "it refuses the handshake, perhaps because it wants a client certificate: set client_cert_file and \
                 client_key_file in [mqtt]",
            ),
            (&with, alert(AlertDescription::HandshakeFailure), "it refuses the handshake (HandshakeFailure)"),
            (
                &with,
                alert(AlertDescription::UnknownCA),
                "it does not accept this node's certificate (UnknownCA)",
            ),
            (
                &without,
                alert(AlertDescription::NoApplicationProtocol),
                "it takes none of the application protocols in alpn in [mqtt]",
            ),
            (
                &without,
                handshake_error(Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)),
                "what it sends is not TLS; does it speak TLS on this port?",
            ),
            (
                &without,
                handshake_error(Error::InvalidCertificate(CertificateError::Revoked)),
                "its certificate is not accepted (Revoked)",
            ),
            (
                &without,
                handshake_error(Error::InvalidCertificate(CertificateError::NotValidYet)),
                "its certificate is not valid yet; is this machine's clock right?",
            ),
            (
                &without,
                io::ErrorKind::UnexpectedEof.into(),
                "it closed the connection during the handshake; does it speak TLS on this port?",
            ),
        ];
        for (tls, error, line) in cases {
            assert_eq!(explain(&error, tls), line);
        }
    }
}
