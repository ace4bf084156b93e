//! What decodes when hardware fails: a decoder that links may still refuse what a camera sends, and decodebin would choose
//! it again with every connection.
//!
//! Pure. Only for `decoder = "auto"`: whoever asks for hardware wants to hear that it fails.

use crate::config::{Capture, Decoder};

/// So many connections in a row in which hardware decoded, and gave no frame.
const TRIES: u32 = 2;

/// Whether a camera's hardware decoder is trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fallback {
    failures: u32,
    /// The element that is trusted no more.
    failed: Option<String>,
}

impl Fallback {
    /// What to connect with, of a camera that is configured like this.
    pub(super) fn capture(&self, config: &Capture) -> Capture {
        let decoder = if self.failed.is_some() { Decoder::Software } else { config.decoder.clone() };
        Capture { decoder, ..config.clone() }
    }

    /// A connection is over that was decoded by `hardware`, if it was. True when that is trusted no more.
    pub(super) fn hear(&mut self, config: &Capture, hardware: Option<String>, gave_frames: bool) -> bool {
        let Some(element) = hardware.filter(|_| config.decoder == Decoder::Auto) else { return false };
        self.failures = if gave_frames { 0 } else { self.failures + 1 };
        if self.failures < TRIES {
            return false;
        }
        self.failed = Some(element);
        true
    }

    /// Why software decodes, when it stands in.
    pub(super) fn reason(&self) -> Option<String> {
        let element = self.failed.as_ref()?;
        Some(format!("decoded in software: {element} gave no frame {TRIES} times in a row"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Source;

    #[test]
    fn hardware_that_fails_again_and_again_is_replaced_where_that_is_allowed() {
        let source = Source::parse("rtsp://cam/1", Path::new("")).unwrap();
        let auto = Capture::of(source);
        let hardware = Capture { decoder: Decoder::Hardware, ..auto.clone() };
        let vah264dec = || Some("vah264dec".to_owned());

        let mut fallback = Fallback::default();
        assert!(!fallback.hear(&auto, vah264dec(), false));
        assert!(!fallback.hear(&auto, vah264dec(), true), "it works after all");
        assert!(!fallback.hear(&auto, None, false), "it was not even asked");
        assert!(!fallback.hear(&auto, vah264dec(), false));
        assert_eq!((fallback.capture(&auto), fallback.reason()), (auto.clone(), None));
        assert!(fallback.hear(&auto, vah264dec(), false));
        assert_eq!(fallback.capture(&auto).decoder, Decoder::Software);
        assert!(fallback.reason().is_some_and(|reason| reason.contains("vah264dec")));

        let mut fallback = Fallback::default();
        for _ in 0..5 {
            assert!(!fallback.hear(&hardware, vah264dec(), false));
        }
        assert_eq!(fallback.capture(&hardware), hardware);
    }
}
