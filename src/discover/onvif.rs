//! ONVIF devices: a probe of WS-Discovery to the multicast group of every interface, and what comes back, merged.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{set_ip_multicast_if, set_ipv6_multicast_if};
use url::Url;
use uuid::Uuid;

use super::soap::{self, Match};
use super::{Interface, listen, shown, v4, v6};

const PORT: u16 = 3702;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xc);
/// A probe is said again after this: datagrams get lost.
const AGAIN: Duration = Duration::from_millis(700);
/// After so many devices, further ones are left out.
const MOST: usize = 1024;
/// Addresses and texts of a kind that are kept of a device.
const MOST_OF_A_DEVICE: usize = 16;
/// What ONVIF's scopes begin with.
const SCOPE: &str = "onvif://www.onvif.org/";

/// An ONVIF device, as it describes itself. Every text may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnvifDevice {
    /// What it calls itself.
    pub name: Option<String>,
    /// Its model.
    pub hardware: Option<String>,
    /// Where it is, as its owner wrote it.
    pub locations: Vec<String>,
    /// Where its device service is; no login in it.
    pub services: Vec<String>,
    /// The host of the first service, or who answered: where its video is too.
    pub host: String,
}

pub(super) fn ask(
    interfaces: &[Interface],
    deadline: Instant,
    problem: &mut dyn FnMut(String),
) -> Vec<OnvifDevice> {
    let mut sockets = Vec::new();
    let mut groups = Vec::new();
    let sockets_v4 = v4(interfaces).map(|(interface, address)| (interface, socket_v4(address)));
    let sockets_v6 =
        v6(interfaces).map(|(interface, address)| (interface, socket_v6(interface.index, address)));
    for (interface, opened) in sockets_v4.chain(sockets_v6) {
        match opened.and_then(|(socket, group)| probe(&socket, group).map(|()| (socket, group))) {
            Ok((socket, group)) => {
                sockets.push(socket);
                groups.push(group);
            }
            Err(error) => problem(format!("ONVIF on {}: {error}", interface.name)),
        }
    }
    let mut found = Found::default();
    let mut hear = |reply: &[u8], from: SocketAddr| {
        found.hear(soap::matches(reply), from.ip());
        ControlFlow::Continue(())
    };
    let again = (Instant::now() + AGAIN).min(deadline);
    listen::replies(&sockets, again, &mut hear);
    if again < deadline {
        for (socket, group) in sockets.iter().zip(groups) {
            // It has worked once.
            drop(probe(socket, group));
        }
        listen::replies(&sockets, deadline, &mut hear);
    }
    found.devices()
}

fn socket_v4(address: Ipv4Addr) -> io::Result<(UdpSocket, SocketAddr)> {
    let socket = UdpSocket::bind((address, 0))?;
    set_ip_multicast_if(&socket, &address)?;
    Ok((socket, (GROUP_V4, PORT).into()))
}

fn socket_v6(index: u32, address: Ipv6Addr) -> io::Result<(UdpSocket, SocketAddr)> {
    let scope = if address.is_unicast_link_local() { index } else { 0 };
    let socket = UdpSocket::bind(SocketAddrV6::new(address, 0, 0, scope))?;
    set_ipv6_multicast_if(&socket, index)?;
    Ok((socket, SocketAddrV6::new(GROUP_V6, PORT, 0, index).into()))
}

fn probe(socket: &UdpSocket, group: SocketAddr) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    for kind in soap::TYPES {
        let message = Uuid::new_v4().to_string();
        socket.send_to(soap::probe(&message, kind).as_bytes(), group)?;
    }
    Ok(())
}

/// What has answered, each device once: by its endpoint, else by its services.
#[derive(Default)]
struct Found(BTreeMap<String, OnvifDevice>);

impl Found {
    fn hear(&mut self, matches: Vec<Match>, from: IpAddr) {
        for found in matches.into_iter().filter(is_onvif) {
            let key = if found.endpoint.is_empty() {
                found.addresses.join(" ")
            } else {
                found.endpoint.to_lowercase()
            };
            if self.0.len() >= MOST && !self.0.contains_key(&key) {
                continue;
            }
            merge(self.0.entry(key).or_default(), &found, from);
        }
    }

    fn devices(self) -> Vec<OnvifDevice> {
        let mut devices: Vec<OnvifDevice> = Vec::new();
        // One that makes up a new endpoint for each answer still has its services.
        for device in self.0.into_values() {
            if device.services.is_empty() || devices.iter().all(|other| other.services != device.services) {
                devices.push(device);
            }
        }
        devices.sort_by(|a, b| (&a.name, &a.host).cmp(&(&b.name, &b.host)));
        devices
    }
}

/// Printers and computers answer too, some to any probe.
fn is_onvif(found: &Match) -> bool {
    let kinds =
        ["NetworkVideoTransmitter", "NetworkVideoDisplay", "NetworkVideoStorage", "NetworkVideoAnalytics"];
    let is_kind = |name: &String| {
        let local = name.rsplit(':').next().unwrap_or(name);
        kinds.contains(&local)
    };
    found.types.iter().any(is_kind) || found.scopes.iter().any(|scope| scope.starts_with(SCOPE))
}

