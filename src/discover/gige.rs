//! GigE Vision: a broadcast to which every camera in reach answers with its first registers.
//!
//! GigE Vision Specification, sections on discovery: a command of eight bytes to UDP port 3956, and an acknowledgement with
//! 248 bytes of registers.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::time::Instant;

use super::listen;
use super::vision::{VisionCamera, VisionLink};
use super::{Interface, v4};

const PORT: u16 = 3956;
/// Key, the flag that an answer is wanted, the command, no payload, a number that the answer repeats.
const DISCOVER: [u8; 8] = [0x42, 0x01, 0x00, 0x02, 0x00, 0x00, 0x53, 0x50];
/// An answer's header and registers.
const HEADER: usize = 8;
const ANSWER: usize = HEADER + 248;

pub(super) fn ask(
    interfaces: &[Interface],
    deadline: Instant,
    problem: &mut dyn FnMut(String),
    found: &mut dyn FnMut(VisionCamera) -> ControlFlow<()>,
) {
    let mut sockets = Vec::new();
    for (interface, address) in v4(interfaces) {
        match asked(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) => problem(format!("GigE Vision on {}: {error}", interface.name)),
        }
    }
    listen::replies(&sockets, deadline, &mut |reply, from| match camera(reply, from) {
        Some(camera) => found(camera),
        None => ControlFlow::Continue(()),
    });
}

/// A socket of this address that has asked. Linux sends a broadcast to the interface that has the sender's address.
fn asked(address: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    socket.set_broadcast(true)?;
    socket.send_to(&DISCOVER, (Ipv4Addr::BROADCAST, PORT))?;
    Ok(socket)
}

/// Reads an answer.
fn camera(reply: &[u8], from: SocketAddr) -> Option<VisionCamera> {
    let reply = reply.get(..ANSWER)?;
    // Success, an answer to a discovery, its length, the command's number.
    if from.port() != PORT || reply.get(..HEADER)? != [0, 0, 0, 3, 0, 248, DISCOVER[6], DISCOVER[7]] {
        return None;
    }
    let registers = reply.get(HEADER..)?;
    let mac: Vec<String> = registers.get(10..16)?.iter().map(|byte| format!("{byte:02x}")).collect();
    let stated: [u8; 4] = registers.get(0x24..0x28)?.try_into().ok()?;
    let stated = Ipv4Addr::from(stated);
    // Some state none.
    let address = if stated.is_unspecified() { from.ip() } else { IpAddr::V4(stated) };
    Some(VisionCamera {
        vendor: text(registers.get(0x48..0x68)?),
        model: text(registers.get(0x68..0x88)?),
        serial: text(registers.get(0xd8..0xe8)?),
        name: text(registers.get(0xe8..0xf8)?),
        link: VisionLink::Gige { address, mac: mac.join(":") },
    })
}

/// Up to its first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(set: &[(usize, &[u8])]) -> Vec<u8> {
        let mut reply = vec![0; ANSWER];
        reply[..HEADER].copy_from_slice(&[0, 0, 0, 3, 0, 248, DISCOVER[6], DISCOVER[7]]);
        for (at, bytes) in set {
            reply[HEADER + at..HEADER + at + bytes.len()].copy_from_slice(bytes);
        }
        reply
    }

    #[test]
    fn answers_are_cameras_and_nothing_else_is() {
        let from = SocketAddr::from(([192, 0, 2, 7], PORT));
        let registers: &[(usize, &[u8])] =
            &[(0x48, b"Acme"), (0x68, b"A1"), (0xd8, b"0123456789abcdef"), (10, &[0, 0x1b, 2, 3, 4, 0xff])];
        let found = camera(&answer(registers), from).unwrap();
        // A field that is full has no zero at its end.
        assert_eq!(
            (found.vendor.as_str(), found.serial.as_str(), found.name.as_str()),
            ("Acme", "0123456789abcdef", "")
        );
        let mac = "00:1b:02:03:04:ff".to_owned();
        assert_eq!(found.link, VisionLink::Gige { address: from.ip(), mac });
        assert_eq!(found.to_string(), "Acme A1 0123456789abcdef at 192.0.2.7");
        let whole = answer(registers);
        assert_eq!(camera(&whole[..ANSWER - 1], from), None, "too short");
        assert_eq!(camera(&whole, SocketAddr::from(([192, 0, 2, 7], 1))), None, "from another port");
        let mut other = whole.clone();
        other[7] ^= 1;
        assert_eq!(camera(&other, from), None, "an answer to somebody else");
        assert_eq!(camera(&[], from), None);
    }
}
