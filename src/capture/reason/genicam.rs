//! What Aravis's element says of a camera, in words that say what to do.

use gstreamer::glib;

/// What an error of the element means; nothing when it means what it says.
pub(super) fn reason(error: &glib::Error, detail: Option<&str>) -> Option<Reason> {
    let text = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.to_lowercase().contains(word));
    if says(&["controller privilege", "access-denied", "access denied", "busy"]) {
        let why = "another program or host controls it, or one that ended did a moment ago (a camera waits for that one's signs \
                   of life for some seconds)";
        return Some(Reason::Held(format!("{why}: {text}")));
    }
    let reason = match detail {
        Some("streaming stopped, reason error (-5)") => {
            "no whole frame came for 2 seconds or more: the camera or its link is gone, it waits for a trigger, or packets are \
             lost on the way (packet_size, and the receive buffer: see the operator's guide)"
        }
        Some("streaming stopped, reason not-negotiated (-4)") => {
            "it cannot give what is configured: pixel_format, width, height or frame_rate"
        }
        _ if says(&["could not find camera"]) => {
            return Some(Reason::Other(format!("the camera does not answer: {text}")));
        }
        _ if says(&["write_register timeout", "read_register timeout", "read_memory timeout"]) => {
            return Some(Reason::Other(format!(
                "the camera answers no more, or another host controls it: {text}"
            )));
        }
        _ => return None,
    };
    Some(Reason::Other(reason.to_owned()))
}

/// Why a camera gives nothing.
pub(super) enum Reason {
    /// Somebody else has it.
    Held(String),
    /// Anything else.
    Other(String),
}
