//! Messages after which a broker ends the connection: who is suspected, and what is set aside.
//!
//! MQTT 3.1.1 has no way to say that a message is not taken: a broker that finds it too large, or its topic denied, cuts the
//! connection, and a message that is offered anew would be the end of every later one. So:
//!
//! 1. A message that was unanswered at two ends in a row is suspected.
//! 2. On the next connection it is held back. When that holds for [`HOLD`] and the broker has taken other messages, the suspects
//!    are offered alone, one at a time. One that is acknowledged is cleared.
//! 3. One after which the connection ends even so is accused, and held back again. When the next connection holds without it, it
//!    is set aside. One that is small, or was not the first that was tried, is tried alone once more before that.
//!
//! To hold is to last for [`HOLD`] and to take twice as many messages and bytes as any connection that has ended: that tells such
//! a message from a broker, or a network, that ends every connection after so much time or so much traffic.
//!
//! An end counts only when the broker itself ended the connection and gave no other reason. It counts half when the broker
//! gave a reason that says nothing, or did not take the very next connection: a broker that dies, or a cable that is unplugged,
//! does that too, and so does a broker that bans a client for a while. What counts half must happen twice as often. Pure: time
//! is passed in. Kept by [`super::mqtt`] across connections, asked by [`super::connection`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::link::Blame;
use super::pending::Ticket;
use super::topic::Topic;

/// How long a connection must hold without the suspects before they are offered again.
pub(super) const HOLD: Duration = Duration::from_secs(2);

/// A message below this is seldom too large for anybody.
const SMALL_BYTES: usize = 4096;

/// Messages and bytes that a connection need not exceed to hold: the last ended one may have been open for days.
const MOST_TO_HOLD: Traffic = Traffic { messages: 64, bytes: 32 * 1024 };

/// What an end counts, and one that counts half.
const WHOLE: usize = 2;
const HALF: usize = 1;

/// What ends in a row must come to until they make a suspect.
const SUSPICIOUS: usize = 2 * WHOLE;

/// What ends alone must come to until what was on its way is set aside.
const ENOUGH: usize = 2 * WHOLE;

/// Suspects at a time, and messages that are set aside and were not offered again yet. Others go as usual.
const MOST: usize = 256;

/// A message on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) ticket: Ticket,
    /// The size of its packet, at most.
    pub(super) bytes: usize,
}

/// What a connection has carried to the broker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

impl Traffic {
    /// One more message.
    pub(super) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes;
    }

    /// Whether it is no less than another.
    pub(super) fn reaches(self, other: Traffic) -> bool {
        self.messages >= other.messages && self.bytes >= other.bytes
    }
}

/// How an ended connection was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// As always, or to see whether it holds.
    Usual,
    /// To offer suspects alone; whether the one on its way was the first.
    Trial { is_first: bool },
}

/// What is known of messages that the broker may not take.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// What was unanswered at the last end, and what the ends in a row come to.
    unanswered: Vec<(Ticket, usize)>,
    suspects: Vec<Ticket>,
    /// The last end, until the next connection shows what it is worth.
    end: Option<End>,
    /// What ended a connection alone, and what those ends come to.
    accused: Option<(Sent, usize)>,
    /// The most that connections have carried which ended.
    carried: Traffic,
    /// Set aside: tags, and of retained topics how large a message was.
    tags: Vec<Ticket>,
    topics: BTreeMap<Topic, usize>,
}

#[derive(Debug)]
struct End {
    unanswered: Vec<Sent>,
    /// Whether a picture was on its way.
    picture: bool,
    used: Use,
    carried: Traffic,
    counts: usize,
}

impl Suspects {
    /// The broker ended a connection, and one of these may be why, which were unanswered; how it was used, and what it had
    /// carried.
    pub(super) fn ended(&mut self, mut unanswered: Vec<Sent>, used: Use, carried: Traffic, blame: Blame) {
        // Pictures, replies and figures die with their connection. Where a picture was on its way, nothing else is blamed.
        let picture = unanswered.iter().any(|sent| matches!(sent.ticket, Ticket::Picture(..)));
        unanswered.retain(|sent| !picture && matches!(sent.ticket, Ticket::Entry(..) | Ticket::Retained(_)));
        let counts = if blame == Blame::Message { WHOLE } else { HALF };
        self.end = Some(End { unanswered, picture, used, carried, counts });
    }

