//! What packets go through: TCP, and TLS in it.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use rustls::pki_types::ServerName;

use super::{Fault, Target};

/// A way in both directions.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// TCP, and TLS where the target wants it.
pub(super) async fn encrypted(target: &Target) -> Result<Box<dyn Socket>, Fault> {
    let tcp = tcp(target).await?;
    let Some(config) = &target.tls else { return Ok(Box::new(tcp)) };
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| Fault::Other(format!("`{}` is no host name or address", target.host)))?;
    match TlsConnector::from(config.clone()).connect(name, tcp).await {
        Ok(tls) => Ok(Box::new(tls)),
        Err(error) => Err(Fault::Handshake(error)),
    }
}

/// TCP alone.
pub(super) async fn tcp(target: &Target) -> Result<TcpStream, Fault> {
    let tcp = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(Fault::Io)?;
    tcp.set_nodelay(true).map_err(Fault::Io)?;
    Ok(tcp)
}
