//! TLS with a real mosquitto: who is let through, and the one line that says why not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spotter::config::{Config, Mqtt, Outbox};
use spotter::publish::{Handle, Publisher};

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/publisher.rs"]
mod publisher;

use certificates::{Authority, Signed};
use mosquitto::{Mosquitto, wait};

const HERE: &str = "IP:127.0.0.1";

/// A broker that speaks TLS with this certificate, and further lines of its configuration.
fn broker(server: &Signed, extra: &str) -> Mosquitto {
    let (certificate, key) = (server.certificate.display(), server.key.display());
    Mosquitto::start(&format!("certfile {certificate}\nkeyfile {key}\n{extra}"))
}

/// Lines for a broker that wants certificates of this authority.
fn demanding(clients: &Authority) -> String {
    format!("cafile {}\nrequire_certificate true\n", clients.certificate().display())
}

/// The configuration of a file with these lines in `[mqtt]`.
fn config(scheme: &str, port: u16, lines: &str) -> Mqtt {
    let text = format!(
        "[mqtt]\nbroker = \"{scheme}://127.0.0.1:{port}\"\nkeep_alive_s = 5\n{lines}\n\
         [[camera]]\nname = \"ramp\"\nsource = \"rtsp://cam/1\"\n"
    );
    let config = Config::parse(&text, Path::new("")).unwrap_or_else(|error| panic!("{error}"));
    Mqtt { outbox: Outbox::in_memory(), ..config.mqtt }
}

fn key(name: &str, path: &Path) -> String {
    format!("{name} = \"{}\"\n", path.display())
}

fn ca(authority: &Authority) -> String {
    key("ca_file", &authority.certificate())
}

fn identity(signed: &Signed) -> String {
    key("client_cert_file", &signed.certificate) + &key("client_key_file", &signed.key)
}

/// A publisher with one tag.
fn start(mqtt: &Mqtt) -> (Publisher, Handle) {
    let (publisher, handle) = publisher::start(mqtt);
    handle.tag(&publisher::tag(1));
    (publisher, handle)
}

fn connects(what: &str, mqtt: &Mqtt) {
    let (publisher, handle) = start(mqtt);
    assert!(wait(|| handle.counts().acknowledged == 1), "{what}: {:?}", handle.counts());
    assert!(publisher.stop(Duration::from_secs(10)).said_goodbye, "{what}");
}

/// Checks what is said, and that no attempt gets through.
fn fails(what: &str, mqtt: &Mqtt, line: &str) {
    let (publisher, handle) = start(mqtt);
    assert!(wait(|| handle.counts().last_error.is_some()), "{what}");
    let said = handle.counts().last_error.unwrap();
    assert_eq!(said.replace(&format!(":{}", mqtt.port), ":PORT"), line, "{what}");
    let counts = handle.counts();
    assert_eq!((counts.connected, counts.connections, counts.acknowledged), (false, 0, 0), "{what}");
    drop(publisher);
}

#[test]
fn a_broker_has_to_prove_who_it_is() {
    let (known, unknown) = (Authority::new("Known"), Authority::new("Unknown"));
    let good = broker(&known.sign("good", HERE), "");
    let expired = broker(&known.sign_expired("expired", HERE), "");
    let elsewhere = broker(&known.sign("elsewhere", "DNS:broker.example,DNS:other.example"), "");
    let named = |name: &str| format!("{}server_name = \"{name}\"", ca(&known));
    let old = ca(&known) + "version = \"3.1.1\"";

    connects("the right authority", &config("mqtts", good.port(), &ca(&known)));
    connects("the right authority in MQTT 3.1.1", &config("mqtts", good.port(), &old));
    connects("another name", &config("mqtts", elsewhere.port(), &named("broker.example")));

    let untrusted = "TLS with 127.0.0.1:PORT failed: its certificate is from an authority that is not trusted here; \
                     set ca_file in [mqtt] to the right one";
    fails("another authority", &config("mqtts", good.port(), &ca(&unknown)), untrusted);
    fails(
        "another authority of the same name",
        &config("mqtts", good.port(), &ca(&Authority::new("Known"))),
        "TLS with 127.0.0.1:PORT failed: its certificate is not signed by the authority of that name that is trusted \
         here; set ca_file in [mqtt] to the right one",
    );
    fails("the system's authorities", &config("mqtts", good.port(), ""), untrusted);
    fails(
        "expired",
        &config("mqtts", expired.port(), &ca(&known)),
        "TLS with 127.0.0.1:PORT failed: its certificate has expired",
    );
    fails(
        "expired, in MQTT 3.1.1",
        &config("mqtts", expired.port(), &old),
        "TLS with 127.0.0.1:PORT failed: its certificate has expired",
    );
    fails(
        "another host",
        &config("mqtts", elsewhere.port(), &ca(&known)),
        "TLS with 127.0.0.1:PORT failed: its certificate is not for 127.0.0.1, but for broker.example, other.example",
    );
    fails(
        "another name than the wanted",
        &config("mqtts", elsewhere.port(), &named("wrong.example")),
        "TLS with 127.0.0.1:PORT failed: its certificate is not for wrong.example, but for broker.example, \
         other.example",
    );
    let welcomed = |broker: &Mosquitto| broker.log().matches("New client connected").count();
    assert_eq!((welcomed(&good), welcomed(&expired), welcomed(&elsewhere)), (2, 0, 1), "{}", good.log());
}

