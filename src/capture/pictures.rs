//! Pictures over HTTP: MJPEG as firmwares write it, and addresses that give a single picture, which are asked again and
//! again.
//!
//! A probe behind the element that speaks HTTP hands on whole JPEG pictures and nothing else, where the server says or the
//! first bytes show that these come; all else passes as it is. Set up by [`super::stream`].

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use super::jpegs::Jpegs;

/// Name of the element that speaks HTTP, where there is one.
pub(super) const HTTP: &str = "http";
/// Name of the event in which it says what the server has answered.
const HEADERS: &str = "http-headers";
/// GStreamer looks at what comes only when it has this many bytes, for which it would wait for several small pictures. Zeros
/// behind the first one are skipped.
const TELLING: usize = 2048;
/// What a probe answers to have its buffer or event dropped; see `flow.rs`.
const DROPPED: gst::PadProbeReturn = gst::PadProbeReturn::Handled;

/// Asks for a single picture again and again, on a thread of its own, where the address gives one. Dropping it ends that.
pub(super) struct Polling {
    orders: SyncSender<Order>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is told. At most one of each is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The picture has come: ask for the next.
    Ask,
    /// End.
    Stop,
}

/// What comes from the server.
#[derive(Default)]
struct Answer {
    /// What the server calls it, in small letters and without parameters.
    content_type: String,
    content: Content,
    /// Whether a picture has come, of this answer or one before.
    has_begun: bool,
    /// Whether a picture that the probe itself pushes passes it.
    passes: bool,
}

#[derive(Default)]
enum Content {
    /// Nothing has come.
    #[default]
    Unknown,
    /// JPEG pictures, of which there were so many pieces with an end.
    Jpegs(Jpegs, u64),
    /// Anything else.
    Other,
}

impl Answer {
    fn hear(&mut self, headers: &gst::StructureRef) {
        let Ok(response) = headers.get::<gst::Structure>("response-headers") else { return };
        let is_type = |name: &str| name.eq_ignore_ascii_case("content-type");
        let value =
            response.iter().find(|(name, _)| is_type(name)).and_then(|(_, value)| value.get::<String>().ok());
        let value = value.unwrap_or_default().to_ascii_lowercase();
        self.content_type = value.split(';').next().unwrap_or_default().trim().to_owned();
        self.content = Content::Unknown;
    }

    /// Whether `first`, the first bytes, or what the server calls them, promise JPEG pictures.
    fn has_jpegs(&self, first: &[u8]) -> bool {
        let named = self.content_type.as_str();
        named.starts_with("multipart/")
            || ["jpeg", "jpg"].iter().any(|jpeg| named.contains(jpeg))
            || first.starts_with(&[0xff, 0xd8, 0xff])
            || first.trim_ascii_start().starts_with(b"--")
    }

    /// Whether this was a single picture.
    fn is_picture(&self) -> bool {
        match self.content {
            Content::Unknown => false,
            Content::Jpegs(_, count) => count == 1 && !self.content_type.starts_with("multipart/"),
            Content::Other => self.content_type.starts_with("image/"),
        }
    }

    /// What takes the place of a piece; nothing when the piece stays as it is.
    fn read(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        if matches!(self.content, Content::Unknown) && !piece.is_empty() {
            let has_jpegs = self.has_jpegs(piece);
            self.content = if has_jpegs { Content::Jpegs(Jpegs::default(), 0) } else { Content::Other };
        }
        match &mut self.content {
            Content::Jpegs(jpegs, count) => {
                let mut pictures = jpegs.read(piece);
                *count += u64::from(!pictures.is_empty());
                if !pictures.is_empty() && !std::mem::replace(&mut self.has_begun, true) {
                    pictures.resize(pictures.len().max(TELLING), 0);
                }
                Some(pictures)
            }
            Content::Unknown | Content::Other => None,
        }
    }

    /// A last picture whose end the server has left out.
    fn finish(&mut self) -> Option<Vec<u8>> {
        let Content::Jpegs(jpegs, count) = &mut self.content else { return None };
        let picture = jpegs.finish()?;
        *count += 1;
        Some(picture)
    }
}

/// Sets the probe up where `pipeline` has an element that speaks HTTP. A single picture is asked for again `every` so often,
/// counted from one request to the next, and no sooner than the last has come.
pub(super) fn watch(pipeline: &gst::Pipeline, every: Duration) -> Option<Polling> {
    let http = pipeline.by_name(HTTP)?;
    let pad = http.static_pad("src")?;
    let (orders, next) = mpsc::sync_channel(2);
    let answer = Arc::new(Mutex::new(Answer::default()));
    let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    let asking = orders.clone();
    pad.add_probe(what, move |pad, info| probe(pad, info, &answer, &asking));
    let element = http.downgrade();
    let thread = std::thread::Builder::new()
        .name("camera-poll".to_owned())
        .spawn(move || poll(&element, every, &next))
        .inspect_err(|error| tracing::warn!(%error, "no thread to ask for pictures"))
        .ok()?;
    Some(Polling { orders, thread: Some(thread) })
}

