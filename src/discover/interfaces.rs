//! This machine's network interfaces and their addresses.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// A network interface that is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its number, which link-local addresses of IPv6 need.
    pub index: u32,
    /// Its IPv4 addresses.
    pub v4: Vec<Ipv4Addr>,
    /// One of its IPv6 addresses, link-local where there is one.
    pub v6: Option<Ipv6Addr>,
    /// Whether it leads nowhere but to this machine.
    pub is_loopback: bool,
}

pub(super) fn all() -> io::Result<Vec<Interface>> {
    let mut found: Vec<Interface> = Vec::new();
    for entry in getifaddrs()? {
        if !entry.flags.contains(InterfaceFlags::IFF_UP) {
            continue;
        }
        let Some(address) = entry.address else { continue };
        let known = found.iter().position(|interface| interface.name == entry.interface_name);
        let at = match known {
            Some(at) => at,
            None => {
                let index = if_nametoindex(entry.interface_name.as_str())?;
                let is_loopback = entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
                let (v4, v6) = (Vec::new(), None);
                found.push(Interface { name: entry.interface_name, index, v4, v6, is_loopback });
                found.len() - 1
            }
        };
        let Some(interface) = found.get_mut(at) else { continue };
        if let Some(v4) = address.as_sockaddr_in() {
            interface.v4.push(v4.ip());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            let is_better = v6.ip().is_unicast_link_local() || interface.v6.is_none();
            if is_better {
                interface.v6 = Some(v6.ip());
            }
        }
    }
    found.retain(|interface| !interface.v4.is_empty() || interface.v6.is_some());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let all = all().unwrap();
        let loopback = all.iter().find(|interface| interface.is_loopback).expect("a loopback that is up");
        assert!(loopback.v4.contains(&Ipv4Addr::LOCALHOST) && loopback.index > 0, "{loopback:?}");
    }
}