    /// An attempt to connect failed: the end before it may have been the broker's own.
    pub(super) fn failed(&mut self) {
        if let Some(end) = &mut self.end {
            end.counts = HALF;
        }
    }

    /// A connection ended for another reason: nothing that came before says anything about a message.
    pub(super) fn absolve(&mut self) {
        self.end = None;
        self.accused = None;
        self.carried = Traffic::default();
        self.unanswered.clear();
        self.suspects.clear();
    }

    /// The broker takes a connection again: the last end counts.
    pub(super) fn welcomed(&mut self) {
        let Some(End { unanswered, used, carried, counts, .. }) = self.end.take() else { return };
        self.carried.messages = self.carried.messages.max(carried.messages);
        self.carried.bytes = self.carried.bytes.max(carried.bytes);
        // A connection that ended while it should have held without the accused speaks for it.
        let before = self.accused.take();
        if let Use::Trial { is_first } = used
            && let [sent] = unanswered.as_slice()
            && self.suspects.contains(&sent.ticket)
        {
            let before =
                before.filter(|(accused, _)| accused.ticket == sent.ticket).map_or(0, |(_, points)| points);
            let points = if is_first && sent.bytes >= SMALL_BYTES { 2 * counts } else { counts };
            self.accused = Some((sent.clone(), before + points));
            self.unanswered.clear();
            return;
        }
        // During a trial everything that ends the connection joins the suspects.
        let enough = if self.suspects.is_empty() { SUSPICIOUS } else { WHOLE };
        let before = std::mem::take(&mut self.unanswered);
        let ends = |ticket: &Ticket| {
            counts + before.iter().find(|(other, _)| other == ticket).map_or(0, |(_, ends)| *ends)
        };
        self.unanswered =
            unanswered.into_iter().map(|sent| (sent.ticket.clone(), ends(&sent.ticket))).collect();
        let suspected: Vec<Ticket> = self
            .unanswered
            .iter()
            .filter(|(_, ends)| *ends >= enough)
            .map(|(ticket, _)| ticket.clone())
            .collect();
        suspected.into_iter().for_each(|ticket| self.suspect(ticket));
    }

    /// What the broker must take from a connection that is to hold without suspects.
    pub(super) fn must_carry(&self) -> Traffic {
        let Traffic { messages, bytes } = self.carried;
        Traffic {
            messages: (2 * messages).clamp(2, MOST_TO_HOLD.messages),
            bytes: (2 * bytes).min(MOST_TO_HOLD.bytes),
        }
    }

    /// A connection has held without the suspects: what enough speaks against is set aside, the others may be tried.
    pub(super) fn held(&mut self) {
        if let Some((sent, _)) = self.accused.take_if(|(_, points)| *points >= ENOUGH) {
            self.condemn(&sent);
        }
    }

    fn suspect(&mut self, ticket: Ticket) {
        if self.suspects.len() < MOST && !self.suspects.contains(&ticket) {
            self.suspects.push(ticket);
        }
    }

    fn condemn(&mut self, sent: &Sent) {
        self.suspects.retain(|ticket| *ticket != sent.ticket);
        match &sent.ticket {
            Ticket::Retained(topic) => {
                let bytes = self.topics.entry(topic.clone()).or_insert(sent.bytes);
                *bytes = sent.bytes.min(*bytes);
            }
            tag if self.tags.len() < MOST => self.tags.push(tag.clone()),
            _ => {}
        }
    }

