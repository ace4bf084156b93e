//! What a node says about itself: its problems in its status, and its figures at an interval.
//!
//! Part of [`super::Pending`].

use std::time::{Duration, Instant};

use super::{Content, Pending};
use crate::clock::{Setting, Timestamp};
use crate::config;
use crate::publish::link::{Limits, QoS};
use crate::publish::sequence::clock;
use crate::publish::{LoadedModel, status, wire};
use crate::telemetry::LOG;

/// How often problems are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How long it is told that a message was set aside, and for how many topics.
const TOLD: Duration = Duration::from_secs(3600);
const MOST_TOLD: usize = 8;

/// How often losses are put into the log.
const LOSS_PERIOD: Duration = Duration::from_secs(60);

/// When what is due, and what was said.
pub(super) struct Reports {
    started: Instant,
    /// When it started, by the steady clock.
    since: Timestamp,
    interval: Option<Duration>,
    stats_due: Option<Instant>,
    look_due: Instant,
    pub(super) insecure: bool,
    said: (Vec<wire::Problem>, Setting),
    /// Lost tags that the log has been told of, and when it may be told again.
    lost: u64,
    loss_due: Option<Instant>,
}

impl Reports {
    /// `now` is by the steady clock.
    pub(super) fn new(config: &config::Mqtt, now: Timestamp) -> Self {
        let started = Instant::now();
        Reports {
            started,
            since: now,
            interval: config.stats_interval,
            stats_due: None,
            look_due: started,
            insecure: config.insecure(),
            said: Default::default(),
            lost: 0,
            loss_due: None,
        }
    }

    /// Whoever has waited for the node wants its figures.
    pub(super) fn connected(&mut self) {
        self.stats_due = self.interval.map(|_| Instant::now());
    }

    /// Figures are published so often from now on.
    pub(super) fn every(&mut self, interval: Option<Duration>) {
        self.interval = interval;
        self.connected();
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        Some(self.stats_due.map_or(self.look_due, |due| due.min(self.look_due)))
    }
}

impl Pending {
    /// Says what is due.
    pub(super) fn report(&mut self, now: Instant) {
        self.look(now);
        if let (Some(due), Some(interval)) = (self.reports.stats_due, self.reports.interval)
            && now >= due
            && self.counts.connected
        {
            self.reports.stats_due = Some(now + interval);
            let (topic, stats) = (self.root.stats(&self.node.name), self.stats());
            self.note_message(topic, &wire::Message::Stats(stats), QoS::AtMostOnce);
        }
    }

    /// Looks, once per period, for what is wrong, whether the broker is there or not.
    pub(super) fn look(&mut self, now: Instant) {
        if now < self.reports.look_due {
            return;
        }
        self.reports.look_due = now + LOOK;
        if !self.parted && (self.problems(), self.clock.setting()) != self.reports.said {
            self.tell_node();
        }
        self.report_losses(now);
    }

    /// Puts losses into the log, once per period.
    fn report_losses(&mut self, now: Instant) {
        let total = self.outbox.depth().dropped_tags();
        let reports = &mut self.reports;
        if total > reports.lost && reports.loss_due.is_none_or(|due| now >= due) {
            tracing::error!(tags = total - reports.lost, total, "tags are lost");
            (reports.lost, reports.loss_due) = (total, Some(now + LOSS_PERIOD));
        }
    }

    /// Says that the node is there, and what is wrong with it.
    pub(super) fn tell_node(&mut self) {
        let (problems, setting) = (self.problems(), self.clock.setting());
        self.reports.said = (problems.clone(), setting);
        let since = setting.time_of_day(self.reports.since);
        let status = wire::NodeStatus {
            clock: clock(setting.standing),
            ..status::online(&self.node, self.models(), since, problems)
        };
        let topic = self.root.node_status(&self.node.name);
        self.retained.set(topic, Content::Message(wire::Message::Node(status)));
    }

    /// That the node is not there.
    pub(super) fn offline(&self, since: Option<Timestamp>, reason: &str) -> wire::NodeStatus {
        status::offline(&self.node, self.models(), since, reason)
    }

    /// How each model runs, by the time of day.
    pub(super) fn models(&self) -> Vec<wire::LoadedModel> {
        let setting = self.clock.setting();
        let told = |model: &LoadedModel| wire::LoadedModel {
            since: setting.time_of_day(model.since),
            ..status::loaded_model(model)
        };
        self.node.models.iter().map(told).collect()
    }

