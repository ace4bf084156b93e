//! Finds cameras on this machine's networks and USB ports: ONVIF by WS-Discovery, GigE Vision by its broadcast, USB3 Vision
//! by what the kernel lists.
//!
//! A leaf: for `spotter discover`, and for [`crate::capture`], which looks a camera up by its serial number. What answers is
//! whatever is on the network: every reply is bounded, and no text of it is shown with characters that a terminal obeys.

mod gige;
mod interfaces;
mod listen;
mod onvif;
mod soap;
mod usb3;
mod vision;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

pub use interfaces::Interface;
pub use onvif::OnvifDevice;
pub use vision::{VisionCamera, VisionLink};

/// Where the kernel lists USB devices.
const USB_DEVICES: &str = "/sys/bus/usb/devices";
/// Characters of a name, an address or a scope that are kept.
const LONGEST_TEXT: usize = 256;

/// This machine's network interfaces that are up.
///
/// # Errors
/// When the operating system does not list them.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    interfaces::all()
}

/// The ONVIF devices that answer on these interfaces within `timeout`, each once, in the order of their names. What an
/// interface cannot be asked for goes to `problem`.
pub fn onvif(
    interfaces: &[Interface],
    timeout: Duration,
    problem: &mut dyn FnMut(String),
) -> Vec<OnvifDevice> {
    let deadline = Instant::now() + timeout;
    onvif::ask(interfaces, deadline, problem)
}

/// The GigE Vision cameras that answer on these interfaces within `timeout`, and the USB3 Vision cameras that are plugged in,
/// each once.
pub fn vision_cameras(
    interfaces: &[Interface],
    timeout: Duration,
    problem: &mut dyn FnMut(String),
) -> Vec<VisionCamera> {
    let mut found: Vec<VisionCamera> = usb3::plugged_in(Path::new(USB_DEVICES));
    let deadline = Instant::now() + timeout;
    gige::ask(interfaces, deadline, problem, &mut |camera| {
        if !found.contains(&camera) {
            found.push(camera);
        }
        ControlFlow::Continue(())
    });
    found
}

/// The first GigE Vision or USB3 Vision camera on any interface that `is_it`, as soon as it answers.
pub fn vision_camera(
    timeout: Duration,
    mut is_it: impl FnMut(&VisionCamera) -> bool,
) -> Option<VisionCamera> {
    if let Some(camera) = usb3::plugged_in(Path::new(USB_DEVICES)).into_iter().find(|camera| is_it(camera)) {
        return Some(camera);
    }
    let interfaces = interfaces().ok()?;
    let mut found = None;
    // A camera with an address on two of this machine's networks answers twice.
    let mut seen = BTreeSet::new();
    gige::ask(&interfaces, Instant::now() + timeout, &mut |_| {}, &mut |camera| {
        if seen.insert(camera.to_string()) && is_it(&camera) {
            found = Some(camera);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    found
}

/// A text from the network as it may be shown: one line, with what controls a terminal or turns the reading direction
/// written out, and not long.
fn shown(text: &str) -> String {
    let is_plain = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
    let shown = |c: char| if is_plain(c) { c.to_string() } else { c.escape_unicode().to_string() };
    text.trim().chars().take(LONGEST_TEXT).map(shown).collect()
}

/// The addresses of interfaces that can be spoken from, by version.
fn v4(interfaces: &[Interface]) -> impl Iterator<Item = (&Interface, Ipv4Addr)> {
    interfaces.iter().flat_map(|interface| interface.v4.iter().map(move |address| (interface, *address)))
}

fn v6(interfaces: &[Interface]) -> impl Iterator<Item = (&Interface, Ipv6Addr)> {
    interfaces.iter().filter_map(|interface| Some((interface, interface.v6?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_are_shown_and_not_obeyed() {
        assert_eq!(shown(" Café 2 "), "Café 2");
        assert_eq!(shown("a\x1b[31m\nb"), "a\\u{1b}[31m\\u{a}b");
        assert_eq!(shown("\u{202e}gpj"), "\\u{202e}gpj");
        assert_eq!(shown(&"x".repeat(1000)).len(), LONGEST_TEXT);
    }
}
