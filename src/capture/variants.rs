//! Which variant of an HLS stream is played: by `max_width`, read from its master playlist.
//!
//! GStreamer's `hlsdemux` begins with the variant that is listed first and then takes what the network lets through, by
//! bandwidth and not by size. It keeps to one variant when its property `connection-speed` names that one's bandwidth, so
//! that is set as soon as the playlist is there and before the element reads it.

use std::cmp::Reverse;
use std::sync::Mutex;

use gstreamer as gst;
use gstreamer::prelude::*;

use super::flow::stateful;

/// The element that plays HLS.
const HLS: &str = "hlsdemux";
/// A longer playlist is none of variants.
const LONGEST_PLAYLIST: usize = 256 * 1024;
/// What codecs of sound begin with (RFC 6381).
const SOUND: [&str; 7] = ["mp4a", "ac-3", "ec-3", "Opus", "opus", "fLaC", "flac"];

/// A variant of a master playlist (RFC 8216, section 4.3.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Variant {
    /// Bits per second at most.
    bandwidth: u64,
    /// Width in pixels, where the playlist says it.
    width: Option<u32>,
}

/// Has each HLS stream of `pipeline` play the variant that [`preferred`] chooses.
pub(super) fn choose(pipeline: &gst::Pipeline, max_width: u32) {
    pipeline.connect_deep_element_added(move |_, _, element| {
        let is_hls = element.factory().is_some_and(|factory| factory.name() == HLS);
        if let Some(pad) = element.static_pad("sink").filter(|_| is_hls) {
            read_playlist(&pad, max_width);
        }
    });
}

/// Reads what passes `pad` up to its end, and tells the element behind it what to play.
fn read_playlist(pad: &gst::Pad, max_width: u32) {
    let playlist = Mutex::new(Vec::new());
    let probe = move |pad: &gst::Pad, info: &mut gst::PadProbeInfo<'_>| {
        let Ok(mut playlist) = playlist.lock() else { return gst::PadProbeReturn::Remove };
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                if let Ok(bytes) = buffer.map_readable() {
                    playlist.extend_from_slice(&bytes);
                }
            }
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                let read = std::mem::take(&mut *playlist);
                let chosen = preferred(&variants(&String::from_utf8_lossy(&read)), max_width);
                if let (Some(chosen), Some(hls)) = (chosen, pad.parent_element()) {
                    tracing::debug!(?chosen, max_width, "a variant of the HLS stream is chosen");
                    let kbps = u32::try_from(chosen.bandwidth.div_ceil(1000)).unwrap_or(u32::MAX);
                    hls.set_property("connection-speed", kbps);
                }
            }
            _ => {}
        }
        if playlist.len() > LONGEST_PLAYLIST { gst::PadProbeReturn::Remove } else { gst::PadProbeReturn::Ok }
    };
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, stateful(probe));
}

/// The variants that a master playlist lists with video; none in a playlist of segments.
fn variants(playlist: &str) -> Vec<Variant> {
    let lines = playlist.lines().filter_map(|line| line.trim().strip_prefix("#EXT-X-STREAM-INF:"));
    lines.filter_map(variant).collect()
}

/// Nothing for sound alone, or without a bandwidth, which is required.
fn variant(attributes: &str) -> Option<Variant> {
    let (mut bandwidth, mut width, mut is_sound) = (None, None, false);
    for (name, value) in each_attribute(attributes) {
        match name {
            "BANDWIDTH" => bandwidth = value.parse().ok(),
            "RESOLUTION" => width = value.split(['x', 'X']).next().and_then(|width| width.parse().ok()),
            "CODECS" => {
                is_sound =
                    value.split(',').all(|codec| SOUND.iter().any(|sound| codec.trim().starts_with(sound)));
            }
            _ => {}
        }
    }
    bandwidth.filter(|_| width.is_some() || !is_sound).map(|bandwidth| Variant { bandwidth, width })
}

/// Names and values of an attribute list (RFC 8216, section 4.2); a quoted value may hold commas.
fn each_attribute(list: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut is_quoted = false;
    list.split(move |letter| {
        is_quoted ^= letter == '"';
        letter == ',' && !is_quoted
    })
    .filter_map(|attribute| attribute.split_once('='))
    .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
}

/// The widest variant that is not wider than `max_width`, else the least wide one; where no width is known, and among
/// equal ones, that with the greatest bandwidth.
fn preferred(variants: &[Variant], max_width: u32) -> Option<Variant> {
    let order = |variant: &Variant| (width_order(variant.width, max_width), variant.bandwidth);
    variants.iter().copied().max_by_key(order)
}

/// The order in which pictures of different widths are wanted; the greatest is wanted most. One of unknown width is wanted
/// least.
pub(super) fn width_order(width: Option<u32>, max_width: u32) -> impl Ord {
    width.map(|width| if width <= max_width { (true, Reverse(0), width) } else { (false, Reverse(width), 0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:3\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",URI=\"a.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=400000,RESOLUTION=320x240,CODECS=\"avc1.42c00d,mp4a.40.2\"\nlow.m3u8\n\
        #EXT-X-STREAM-INF:CODECS=\"avc1.640028,mp4a.40.2\",RESOLUTION=1920x1080 , BANDWIDTH=5000000\r\nhigh.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1,RESOLUTION=1280x720\nmiddle.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.2\"\nsound.m3u8\n\
        #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9000000,RESOLUTION=3840x2160,URI=\"keys.m3u8\"\n";

    fn chosen(playlist: &str, max_width: u32) -> Option<u64> {
        preferred(&variants(playlist), max_width).map(|variant| variant.bandwidth)
    }

    #[test]
    fn the_widest_that_is_not_too_wide_is_chosen() {
        for (max_width, bandwidth) in [
            (16, 400_000),
            (320, 400_000),
            (1279, 400_000),
            (1280, 2_000_000),
            (1920, 5_000_000),
            (8192, 5_000_000),
        ] {
            assert_eq!(chosen(MASTER, max_width), Some(bandwidth), "{max_width}");
        }
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let mut blocks: Vec<&str> = MASTER.split_inclusive("m3u8\n").collect();
        blocks.reverse();
        assert_eq!(chosen(&blocks.concat(), 1300), Some(2_000_000));
    }

    #[test]
    fn without_sizes_bandwidth_decides_and_sound_alone_is_left_out() {
        let list = |lines: &[&str]| {
            lines.iter().map(|line| format!("#EXT-X-STREAM-INF:{line}\na.m3u8\n")).collect::<String>()
        };
        assert_eq!(chosen(&list(&["BANDWIDTH=1", "BANDWIDTH=3", "BANDWIDTH=2"]), 640), Some(3));
        let sound = "BANDWIDTH=9,CODECS=\"mp4a.40.2\"";
        assert_eq!(chosen(&list(&[sound, "BANDWIDTH=3"]), 640), Some(3));
        assert_eq!(chosen(&list(&[sound]), 640), None);
        let sizes = ["BANDWIDTH=1,RESOLUTION=640x360", "BANDWIDTH=4,RESOLUTION=640x360", "BANDWIDTH=9"];
        assert_eq!(chosen(&list(&sizes), 1920), Some(4), "the better of two equal ones");
    }

    #[test]
    fn a_playlist_of_segments_has_no_variants() {
        assert_eq!(chosen("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\na.ts\n", 640), None);
        assert_eq!(chosen("#EXT-X-STREAM-INF:RESOLUTION=640x360\na.m3u8\n", 640), None);
    }
}