fn merge(device: &mut OnvifDevice, found: &Match, from: IpAddr) {
    for address in &found.addresses {
        let Some((service, host)) = service(address) else { continue };
        if device.services.len() < MOST_OF_A_DEVICE && !device.services.contains(&service) {
            // IPv4 first: a link-local address of IPv6 is worth little without its interface.
            let at = if host.starts_with('[') { device.services.len() } else { 0 };
            device.services.insert(at, service);
            if device.host.is_empty() || (device.host.starts_with('[') && at == 0) {
                device.host = host;
            }
        }
    }
    if device.host.is_empty() {
        device.host = match from {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
    }
    for scope in &found.scopes {
        let Some((kind, value)) = scope.strip_prefix(SCOPE).and_then(|scope| scope.split_once('/')) else {
            continue;
        };
        let value = shown(&decoded(value));
        if value.is_empty() {
            continue;
        }
        match kind.to_ascii_lowercase().as_str() {
            "name" => _ = device.name.get_or_insert(value),
            "hardware" => _ = device.hardware.get_or_insert(value),
            "location" if device.locations.len() < MOST_OF_A_DEVICE && !device.locations.contains(&value) => {
                device.locations.push(value);
            }
            _ => {}
        }
    }
}

/// An address of a service and its host, both as they may be shown.
fn service(address: &str) -> Option<(String, String)> {
    let mut url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    // Whoever answers has no business with anybody's login.
    url.set_password(None).ok()?;
    url.set_username("").ok()?;
    let host = url.host_str()?.to_owned();
    Some((shown(url.as_str()), shown(&host)))
}

/// Percent signs as they are meant; what is no UTF-8 then is replaced.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(endpoint: &str, types: &str, scopes: &[&str], addresses: &[&str]) -> Match {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Match {
            endpoint: endpoint.to_owned(),
            types: texts(&[types]),
            scopes: texts(scopes),
            addresses: texts(addresses),
        }
    }

    const CAMERA: &str = "dn:NetworkVideoTransmitter";
    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn a_device_that_answers_often_is_one_device() {
        let mut all = Found::default();
        let scopes = ["onvif://www.onvif.org/name/Gate%20Cam", "onvif://www.onvif.org/location/yard"];
        let v6 = "http://[fe80::1]/onvif/device_service";
        let v4 = "http://192.0.2.10/onvif/device_service";
        all.hear(vec![found("urn:uuid:A", CAMERA, &scopes, &[v6])], FROM);
        all.hear(vec![found("urn:uuid:a", CAMERA, &scopes[1..], &[v4, v6])], FROM);
        // One that makes up its endpoint anew.
        all.hear(vec![found("urn:uuid:b", CAMERA, &scopes, &[v4, v6])], FROM);
        let expected = OnvifDevice {
            name: Some("Gate Cam".to_owned()),
            hardware: None,
            locations: vec!["yard".to_owned()],
            services: vec![v4.to_owned(), v6.to_owned()],
            host: "192.0.2.10".to_owned(),
        };
        assert_eq!(all.devices(), [expected]);
    }

    #[test]
    fn printers_are_left_out_and_nothing_of_a_device_is_believed() {
        let mut all = Found::default();
        all.hear(
            vec![found("urn:uuid:p", "wprt:PrintDeviceType", &["http://printer"], &["http://192.0.2.3/"])],
            FROM,
        );
        let scopes =
            ["onvif://www.onvif.org/name/%1b%5b2J%0Aevil", "onvif://www.onvif.org/hardware/%zz%", "other"];
        let addresses =
            ["javascript:1", "http://me:secret@192.0.2.9/x\u{1b}y", "http://", "rtsp://192.0.2.9/"];
        all.hear(vec![found("urn:uuid:c", "tds:Device", &scopes, &addresses)], FROM);
        let devices = all.devices();
        assert_eq!(devices.len(), 1, "{devices:?}");
        assert_eq!(devices[0].name.as_deref(), Some("\\u{1b}[2J\\u{a}evil"));
        assert_eq!(devices[0].hardware.as_deref(), Some("%zz%"));
        assert_eq!(devices[0].services, ["http://192.0.2.9/x%1By"]);
    }

    #[test]
    fn a_flood_of_devices_has_an_end() {
        let mut all = Found::default();
        for number in 0..2 * MOST {
            all.hear(vec![found(&format!("urn:uuid:{number}"), CAMERA, &[], &[])], FROM);
        }
        assert_eq!(all.devices().len(), MOST);
        let many: Vec<String> = (0..100).map(|n| format!("http://192.0.2.1/{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let mut one = Found::default();
        one.hear(vec![found("urn:uuid:1", CAMERA, &[], &many)], FROM);
        assert_eq!(one.devices()[0].services.len(), MOST_OF_A_DEVICE);
    }
}
