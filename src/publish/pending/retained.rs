//! What the broker keeps for those who come later: of each topic the newest version, sent to every connection.
//!
//! Values only. Part of [`super`].

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
}

/// What is to be kept at a topic.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are messages, and there are few")]
pub(super) enum Content {
    /// A message of the contract.
    Message(Message),
    /// What Home Assistant is told.
    Discovery(DeviceDiscovery),
    /// A picture. Sent once: a connection that comes later may take the broker's own copy.
    Jpeg(Vec<u8>),
    /// Nothing: whatever lies there goes.
    Cleared,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Unsent,
    /// Handed to the connection; whether it has arrived is the connection's to know.
    Sent,
    Refused,
}

impl Retained {
    /// Replaces what a topic holds.
    pub(super) fn set(&mut self, topic: Topic, content: Content) {
        let standing = Standing::Unsent;
        match self.0.iter_mut().find(|item| item.topic == topic) {
            Some(item) => (item.content, item.standing) = (content, standing),
            None => self.0.push(Item { topic, content, standing }),
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

    /// Keeps messages at other topics, where they are to be sent; whatever has none is forgotten.
    pub(super) fn move_to(&mut self, topic: impl Fn(&Message) -> Option<Topic>) {
        let standing = Standing::Unsent;
        let moved = std::mem::take(&mut self.0).into_iter().filter_map(|Item { content, .. }| {
            let Content::Message(message) = &content else { return None };
            topic(message).map(|topic| Item { topic, content, standing })
        });
        self.0 = moved.collect();
    }

    /// What is to be sent next, in the order in which topics were met.
    pub(super) fn next(&mut self) -> Option<(Topic, Content)> {
        let item = self.0.iter_mut().find(|item| item.standing == Standing::Unsent)?;
        item.standing = Standing::Sent;
        Some((item.topic.clone(), item.content.clone()))
    }

    /// The broker has it.
    pub(super) fn acknowledged(&mut self, topic: &Topic) {
        let is_done = |item: &Item| {
            item.topic == *topic
                && item.standing == Standing::Sent
                && matches!(item.content, Content::Jpeg(_) | Content::Cleared)
        };
        self.0.retain(|item| !is_done(item));
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
        std::iter::from_fn(|| retained.next()).map(|(topic, _)| topic).collect()
    }

    #[test]
    fn what_is_sent_once_goes_when_it_has_arrived() {
        let mut retained = Retained::default();
        retained.set(topic("a"), Content::Jpeg(vec![1]));
        retained.set(topic("b"), Content::Cleared);
        assert_eq!(sent(&mut retained), [topic("a"), topic("b")]);
        retained.acknowledged(&topic("a"));
        retained.send_all();
        assert_eq!(sent(&mut retained), [topic("b")]);
        // A newer version came before the older one had arrived.
        retained.set(topic("b"), Content::Jpeg(vec![2]));
        retained.acknowledged(&topic("b"));
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
