//! Pictures on their way: each is sent once, and its request is answered when the broker has it or will not have it.
//!
//! Part of [`super::Pending`]. A picture is retained at the broker and not kept here: one that the broker has not acknowledged
//! when the connection ends dies with it, because it may be why.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{Offer, Pending, Ticket};
use crate::name::Name;
use crate::publish::command::ReplyTo;
use crate::publish::dial::Trouble;
use crate::publish::link::{Blame, Properties, QoS};
use crate::publish::topic::Topic;
use crate::publish::{Snapshot, digest, wire};

/// How long the size of a picture after which a connection ended counts.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Room in a packet for all but the picture: topic, content type and what the profile adds.
const HEAD_BYTES: usize = 1024;

/// Pictures and what they may be.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    last_id: u64,
    waiting: VecDeque<Picture>,
    sent: Vec<Picture>,
    /// Half the size of a picture after which a connection ended, and when.
    ceiling: Option<(usize, Instant)>,
}

#[derive(Debug)]
struct Picture {
    id: u64,
    topic: Topic,
    jpeg: Vec<u8>,
    reply: ReplyTo,
    taken: wire::SnapshotTaken,
}

impl Pictures {
    /// Whether none is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    fn take_sent(&mut self, id: u64) -> Option<Picture> {
        let place = self.sent.iter().position(|picture| picture.id == id)?;
        Some(self.sent.remove(place))
    }
}

impl Pending {
    /// Bytes that a picture may have, as far as the configuration, the broker and what came of others say.
    pub(in crate::publish) fn picture_bytes(&self) -> Option<usize> {
        let broker = self.limits.max_packet_bytes.map(|bytes| bytes.saturating_sub(HEAD_BYTES));
        let ceiling =
            self.pictures.ceiling.filter(|(_, at)| at.elapsed() < REMEMBERED).map(|(bytes, _)| bytes);
        [self.mqtt.snapshot_max_bytes, broker, ceiling].into_iter().flatten().min()
    }

    /// Publishes a picture; the request for it is answered when the broker has it.
    pub(super) fn picture(&mut self, reply: ReplyTo, camera: &Name, snapshot: Snapshot) {
        let Snapshot { at, size: (width, height), jpeg } = snapshot;
        let topic = self.root.snapshot(&self.node.name, camera);
        let taken = wire::SnapshotTaken {
            camera: camera.clone(),
            topic: topic.to_string(),
            at,
            width,
            height,
            bytes: jpeg.len() as u64,
            sha256: digest::hex(&jpeg),
        };
        self.pictures.last_id += 1;
        let id = self.pictures.last_id;
        let picture = Picture { id, topic, jpeg, reply, taken };
        if self.counts.connected {
            self.pictures.waiting.push_back(picture);
        } else {
            self.picture_failed(picture, "the broker is away");
        }
    }

    pub(super) fn next_picture(&mut self) -> Option<Offer> {
        let mut picture = self.pictures.waiting.pop_front()?;
        let payload = std::mem::take(&mut picture.jpeg);
        let properties = self.renderer.properties("image/jpeg");
        let content_type = Some("image/jpeg".to_owned());
        let properties = Properties { content_type, utf8: false, ..properties };
        let topic = picture.topic.clone();
        let ticket = Ticket::Picture(picture.id, topic.clone());
        self.pictures.sent.push(picture);
        Some(Offer { ticket, topic, payload, properties, retain: true, qos: QoS::AtLeastOnce })
    }

    /// Pictures of what the node shows no more are not published.
    pub(super) fn forget_pictures(&mut self, topic: &Topic) {
        let (forgotten, waiting) =
            self.pictures.waiting.drain(..).partition(|picture| picture.topic == *topic);
        self.pictures.waiting = waiting;
        let forgotten: VecDeque<Picture> = forgotten;
        for picture in forgotten {
            self.picture_failed(picture, "the camera is shown no more");
        }
    }

    /// The broker has it.
    pub(super) fn picture_acknowledged(&mut self, id: u64) {
        if let Some(Picture { reply, taken, .. }) = self.pictures.take_sent(id) {
            self.succeed(&reply, taken);
        }
    }

    /// The broker does not want it.
    pub(super) fn picture_refused(&mut self, id: u64, why: &str) {
        if let Some(picture) = self.pictures.take_sent(id) {
            self.picture_failed(picture, why);
        }
    }

    /// The connection has ended: its pictures are gone, and perhaps they are why.
    pub(super) fn pictures_lost(&mut self, trouble: Option<&Trouble>) {
        let sent = std::mem::take(&mut self.pictures.sent);
        let waiting = std::mem::take(&mut self.pictures.waiting);
        let why = trouble.map_or("the connection was changed", |trouble| &trouble.text);
        if trouble.is_some_and(|trouble| trouble.blame != Blame::None)
            && let Some(largest) = sent.iter().max_by_key(|picture| picture.taken.bytes)
        {
            let bytes = largest.taken.bytes;
            let text = format!(
                "{why}, when a picture of {bytes} bytes was on its way: it is not sent again, and for an hour pictures have half \
                 of that at most; where the broker's limit is known, set max_bytes in [snapshot]"
            );
            self.pictures.ceiling = usize::try_from(bytes / 2).ok().map(|half| (half, Instant::now()));
            let topic = largest.topic.clone();
            self.set_aside(topic, text);
        }
        for picture in sent.into_iter().chain(waiting) {
            let why = format!("the broker had not acknowledged the picture when the connection ended: {why}");
            self.picture_failed(picture, &why);
        }
    }

    fn picture_failed(&mut self, picture: Picture, why: &str) {
        let message = format!("a picture of {} bytes was not published: {why}", picture.taken.bytes);
        self.refuse(&picture.reply, wire::ReplyError { code: wire::ErrorCode::Failed, message });
    }
}
