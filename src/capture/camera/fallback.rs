//! What decodes when hardware fails: a decoder that links may still refuse what a camera sends, and decodebin would choose
//! it again with every connection.
//!
//! Pure. Only for `decoder = "auto"`: whoever asks for hardware wants to hear that it fails.

use crate::capture::flow::Fed;
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

    /// A connection is over on which `fed` was given something to decode, if anything was. True when hardware is trusted
    /// no more. What software makes no frame of either is no fault of the hardware, which gets another chance.
    pub(super) fn hear(&mut self, config: &Capture, fed: Option<Fed>, gave_frames: bool) -> bool {
        let Some(fed) = fed.filter(|_| config.decoder == Decoder::Auto) else { return false };
        if gave_frames || !fed.is_hardware {
            self.failures = 0;
            self.failed.take_if(|_| !gave_frames);
            return false;
        }
        self.failures += 1;
        let is_enough = self.failures >= TRIES;
        if is_enough {
            self.failed = Some(fed.element);
        }
        is_enough
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
        let fed = |element: &str, is_hardware| Some(Fed { element: element.to_owned(), is_hardware });
        let (vah264dec, avdec_h264) = (|| fed("vah264dec", true), || fed("avdec_h264", false));

        let mut fallback = Fallback::default();
        assert!(!fallback.hear(&auto, vah264dec(), false));
        assert!(!fallback.hear(&auto, vah264dec(), true), "it works after all");
        assert!(!fallback.hear(&auto, None, false), "it was not even asked");
        assert!(!fallback.hear(&auto, vah264dec(), false));
        assert_eq!((fallback.capture(&auto), fallback.reason()), (auto.clone(), None));
        assert!(fallback.hear(&auto, vah264dec(), false));
        assert_eq!(fallback.capture(&auto).decoder, Decoder::Software);
        assert!(fallback.reason().is_some_and(|reason| reason.contains("vah264dec")));
        assert!(!fallback.hear(&auto, avdec_h264(), true));
        assert!(!fallback.hear(&auto, None, false), "the network is gone");
        assert_eq!(fallback.capture(&auto).decoder, Decoder::Software);
        assert!(!fallback.hear(&auto, avdec_h264(), false));
        assert_eq!((fallback.capture(&auto), fallback.reason()), (auto.clone(), None), "it was the stream");
        assert!(!fallback.hear(&auto, vah264dec(), false));
        assert!(fallback.hear(&auto, vah264dec(), false));

        let mut fallback = Fallback::default();
        for _ in 0..5 {
            assert!(!fallback.hear(&hardware, vah264dec(), false));
        }
        assert_eq!(fallback.capture(&hardware), hardware);
    }
}