    fn problems(&self) -> Vec<wire::Problem> {
        let problem = |code: &str, text: String| wire::Problem { code: code.to_owned(), text };
        let insecure = self.reports.insecure.then(|| {
            let text =
                "mqtt.insecure: the broker's certificate is not verified, anybody may be at the other end";
            problem("insecure-tls", text.to_owned())
        });
        let passed_over = self.node.models.iter().filter_map(|model| {
            let (name, on) = (&model.reference.name, &model.reference.on);
            let why = status::why(model, "; ")?;
            Some(if model.runs {
                problem("accelerator-fallback", format!("the model `{name}` runs on `{on}`, not on {why}"))
            } else {
                problem("model-stopped", format!("the model `{name}` does not run: {why}"))
            })
        });
        let refused =
            self.refused.iter().map(|(topic, why)| problem("topic-refused", format!("{topic}: {why}")));
        let set_aside = self.set_aside.iter().filter(|(_, (_, at))| at.elapsed() < TOLD);
        let aside =
            set_aside.clone().take(MOST_TOLD).map(|(_, (why, _))| problem("message-refused", why.clone()));
        let untold = set_aside.count().saturating_sub(MOST_TOLD);
        let untold = (untold > 0).then(|| {
            problem("message-refused", format!("messages for {untold} other topics were set aside too"))
        });
        let limits = self.broker_limits().into_iter().map(|text| problem("broker-limits", text.to_owned()));
        let unheard = self.unheard.iter().map(|why| problem("subscription-refused", why.clone()));
        let lost = self.outbox.depth().dropped_tags();
        let lost = (lost > 0).then(|| problem("tags-lost", format!("{lost} tags were lost since the start")));
        let outbox = self.outbox.problems().into_iter().map(|found| problem(found.code, found.text));
        let log = LOG.now().map(|(lost, why)| {
            problem(
                "log-lost",
                format!("{lost} lines of the log were lost since the start, the last one: {why}"),
            )
        });
        let refusals = refused.chain(aside).chain(untold).chain(limits);
        let losses = lost.into_iter().chain(outbox).chain(log);
        insecure.into_iter().chain(passed_over).chain(refusals).chain(unheard).chain(losses).collect()
    }

    /// What the broker cannot do that the contract counts on.
    fn broker_limits(&self) -> Vec<&'static str> {
        let Limits { acknowledges, retains, wildcards, .. } = self.limits;
        let all = [
            (
                acknowledges,
                "the broker acknowledges no messages (QoS 1): they are sent with QoS 0, and a ping that it answers \
                 behind them stands for the acknowledgement",
            ),
            (
                retains,
                "the broker keeps no retained messages (Retain Available 0): statuses and pictures reach only those who are \
                 there when they are sent",
            ),
            (
                wildcards,
                "the broker takes no subscriptions with wildcards: what an earlier configuration left there is not found and \
                 not cleared",
            ),
        ];
        all.into_iter().filter(|(can, _)| !can).map(|(_, text)| text).collect()
    }

    /// The node's figures.
    pub(super) fn stats(&self) -> wire::Stats {
        let depth = self.outbox.depth();
        let cameras = self.retained.messages().filter_map(|message| match message {
            wire::Message::Camera(status) => Some(wire::CameraStats {
                camera: status.camera.clone(),
                fps_in: status.fps_in,
                fps_recognised: status.fps_recognised,
                dropped: status.dropped,
            }),
            _ => None,
        });
        wire::Stats {
            schema: wire::StatsSchema::V1,
            node: self.node.name.clone(),
            boot: self.node.boot,
            at: self.clock.now(),
            uptime_s: self.reports.started.elapsed().as_millis() as f64 / 1e3,
            memory_bytes: resident_bytes(),
            connections: self.counts.connections,
            outbox: wire::OutboxStats {
                published: self.counts.published,
                acknowledged: self.counts.acknowledged,
                waiting: depth.waiting,
                oldest_s: depth.oldest.map(|oldest| oldest.as_millis() as f64 / 1e3),
                disk_bytes: depth.disk_bytes,
                dropped: depth.dropped_tags(),
                refusals: self.counts.refusals,
            },
            commands: self.commands,
            log_lost: LOG.now().map_or(0, |(lost, _)| lost),
            cameras: cameras.collect(),
        }
    }
}

/// Resident memory of this process as Linux tells it; 0 where it does not.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: Option<u64> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory() {
        assert!(resident_bytes() > 1_000_000, "{}", resident_bytes());
    }
}
