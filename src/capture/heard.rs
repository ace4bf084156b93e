//! What a pipeline says beside its frames, for the words of its failure: a certificate that was refused, a plug-in that
//! GStreamer misses, what a web server calls what it sends.
//!
//! The error that follows says none of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gio::prelude::*;
use gstreamer as gst;
use gstreamer::prelude::*;

use super::description::RTSP;
use super::pictures::Came;

/// Heard on GStreamer's threads. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Notes>>);

/// What was heard so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    /// What is wrong with the certificate that the camera has shown, as in "its certificate has expired".
    pub(super) certificate: Option<String>,
    /// The plug-in that GStreamer misses.
    pub(super) missing: Option<Missing>,
    /// What a web server calls what it sends.
    pub(super) content_type: Option<String>,
    /// What has come of a web server's last answer, where that is looked at; see [`super::pictures`].
    pub(super) came: Option<Came>,
}

/// A plug-in that GStreamer misses.
#[derive(Clone, Debug)]
pub(super) struct Missing {
    /// The type of what it would take, such as `video/x-h265`.
    pub(super) media: String,
    /// GStreamer's own words for it, such as "H.265 decoder".
    pub(super) name: String,
}

impl Heard {
    /// Listens to a pipeline whose encoded video enters its decoders at `give`.
    pub(super) fn listen(pipeline: &gst::Pipeline, give: &gst::Pad) -> Self {
        let heard = Heard::default();
        if let Some(rtsp) = pipeline.by_name(RTSP).filter(|rtsp| rtsp.has_property("tls-validation-flags")) {
            let notes = heard.clone();
            rtsp.connect("accept-certificate", false, move |values| {
                let certificate = values.get(2).and_then(|value| value.get::<gio::TlsCertificate>().ok());
                let flags = values.get(3).and_then(|value| value.get::<gio::TlsCertificateFlags>().ok());
                let flags = flags.unwrap_or(gio::TlsCertificateFlags::GENERIC_ERROR);
                notes.lock().certificate = Some(fault_of_certificate(certificate.as_ref(), flags));
                Some(false.to_value())
            });
        }
        let notes = heard.clone();
        give.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if let Some(content_type) = info.event().and_then(content_type) {
                notes.lock().content_type = Some(content_type);
            }
            gst::PadProbeReturn::Ok
        });
        heard
    }

    /// Takes a message of an element.
    pub(super) fn hear(&self, message: &gst::message::Element) {
        let Some(structure) = message.structure().filter(|structure| structure.name() == "missing-plugin")
        else {
            return;
        };
        let media = match structure.get::<gst::Caps>("detail") {
            Ok(caps) => caps.structure(0).map(|caps| caps.name().to_string()),
            Err(_) => structure.get::<String>("detail").ok(),
        };
        let name = structure.get::<String>("name").unwrap_or_default();
        self.lock().missing = Some(Missing { media: media.unwrap_or_default(), name });
    }

    pub(super) fn notes(&self) -> Notes {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the HTTP source passes on of the server's headers.
fn content_type(event: &gst::Event) -> Option<String> {
    let structure = event.structure().filter(|structure| structure.name() == "http-headers")?;
    let headers = structure.get::<gst::Structure>("response-headers").ok()?;
    let name = headers.fields().find(|name| name.eq_ignore_ascii_case("content-type"))?;
    headers.get::<String>(name.as_str()).ok()
}

/// What is wrong with a certificate, as in "its certificate has expired".
pub(super) fn fault_of_certificate(
    certificate: Option<&gio::TlsCertificate>,
    flags: gio::TlsCertificateFlags,
) -> String {
    // GLib has these since 2.70.
    let name = |property: &str| {
        let certificate = certificate.filter(|certificate| certificate.has_property(property))?;
        certificate.property::<Option<String>>(property)
    };
    let signed_itself = name("issuer-name").is_some() && name("issuer-name") == name("subject-name");
    let unknown = if signed_itself {
        "is self-signed"
    } else {
        "is signed by an authority that this machine does not know"
    };
    use gio::TlsCertificateFlags as Flags;
    let faults = [
        (Flags::UNKNOWN_CA, unknown),
        (Flags::BAD_IDENTITY, "is for another name than the address has"),
        (Flags::EXPIRED, "has expired"),
        (Flags::NOT_ACTIVATED, "is not valid yet, by this machine's clock"),
        (Flags::REVOKED, "is revoked"),
        (Flags::INSECURE, "uses a method that is not safe any more"),
    ];
    let told: Vec<&str> =
        faults.into_iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, words)| words).collect();
    if told.is_empty() { "cannot be verified".to_owned() } else { told.join(" and ") }
}
