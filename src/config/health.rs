//! `[health]`: where the daemon answers whether it lives and is ready.

use std::net::SocketAddr;

use super::read::Section;

/// `[health]`: where the daemon answers whether it lives and is ready.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// An address of this machine for itself, and a port; nowhere when absent.
    pub listen: Option<SocketAddr>,
}

pub(super) fn read(mut section: Section<'_, '_, '_>) -> Health {
    let health = Health { listen: section.parsed("listen", listen) };
    section.finish();
    health
}

/// Whoever reads it needs no password, so it is for this machine only.
fn listen(text: &str) -> Result<SocketAddr, String> {
    let allowed = "allowed is a loopback address with a port, such as \"127.0.0.1:9464\" or \"[::1]:9464\"";
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() && address.port() != 0 => Ok(address),
        Ok(address) if address.ip().is_loopback() => {
            Err(format!("is \"{text}\", which has no port; {allowed}"))
        }
        Ok(_) => Err(format!("is \"{text}\", which others can reach; {allowed}")),
        Err(_) => Err(format!("is \"{text}\"; {allowed}")),
    }
}
