//! Sockets that have asked, and what comes back: bounded in size, count and time.

use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A datagram that is longer is left out.
const LONGEST: usize = 16 * 1024;
/// After so many, nothing more is read.
const MOST: usize = 2048;

/// Hands each datagram on with its sender, until `each` has enough or the deadline has come.
pub(super) fn replies(
    sockets: &[UdpSocket],
    deadline: Instant,
    each: &mut dyn FnMut(&[u8], SocketAddr) -> ControlFlow<()>,
) {
    // One byte more shows that something was cut off.
    let mut bytes = vec![0; LONGEST + 1];
    let mut left = MOST;
    while left > 0 {
        let now = Instant::now();
        if now >= deadline || sockets.is_empty() {
            return;
        }
        let mut ready: Vec<PollFd<'_>> =
            sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        let wait = deadline - now;
        let wait = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        match poll(&mut ready, Some(&wait)) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return,
        }
        let speaking: Vec<usize> = (0..ready.len()).filter(|at| !ready[*at].revents().is_empty()).collect();
        for socket in speaking.into_iter().filter_map(|at| sockets.get(at)) {
            left = left.saturating_sub(1);
            // What cannot be read is an error of an earlier datagram, such as a port that nobody has.
            let Ok((length, from)) = socket.recv_from(&mut bytes) else { continue };
            if let Some(reply) = bytes.get(..length).filter(|reply| reply.len() <= LONGEST)
                && each(reply, from).is_break()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_has_an_end_and_what_is_too_long_is_left_out() {
        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(&vec![b'x'; LONGEST + 1], listener.local_addr().unwrap()).unwrap();
        sender.send_to(b"short", listener.local_addr().unwrap()).unwrap();
        let mut heard = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        replies(&[listener], deadline, &mut |reply, from| {
            heard.push((reply.to_vec(), from));
            ControlFlow::Break(())
        });
        assert_eq!(heard, [(b"short".to_vec(), sender.local_addr().unwrap())]);
    }

    #[test]
    fn silence_has_an_end() {
        let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
        let deadline = Instant::now() + Duration::from_millis(50);
        replies(&[listener], deadline, &mut |_, _| unreachable!("nobody speaks"));
        assert!(Instant::now() >= deadline);
    }
}
