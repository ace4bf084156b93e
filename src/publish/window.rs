//! The window of publishes on their way: which packet id belongs to which ticket.
//!
//! The link numbers publishes in the order in which they were requested and says each number once, so the n-th request is
//! the n-th number. A window belongs to one connection and dies with it. It counts from the oldest unacknowledged publish on.
//! Called by [`super::connection`].

use std::collections::VecDeque;
use std::time::Instant;

/// Publishes of one connection, oldest first.
#[derive(Debug)]
pub(super) struct Window<T> {
    limit: usize,
    slots: VecDeque<Slot<T>>,
}

#[derive(Debug)]
struct Slot<T> {
    /// `None` once it is acknowledged.
    ticket: Option<T>,
    packet_id: Option<u16>,
    since: Instant,
}

impl<T> Window<T> {
    /// A window that lets so many publishes be on their way.
    pub(super) fn new(limit: usize) -> Self {
        Window { limit, slots: VecDeque::with_capacity(limit) }
    }

    /// Lowers the limit to what the broker takes.
    pub(super) fn narrow(&mut self, limit: usize) {
        self.limit = self.limit.min(limit.max(1));
    }

    /// Whether one more may go. When not, it stays where it is until an acknowledgement makes room.
    pub(super) fn has_room(&self) -> bool {
        self.slots.len() < self.limit
    }

    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// One more was requested.
    pub(super) fn requested(&mut self, ticket: T, now: Instant) {
        self.slots.push_back(Slot { ticket: Some(ticket), packet_id: None, since: now });
    }

    /// The oldest request without a number has got one.
    pub(super) fn numbered(&mut self, packet_id: u16) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.packet_id.is_none()) {
            slot.packet_id = Some(packet_id);
        }
    }

    /// The answer to a packet id: whose it is. `None` for an id that is not on its way.
    pub(super) fn answered(&mut self, packet_id: u16) -> Option<T> {
        let on_its_way = |slot: &&mut Slot<T>| slot.ticket.is_some() && slot.packet_id == Some(packet_id);
        let ticket = self.slots.iter_mut().find(on_its_way)?.ticket.take();
        while self.slots.front().is_some_and(|slot| slot.ticket.is_none()) {
            self.slots.pop_front();
        }
        ticket
    }

    /// What is unanswered, oldest first.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.ticket.as_ref())
    }

    /// Since when the oldest unanswered publish has been on its way.
    pub(super) fn oldest_since(&self) -> Option<Instant> {
        self.slots.front().map(|slot| slot.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_tickets_in_any_order() {
        let now = Instant::now();
        let mut window = Window::new(3);
        for ticket in ["a", "b", "c"] {
            assert!(window.has_room());
            window.requested(ticket, now);
        }
        assert!(!window.has_room());
        for packet_id in [1, 2, 3] {
            window.numbered(packet_id);
        }
        assert_eq!(window.answered(2), Some("b"));
        assert!(!window.has_room(), "packet id 1 is still on its way, so the next id might meet it");
        assert_eq!(window.answered(1), Some("a"));
        assert!(window.has_room());
        window.requested("d", now);
        window.numbered(1);
        assert_eq!(window.answered(9), None);
        assert_eq!(window.answered(1), Some("d"));
        assert_eq!(window.answered(3), Some("c"));
        assert!(window.is_empty());
        assert_eq!(window.oldest_since(), None);
    }

    #[test]
    fn a_broker_can_only_narrow_the_window() {
        let mut window: Window<()> = Window::new(2);
        window.narrow(500);
        window.requested((), Instant::now());
        assert!(window.has_room());
        window.narrow(0);
        assert!(!window.has_room());
        window.numbered(1);
        window.answered(1);
        assert!(window.has_room());
    }
}