#[test]
fn a_node_has_to_prove_who_it_is_when_the_broker_wants_it() {
    let (known, unknown) = (Authority::new("Known"), Authority::new("Unknown"));
    let server = known.sign("server", HERE);
    let (mine, foreign) = (known.sign("mine", "DNS:edge-1"), unknown.sign("foreign", "DNS:edge-1"));
    let new = broker(&server, &demanding(&known));
    let old = broker(&server, &format!("{}tls_version tlsv1.2", demanding(&known)));
    for (broker, version) in [(&new, "1.3"), (&old, "1.2")] {
        let with = |lines: &str| config("mqtts", broker.port(), &(ca(&known) + lines));
        connects(&format!("the right certificate, TLS {version}"), &with(&identity(&mine)));
        let what = format!("no certificate, TLS {version}");
        let (publisher, handle) = start(&with(""));
        assert!(wait(|| handle.counts().last_error.is_some()), "{what}");
        let said = handle.counts().last_error.unwrap();
        let end = "a client certificate: set client_cert_file and client_key_file in [mqtt]";
        assert!(said.starts_with("TLS with 127.0.0.1:") && said.ends_with(end), "{what}: {said}");
        assert!(!said.contains('\n'), "{what}: {said}");
        assert_eq!(handle.counts().connections, 0, "{what}");
        drop(publisher);
        let what = format!("a certificate of another authority, TLS {version}");
        let (publisher, handle) = start(&with(&identity(&foreign)));
        assert!(wait(|| handle.counts().last_error.is_some()), "{what}");
        let said = handle.counts().last_error.unwrap();
        assert!(said.contains("accept this node's certificate"), "{what}: {said}");
        assert_eq!(handle.counts().connections, 0, "{what}");
        drop(publisher);
    }
}

#[test]
fn without_verification_any_certificate_will_do_and_the_log_says_so() {
    let authority = Authority::new("Known");
    let broker = broker(&authority.sign_expired("server", "DNS:broker.example"), "");
    let mqtt = config("mqtts", broker.port(), "insecure = true");
    assert!(mqtt.insecure());
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || written.clone()).finish();
    tracing::subscriber::with_default(subscriber, || connects("insecure", &mqtt));
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("insecure = true: the broker's certificate is not verified"), "{log}");
}

#[test]
fn a_port_of_the_other_kind_is_one_clear_line() {
    let authority = Authority::new("Known");
    let plain = Mosquitto::start("");
    let secure = broker(&authority.sign("server", HERE), "");
    fails(
        "TLS to a port without",
        &config("mqtts", plain.port(), &ca(&authority)),
        "TLS with 127.0.0.1:PORT failed: it closed the connection during the handshake; does it speak TLS on this \
         port?",
    );
    for version in ["5", "3.1.1"] {
        let (publisher, handle) = start(&config("mqtt", secure.port(), &format!("version = \"{version}\"")));
        assert!(wait(|| handle.counts().last_error.is_some()));
        let said = handle.counts().last_error.unwrap();
        assert!(said.ends_with("speaks TLS: use mqtts://"), "{version}: {said}");
        drop(publisher);
    }
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
