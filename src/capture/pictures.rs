//! Pictures over HTTP: MJPEG as firmwares write it, and addresses that give a single picture, which are asked again and
//! again.
//!
//! A probe behind the element that speaks HTTP hands on whole JPEG pictures and nothing else, where the server says or the
//! first bytes show that these come; all else passes as it is. Set up by [`super::stream`].

mod answer;
mod came;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use answer::Answer;
pub(super) use came::{Came, WEB_PAGE};

/// Name of the element that speaks HTTP, where there is one.
pub(super) const HTTP: &str = "http";
/// Name of the event in which it says what the server has answered.
const HEADERS: &str = "http-headers";
/// What a probe answers to have its buffer or event dropped; see `flow.rs`.
const DROPPED: gst::PadProbeReturn = gst::PadProbeReturn::Handled;

/// Asks for a single picture again and again, on a thread of its own, where the address gives one. Dropping it ends that.
pub(super) struct Polling {
    answer: Arc<Mutex<Answer>>,
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

/// Sets the probe up where `pipeline` has an element that speaks HTTP. A single picture is asked for again `every` so often,
/// counted from one request to the next, and no sooner than the last has come.
pub(super) fn watch(pipeline: &gst::Pipeline, every: Duration) -> Option<Polling> {
    let http = pipeline.by_name(HTTP)?;
    let pad = http.static_pad("src")?;
    let (orders, next) = mpsc::sync_channel(2);
    let answer = Arc::new(Mutex::new(Answer::default()));
    let what = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    let (asking, heard) = (orders.clone(), Arc::clone(&answer));
    pad.add_probe(what, move |pad, info| probe(pad, info, &heard, &asking));
    let element = http.downgrade();
    let thread = std::thread::Builder::new()
        .name("camera-poll".to_owned())
        .spawn(move || poll(&element, every, &next))
        .inspect_err(|error| tracing::warn!(%error, "no thread to ask for pictures"))
        .ok()?;
    Some(Polling { answer, orders, thread: Some(thread) })
}

impl Polling {
    /// What has come of the last answer.
    pub(super) fn came(&self) -> Came {
        lock(&self.answer).came()
    }
}

fn probe(
    pad: &gst::Pad,
    info: &mut gst::PadProbeInfo<'_>,
    answer: &Mutex<Answer>,
    orders: &SyncSender<Order>,
) -> gst::PadProbeReturn {
    if let Some(buffer) = info.buffer_mut() {
        let mut answer = lock(answer);
        answer.at = buffer.pts();
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
            let (last, at, is_picture) = {
                let mut answer = lock(answer);
                (answer.finish(), answer.at, answer.is_picture())
            };
            if let Some((last, behind)) = last.zip(pad.peer()) {
                // This pad takes no buffer behind its end. The one behind it has not heard of that yet.
                let taken = behind.chain(made(last, at));
                tracing::trace!(?taken, "a picture without an end");
            }
            if is_picture && orders.try_send(Order::Ask).is_ok() {
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