fn probe(
    pad: &gst::Pad,
    info: &mut gst::PadProbeInfo<'_>,
    answer: &Mutex<Answer>,
    orders: &SyncSender<Order>,
) -> gst::PadProbeReturn {
    if let Some(buffer) = info.buffer_mut() {
        let mut answer = lock(answer);
        if answer.passes {
            return gst::PadProbeReturn::Ok;
        }
        let pictures = buffer.map_readable().ok().and_then(|piece| answer.read(&piece));
        return match pictures {
            None => gst::PadProbeReturn::Ok,
            Some(pictures) if pictures.is_empty() => DROPPED,
            Some(pictures) => {
                *buffer = made(pictures, buffer.pts());
                gst::PadProbeReturn::Ok
            }
        };
    }
    let Some(gst::PadProbeData::Event(event)) = &info.data else { return gst::PadProbeReturn::Ok };
    match event.view() {
        gst::EventView::CustomDownstreamSticky(custom) => {
            if let Some(headers) = custom.structure().filter(|headers| headers.name() == HEADERS) {
                lock(answer).hear(headers);
            }
            gst::PadProbeReturn::Ok
        }
        gst::EventView::Eos(_) => {
            let last = lock(answer).finish();
            if let Some(last) = last {
                lock(answer).passes = true;
                let pushed = pad.push(made(last, None));
                tracing::trace!(?pushed, "a picture without an end");
                lock(answer).passes = false;
            }
            if lock(answer).is_picture() && orders.try_send(Order::Ask).is_ok() {
                return DROPPED;
            }
            gst::PadProbeReturn::Ok
        }
        _ => gst::PadProbeReturn::Ok,
    }
}

fn made(pictures: Vec<u8>, at: Option<gst::ClockTime>) -> gst::Buffer {
    let mut buffer = gst::Buffer::from_slice(pictures);
    if let Some(buffer) = buffer.get_mut() {
        buffer.set_pts(at);
    }
    buffer
}

/// Steps are whole after each, so a poisoned lock is as good as any.
fn lock(answer: &Mutex<Answer>) -> MutexGuard<'_, Answer> {
    answer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the element ask anew each time that a picture has come.
fn poll(element: &gst::glib::WeakRef<gst::Element>, every: Duration, next: &Receiver<Order>) {
    let mut asked = Instant::now();
    while next.recv() == Ok(Order::Ask) {
        let pause = every.saturating_sub(asked.elapsed());
        // Nothing but the order to stop comes before the element has asked.
        if next.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        asked = Instant::now();
        let Some(element) = element.upgrade() else { return };
        if let Err(error) = element.set_state(gst::State::Ready) {
            tracing::debug!(%error, "the element that asks for pictures does not stop");
        }
        if let Err(error) = element.sync_state_with_parent() {
            tracing::debug!(%error, "the element that asks for pictures does not start");
        }
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        // There is room for it, or the thread has ended.
        let told = self.orders.try_send(Order::Stop);
        tracing::trace!(?told, "no more pictures");
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that asks for pictures has panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content_type: &str) -> Answer {
        gst::init().unwrap();
        let response =
            gst::Structure::builder("response-headers").field("content-TYPE", content_type).build();
        let headers = gst::Structure::builder(HEADERS).field("response-headers", response).build();
        let mut answer = Answer::default();
        answer.hear(&headers);
        answer
    }

    const JPEG: &[u8] = b"\xff\xd8\xff\xda\0\x02abc\xff\xd9";

    #[test]
    fn what_comes_is_known_by_its_name_or_its_first_bytes() {
        for (content_type, first, has_jpegs) in [
            ("multipart/x-mixed-replace;boundary=\"a\"", &b"Content-Type: image/jpeg"[..], true),
            ("Multipart/Mixed", b"x", true),
            ("image/jpg", b"x", true),
            ("image/pjpeg", b"x", true),
            ("video/x-motion-jpeg", b"x", true),
            ("video/x-mjpg", b"x", true),
            ("application/octet-stream", JPEG, true),
            ("", b"\r\n--boundary\r\n", true),
            ("text/html", b"<html>", false),
            ("video/mp4", b"\0\0\0\x18ftypmp42", false),
            ("application/octet-stream", b"FLV\x01", false),
        ] {
            assert_eq!(answer(content_type).has_jpegs(first), has_jpegs, "{content_type} {first:?}");
        }
    }

    #[test]
    fn a_single_picture_is_told_from_a_stream() {
        let two = [JPEG, JPEG].concat();
        for (content_type, pieces, is_picture) in [
            ("image/jpeg", &[JPEG][..], true),
            ("image/jpeg", &[&JPEG[..4], &JPEG[4..]], true),
            ("image/jpeg", &[&JPEG[..8]], true),
            ("application/octet-stream", &[JPEG], true),
            ("image/png", &[b"\x89PNG"], true),
            ("multipart/x-mixed-replace", &[JPEG], false),
            ("image/jpeg", &[JPEG, JPEG], false),
            ("image/jpeg", &[b"<html>"], false),
            ("video/mp4", &[b"ftyp"], false),
            ("image/jpeg", &[], false),
        ] {
            let mut answer = answer(content_type);
            for piece in pieces {
                answer.read(piece);
            }
            answer.finish();
            assert_eq!(answer.is_picture(), is_picture, "{content_type} {pieces:?}");
        }
        let mut answers = answer("image/jpeg");
        let first = answers.read(&two).unwrap();
        assert!(first.starts_with(&two) && first.len() == TELLING, "there is enough to tell what it is");
        assert_eq!(answers.read(&two), Some(two));
        assert_eq!(answer("video/mp4").read(b"ftyp"), None);
    }
}
