//! GStreamer: the elements that the cameras need, and which decoders work.

use super::{Area, Check, Verdict, kind};
use crate::capture::{DecoderInfo, decoders, elements};
use crate::config::{Config, Decoder};

/// Elements of other packages than Spotter's own needs, which are missed by those alone whose cameras need them.
const OPTIONAL: &[&str] = &["libcamerasrc", "aravissrc"];

pub(super) fn checks(config: Option<&Config>) -> Vec<Check> {
    let new = |name: &str, verdict, text: String| Check::new(Area::Gstreamer, name, verdict, text);
    let cameras = config.map(|config| &*config.cameras).unwrap_or_default();
    let sources: Vec<_> = cameras.iter().map(|camera| &camera.capture.source).collect();
    let (version, elements) = match elements(&sources) {
        Ok(found) => found,
        Err(error) => return vec![new("library", Verdict::Failure, error.to_string())],
    };
    let mut checks = vec![new("library", Verdict::Ok, version)];
    let missing: Vec<_> = elements
        .iter()
        .filter(|info| !info.installed && (info.needed || !OPTIONAL.contains(&info.name)))
        .map(|info| {
            let verdict = if info.needed { Verdict::Failure } else { Verdict::Warning };
            new(info.name, verdict, "is not installed".to_owned())
                .advise(format!("apt install {}", info.package))
        })
        .collect();
    if missing.is_empty() {
        let names: Vec<_> = elements.iter().filter(|info| info.installed).map(|info| info.name).collect();
        checks.push(new("elements", Verdict::Ok, format!("installed: {}", names.join(", "))));
    }
    checks.extend(missing);
    match decoders() {
        Ok(found) => {
            checks.extend(DecoderInfo::CODECS.map(|codec| decoding(codec, &found)));
            if cameras.iter().any(|camera| camera.capture.decoder == Decoder::Hardware) {
                let works = found.iter().any(|decoder| decoder.hardware && decoder.works.is_ok());
                let (verdict, text) = match works {
                    true => (Verdict::Ok, "a camera asks for it, and it works"),
                    false => (Verdict::Failure, "a camera asks for it, and none works"),
                };
                checks.push(new("hardware decoding", verdict, text.to_owned()));
            }
        }
        Err(error) => checks.push(new("decoders", Verdict::Failure, error.to_string())),
    }
    checks
}

/// What decodes a codec.
fn decoding(codec: &str, decoders: &[DecoderInfo]) -> Check {
    let of_codec: Vec<_> = decoders.iter().filter(|decoder| decoder.codec == codec).collect();
    let texts: Vec<String> = of_codec
        .iter()
        .map(|decoder| {
            let kind = kind(decoder.hardware);
            match &decoder.works {
                Ok(()) => format!("{} ({kind}) works", decoder.element),
                Err(why) => format!("{} ({kind}) does not work: {why}", decoder.element),
            }
        })
        .collect();
    let name = format!("decoding {codec}");
    let works = of_codec.iter().any(|decoder| decoder.works.is_ok());
    let broken_hardware = of_codec.iter().any(|decoder| decoder.hardware && decoder.works.is_err());
    let text = if texts.is_empty() { "nothing decodes it".to_owned() } else { texts.join("; ") };
    match (works, broken_hardware) {
        (true, false) => Check::new(Area::Gstreamer, name, Verdict::Ok, text),
        (true, true) => Check::new(Area::Gstreamer, name, Verdict::Warning, text)
            .advise("check the driver, and that this user is in the groups video and render"),
        // Cameras of the other codecs may not be there; those that are show it below.
        (false, _) => {
            let verdict = if codec == "h264" { Verdict::Failure } else { Verdict::Warning };
            Check::new(Area::Gstreamer, name, verdict, text)
                .advise("apt install gstreamer1.0-libav gstreamer1.0-plugins-good")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_is_there_and_does_not_work_is_worth_a_warning() {
        let decoder = |hardware, works: Result<(), &str>| DecoderInfo {
            codec: "h264",
            element: "dec".to_owned(),
            hardware,
            works: works.map_err(str::to_owned),
        };
        let verdict = |decoders: &[DecoderInfo]| decoding("h264", decoders).verdict;
        assert_eq!(verdict(&[decoder(false, Ok(()))]), Verdict::Ok);
        assert_eq!(verdict(&[decoder(true, Ok(())), decoder(false, Err("x"))]), Verdict::Ok);
        assert_eq!(verdict(&[decoder(true, Err("no device")), decoder(false, Ok(()))]), Verdict::Warning);
        assert_eq!(verdict(&[decoder(true, Err("no device"))]), Verdict::Failure);
        assert_eq!(verdict(&[]), Verdict::Failure);
    }
}
