//! One connection to a camera's address, for nothing but the reason why there is none: GStreamer 1.22 keeps it to itself.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use gio::prelude::*;
use gstreamer::glib;

use super::apart::apart;
use super::heard::fault_of_certificate;
use crate::config::CameraUrl;

/// How long a server may take for each step of a connection, in seconds as GIO wants it.
const PATIENCE_S: u32 = 3;
/// How long all of it may take. Looking a name up has no limit of its own.
const LIMIT: Duration = Duration::from_secs(5);

/// Why a camera's address cannot be reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// It shows a certificate that is not trusted; what is wrong with it.
    Untrusted(String),
    /// It answers, and not with TLS.
    NoTls,
    /// There is no connection; GIO's words.
    No(String),
}

/// Connects to the host of `url`, with TLS where it asks for that, and leaves again.
///
/// # Errors
/// With the reason why it cannot, as far as it is found out in time.
pub(super) fn reach(url: &CameraUrl, verify_tls: bool) -> Result<(), Unreachable> {
    let Some((host, port)) = url.place() else { return Ok(()) };
    let (host, tls) = (host.to_owned(), url.is_encrypted());
    apart("reach", || LIMIT, move || connect(&host, port, tls, verify_tls)).unwrap_or(Ok(()))
}

fn connect(host: &str, port: u16, tls: bool, verify_tls: bool) -> Result<(), Unreachable> {
    let client = gio::SocketClient::new();
    client.set_timeout(PATIENCE_S);
    client.set_tls(tls);
    let fault = Rc::new(RefCell::new(None));
    let has_begun_tls = Rc::new(RefCell::new(false));
    let (found, begun) = (Rc::clone(&fault), Rc::clone(&has_begun_tls));
    client.connect_event(move |_, event, _, connection| {
        let Some(connection) =
            connection.and_then(|connection| connection.downcast_ref::<gio::TlsConnection>())
        else {
            return;
        };
        if event == gio::SocketClientEvent::TlsHandshaking {
            *begun.borrow_mut() = true;
            let found = Rc::clone(&found);
            connection.connect_accept_certificate(move |_, certificate, flags| {
                if !verify_tls {
                    return true;
                }
                *found.borrow_mut() = Some(fault_of_certificate(Some(certificate), flags));
                false
            });
        }
    });
    // An address of IPv6 stands in brackets in an address of a camera, and in none here.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = gio::NetworkAddress::new(host, port);
    let connected = SocketClientExt::connect(&client, &address, gio::Cancellable::NONE);
    if let Some(fault) = fault.take() {
        return Err(Unreachable::Untrusted(fault));
    }
    match connected {
        Ok(connection) => {
            // It is of no further use, whatever comes of that.
            drop(connection.close(gio::Cancellable::NONE));
            Ok(())
        }
        Err(_) if has_begun_tls.take() => Err(Unreachable::NoTls),
        Err(error) => Err(Unreachable::No(words(&error))),
    }
}

/// GIO's words, with quotes as they are written here.
fn words(error: &glib::Error) -> String {
    error.message().replace(['\u{201c}', '\u{201d}'], "\"")
}