    /// Whether a message may be why the last connection ended.
    pub(super) fn may_be_why(&self) -> bool {
        let again = |sent: &Sent| self.unanswered.iter().any(|(ticket, _)| *ticket == sent.ticket);
        self.any() || self.end.as_ref().is_some_and(|end| end.picture || end.unanswered.iter().any(again))
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Whether a message is to wait while the connection must hold: it is suspected, or goes where a suspect goes.
    pub(super) fn holds_back(&mut self, ticket: &Ticket) -> bool {
        let kind = matches!(ticket, Ticket::Entry(..) | Ticket::Retained(_));
        let like = |suspect: &Ticket| suspect == ticket || suspect.topic() == ticket.topic();
        if kind && self.suspects.iter().any(like) {
            self.suspect(ticket.clone());
        }
        self.suspects.contains(ticket)
    }

    /// Whether a message is set aside: that tag, or one for that retained topic that is not much smaller.
    pub(super) fn is_set_aside(&mut self, sent: &Sent) -> bool {
        if let Some(place) = self.tags.iter().position(|ticket| *ticket == sent.ticket) {
            self.tags.remove(place);
            return true;
        }
        match &sent.ticket {
            Ticket::Retained(topic) => self.topics.get(topic).is_some_and(|bytes| sent.bytes * 2 > *bytes),
            _ => false,
        }
    }

    /// The broker has it after all.
    pub(super) fn cleared(&mut self, ticket: &Ticket) {
        self.unanswered.retain(|(other, _)| other != ticket);
        self.suspects.retain(|other| other != ticket);
        self.accused.take_if(|(accused, _)| accused.ticket == *ticket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Name;
    use crate::publish::topic::Root;

    fn topic(camera: &str) -> Topic {
        let name = |text| Name::new(text).unwrap();
        Root::new("spotter/v1").unwrap().camera_status(&name("edge-1"), &name(camera))
    }

    fn status(camera: &str) -> Sent {
        Sent { ticket: Ticket::Retained(topic(camera)), bytes: 5000 }
    }

    /// An end after which the broker takes the next connection.
    fn end(suspects: &mut Suspects, unanswered: &[&Sent], used: Use) {
        let unanswered = unanswered.iter().map(|sent| (*sent).clone()).collect();
        suspects.ended(unanswered, used, Traffic { messages: 3, bytes: 2000 }, Blame::Message);
        suspects.welcomed();
    }

    const TRIAL: Use = Use::Trial { is_first: true };

    #[test]
    fn two_ends_make_a_suspect_and_one_alone_sets_it_aside_when_the_next_connection_holds() {
        let (large, small) = (status("large"), status("small"));
        let mut suspects = Suspects::default();
        end(&mut suspects, &[&small, &large], Use::Usual);
        assert!(!suspects.any());
        suspects.cleared(&small.ticket);
        end(&mut suspects, &[&large, &small], Use::Usual);
        assert!(suspects.holds_back(&large.ticket) && !suspects.holds_back(&small.ticket));
        assert_eq!(suspects.must_carry(), Traffic { messages: 6, bytes: 4000 });
        suspects.held();
        assert!(suspects.any() && !suspects.is_set_aside(&large));
        end(&mut suspects, &[&large], TRIAL);
        assert!(suspects.holds_back(&large.ticket) && !suspects.is_set_aside(&large));
        suspects.held();
        assert!(!suspects.any());
        assert!(suspects.is_set_aside(&large) && !suspects.is_set_aside(&small));
        let smaller = Sent { bytes: 2400, ..large };
        assert!(!suspects.is_set_aside(&smaller));
    }

    #[test]
    fn a_broker_that_has_another_reason_in_between_is_no_evidence() {
        let large = status("large");
        let mut suspects = Suspects::default();
        for _ in 0..10 {
            suspects.ended(vec![large.clone()], Use::Usual, Traffic::default(), Blame::Message);
            suspects.absolve();
            suspects.welcomed();
        }
        assert!(!suspects.any());
        end(&mut suspects, &[&large], Use::Usual);
        end(&mut suspects, &[&large], Use::Usual);
        suspects.ended(vec![large.clone()], TRIAL, Traffic::default(), Blame::Message);
        suspects.absolve();
        suspects.welcomed();
        suspects.held();
        assert!(!suspects.any() && !suspects.is_set_aside(&large));
    }

    #[test]
    fn a_broker_that_is_away_in_between_or_says_nothing_takes_twice_as_many_ends() {
        let large = status("large");
        let away = |suspects: &mut Suspects, used| {
            suspects.ended(vec![large.clone()], used, Traffic::default(), Blame::Message);
            (0..3).for_each(|_| suspects.failed());
            suspects.welcomed();
        };
        let vague = |suspects: &mut Suspects, used| {
            suspects.ended(vec![large.clone()], used, Traffic::default(), Blame::Doubtful);
            suspects.welcomed();
        };
        for end in [&away as &dyn Fn(&mut Suspects, Use), &vague] {
            let mut suspects = Suspects::default();
            for _ in 0..3 {
                end(&mut suspects, Use::Usual);
                assert!(!suspects.any());
            }
            end(&mut suspects, Use::Usual);
            assert!(suspects.any());
            suspects.held();
            end(&mut suspects, TRIAL);
            suspects.held();
            assert!(suspects.any() && !suspects.is_set_aside(&large));
            end(&mut suspects, TRIAL);
            suspects.held();
            assert!(!suspects.any() && suspects.is_set_aside(&large));
        }
        // What the broker takes in between is no suspect.
        let mut suspects = Suspects::default();
        for _ in 0..10 {
            away(&mut suspects, Use::Usual);
            suspects.cleared(&large.ticket);
        }
        assert!(!suspects.any());
    }

    #[test]
    fn a_connection_that_does_not_hold_convicts_nobody() {
        let (one, two) = (status("one"), status("two"));
        let mut suspects = Suspects::default();
        for _ in 0..20 {
            end(&mut suspects, &[&one, &two], Use::Usual);
        }
        // Not alone.
        end(&mut suspects, &[&one, &two], TRIAL);
        // Alone, but the next connection does not hold either.
        end(&mut suspects, &[&one], TRIAL);
        end(&mut suspects, &[], Use::Usual);
        suspects.held();
        assert!(suspects.any() && !suspects.is_set_aside(&one) && !suspects.is_set_aside(&two));
        suspects.cleared(&one.ticket);
        suspects.cleared(&two.ticket);
        assert!(!suspects.any());
    }

    #[test]
    fn one_that_is_small_or_not_the_first_is_tried_twice() {
        let small = Sent { bytes: 700, ..status("small") };
        for (sent, used) in [(small, TRIAL), (status("second"), Use::Trial { is_first: false })] {
            let mut suspects = Suspects::default();
            end(&mut suspects, &[&sent], Use::Usual);
            end(&mut suspects, &[&sent], Use::Usual);
            end(&mut suspects, &[&sent], used);
            suspects.held();
            assert!(suspects.any() && !suspects.is_set_aside(&sent));
            end(&mut suspects, &[&sent], used);
            suspects.held();
            assert!(!suspects.any() && suspects.is_set_aside(&sent));
        }
    }

    #[test]
    fn a_connection_must_carry_more_than_those_that_ended_up_to_a_limit() {
        let mut suspects = Suspects::default();
        assert_eq!(suspects.must_carry(), Traffic { messages: 2, bytes: 0 });
        suspects.ended(
            Vec::new(),
            Use::Usual,
            Traffic { messages: 1_000_000, bytes: 1_000_000_000 },
            Blame::Message,
        );
        suspects.welcomed();
        assert_eq!(suspects.must_carry(), MOST_TO_HOLD);
        suspects.absolve();
        assert_eq!(suspects.must_carry(), Traffic { messages: 2, bytes: 0 });
    }

    #[test]
    fn a_picture_takes_the_blame_alone_and_dies_with_its_connection() {
        let picture = Sent { ticket: Ticket::Picture(1, topic("a")), bytes: 1 };
        let mut suspects = Suspects::default();
        for _ in 0..3 {
            suspects.ended(
                vec![status("b"), picture.clone()],
                Use::Usual,
                Traffic::default(),
                Blame::Message,
            );
            assert!(suspects.may_be_why());
            suspects.welcomed();
        }
        assert!(!suspects.any() && !suspects.may_be_why());
    }

    #[test]
    fn what_goes_where_a_suspect_goes_waits_with_it() {
        let tag = |id| Ticket::Entry(crate::publish::outbox::EntryId::test(id), topic("tags"));
        let mut suspects = Suspects::default();
        let first = Sent { ticket: tag(1), bytes: 5000 };
        end(&mut suspects, &[&first], Use::Usual);
        end(&mut suspects, &[&first], Use::Usual);
        assert!(suspects.holds_back(&tag(2)) && !suspects.holds_back(&status("other").ticket));
        end(&mut suspects, &[&first], TRIAL);
        suspects.held();
        // A tag is set aside once: it is offered no more.
        assert!(suspects.is_set_aside(&first) && !suspects.is_set_aside(&first));
        assert!(suspects.holds_back(&tag(2)), "it is still to be tried alone");
    }
}
