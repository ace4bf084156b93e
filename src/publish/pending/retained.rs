//! What the broker keeps for those who come later: of each topic the newest version, sent to every connection.
//!
//! Home Assistant hears first what to show and what to forget, then how that is; and what is cleared goes last, when the
//! broker has what Home Assistant needs to know. So it never reads a state by what it was told before.
//!
//! Values only. Part of [`super`].

use std::time::Instant;

use crate::publish::topic::Topic;
use crate::publish::wire::{DeviceDiscovery, Message};

/// Retained messages by topic: as many as there are cameras and zones, and a few.
#[derive(Debug, Default)]
pub(super) struct Retained(Vec<Item>);

#[derive(Debug)]
struct Item {
    topic: Topic,
    content: Content,
    standing: Standing,
    /// Not before this.
    from: Option<Instant>,
}

/// What is to be kept at a topic.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are messages, and there are few")]
pub(super) enum Content {
    /// A message of the contract.
    Message(Message),
    /// What Home Assistant is told.
    Discovery(DeviceDiscovery),
    /// Nothing: Home Assistant forgets the node.
    Withdrawn,
    /// Nothing: whatever lies there goes.
    Cleared,
}

impl Content {
    /// Smaller goes first.
    fn rank(&self) -> u8 {
        match self {
            Content::Discovery(_) | Content::Withdrawn => 0,
            Content::Message(_) => 1,
            Content::Cleared => 2,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unsent,
    /// Handed to the connection; whether it has arrived is the connection's to know.
    Sent,
    Arrived,
    Refused,
}

impl Retained {
    /// Replaces what a topic holds.
    pub(super) fn set(&mut self, topic: Topic, content: Content) {
        self.put(Item { topic, content, standing: Standing::Unsent, from: None });
    }

    /// Clears a topic, but not before `from`.
    pub(super) fn clear(&mut self, topic: Topic, from: Instant) {
        self.put(Item { topic, content: Content::Cleared, standing: Standing::Unsent, from: Some(from) });
    }

    fn put(&mut self, new: Item) {
        match self.0.iter_mut().find(|item| item.topic == new.topic) {
            Some(item) => *item = new,
            None => self.0.push(new),
        }
    }

    /// Every message of the contract.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.0.iter().filter_map(|item| match &item.content {
            Content::Message(message) => Some(message),
            _ => None,
        })
    }

    /// Changes messages, all of which are to be sent again then.
    pub(super) fn change(&mut self, mut change: impl FnMut(&mut Message)) {
        for item in &mut self.0 {
            if let Content::Message(message) = &mut item.content {
                change(message);
                item.standing = Standing::Unsent;
            }
        }
    }

    /// Every topic at which something is to be kept or cleared.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.0.iter().map(|item| &item.topic)
    }

    /// Every topic that is to be cleared.
    pub(super) fn cleared(&self) -> impl Iterator<Item = &Topic> {
        self.0.iter().filter(|item| item.content == Content::Cleared).map(|item| &item.topic)
    }

    /// Keeps messages at other topics, where they are to be sent; whatever has none is forgotten.
    pub(super) fn move_to(&mut self, topic: impl Fn(&Message) -> Option<Topic>) {
        let moved = std::mem::take(&mut self.0).into_iter().filter_map(|Item { content, .. }| {
            let Content::Message(message) = &content else { return None };
            topic(message).map(|topic| Item { topic, content, standing: Standing::Unsent, from: None })
        });
        self.0 = moved.collect();
    }

    /// What is to be sent next, in the order in which topics were met.
    pub(super) fn next(&mut self, now: Instant) -> Option<(Topic, Content)> {
        let is_told = self.is_told();
        let may = |item: &&mut Item| {
            item.standing == Standing::Unsent
                && (item.content.rank() < Content::Cleared.rank()
                    || (is_told && item.from.is_none_or(|from| now >= from)))
        };
        let item = self.0.iter_mut().filter(may).min_by_key(|item| item.content.rank())?;
        item.standing = Standing::Sent;
        Some((item.topic.clone(), item.content.clone()))
    }

    /// When there is more to send although nothing new has come.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let waits = self.0.iter().filter(|item| item.standing == Standing::Unsent);
        waits.filter_map(|item| item.from).min().filter(|_| self.is_told())
    }

    /// Whether the broker has, or refuses, all that Home Assistant is to know.
    fn is_told(&self) -> bool {
        let on_its_way = |item: &Item| matches!(item.standing, Standing::Unsent | Standing::Sent);
        !self.0.iter().any(|item| item.content.rank() == 0 && on_its_way(item))
    }

    /// The broker has it, or can never take it.
    pub(super) fn done(&mut self, topic: &Topic) {
        let Some(at) = self.0.iter().position(|item| item.topic == *topic && item.standing == Standing::Sent)
        else {
            return;
        };
        match self.0[at].content {
            Content::Withdrawn | Content::Cleared => drop(self.0.remove(at)),
            Content::Message(_) | Content::Discovery(_) => self.0[at].standing = Standing::Arrived,
        }
    }

    /// The broker does not want it now. A newer version may already wait: it is tried in its own right.
    pub(super) fn refused(&mut self, topic: &Topic) {
        for item in self.0.iter_mut().filter(|item| item.topic == *topic && item.standing == Standing::Sent) {
            item.standing = Standing::Refused;
        }
    }

    /// What was refused may be tried again.
    pub(super) fn retry(&mut self) {
        for item in self.0.iter_mut().filter(|item| item.standing == Standing::Refused) {
            item.standing = Standing::Unsent;
        }
    }

    /// What a topic holds is to be sent again.
    pub(super) fn repeat(&mut self, topic: &Topic) {
        for item in self.0.iter_mut().filter(|item| item.topic == *topic) {
            item.standing = Standing::Unsent;
        }
    }

    /// Everything is to be sent again.
    pub(super) fn send_all(&mut self) {
        self.0.iter_mut().for_each(|item| item.standing = Standing::Unsent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::publish::topic::Root;

    fn topic(camera: &str) -> Topic {
        let name = |text| Name::new(text).unwrap();
        Root::new("spotter/v1").unwrap().snapshot(&name("edge-1"), &name(camera))
    }

    fn sent(retained: &mut Retained) -> Vec<Topic> {
        std::iter::from_fn(|| retained.next(Instant::now())).map(|(topic, _)| topic).collect()
    }

    #[test]
    fn what_is_sent_once_goes_when_it_has_arrived() {
        let mut retained = Retained::default();
        retained.set(topic("a"), Content::Cleared);
        retained.set(topic("b"), Content::Cleared);
        assert_eq!(sent(&mut retained), [topic("a"), topic("b")]);
        retained.done(&topic("a"));
        retained.send_all();
        assert_eq!(sent(&mut retained), [topic("b")]);
        // A newer version came before the older one had arrived.
        retained.set(topic("b"), Content::Cleared);
        retained.done(&topic("b"));
        assert_eq!(sent(&mut retained), [topic("b")]);
    }

    #[test]
    fn what_was_refused_waits_for_its_time() {
        let mut retained = Retained::default();
        retained.set(topic("a"), Content::Cleared);
        sent(&mut retained);
        retained.refused(&topic("a"));
        assert_eq!(sent(&mut retained), []);
        retained.retry();
        assert_eq!(sent(&mut retained), [topic("a")]);
    }
}
