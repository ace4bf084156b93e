//! A broker and a subscriber inside this process, for commands that need nothing set up: `demo` and `bench`.

use std::time::{Duration, Instant};

use spotter::config::{Mqtt, Outbox};
use spotter::daemon::Daemon;
use spotter::publish::broker::Broker;
use spotter::publish::subscriber::{Heard, Received, Subscriber, Summary};

use super::output::say;

/// How long the subscriber inside may take to be let in.
const PATIENCE: Duration = Duration::from_secs(10);

/// A broker on a free port of the loopback, and who hears all that is published there.
pub(super) struct Inside {
    broker: Broker,
    mqtt: Mqtt,
    subscriber: Subscriber,
}

/// What was heard within a time.
pub(super) enum Came {
    /// A message.
    Message(Box<Received>),
    /// News of the connection.
    News,
    /// Nothing.
    Nothing,
}

impl Inside {
    pub(super) fn start() -> anyhow::Result<Self> {
        let broker = Broker::start(None)?;
        let mqtt = Mqtt {
            host: "127.0.0.1".to_owned(),
            port: broker.port(),
            outbox: Outbox::in_memory(),
            ..Mqtt::default()
        };
        let subscriber = Subscriber::new(&mqtt)?;
        let mut inside = Inside { broker, mqtt, subscriber };
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match inside.subscriber.next(Duration::from_millis(200)) {
                Some(Heard::Subscribed) => return Ok(inside),
                Some(Heard::Refused(why)) => anyhow::bail!(why),
                Some(Heard::Lost(_) | Heard::Received(_)) | None => {}
            }
        }
        anyhow::bail!("the broker inside does not answer")
    }

    /// What a daemon needs to publish here.
    pub(super) fn mqtt(&self) -> &Mqtt {
        &self.mqtt
    }

    /// What comes within `timeout`; trouble with the connection is printed.
    pub(super) fn hear(&mut self, timeout: Duration) -> anyhow::Result<Came> {
        Ok(match self.subscriber.next(timeout) {
            Some(Heard::Received(received)) => Came::Message(received),
            Some(Heard::Lost(why)) => {
                say!("{why}")?;
                Came::News
            }
            Some(Heard::Refused(why)) => anyhow::bail!(why),
            Some(Heard::Subscribed) => Came::News,
            None => Came::Nothing,
        })
    }

    /// Stops a daemon and then the broker; `told` has what is published meanwhile, such as the end of every track.
    pub(super) fn stop(
        mut self,
        daemon: Daemon,
        mut told: impl FnMut(&Received) -> anyhow::Result<()>,
    ) -> anyhow::Result<Summary> {
        let stopping =
            std::thread::Builder::new().name("stopping".to_owned()).spawn(move || daemon.stop())?;
        let mut patience = Duration::from_millis(50);
        loop {
            if stopping.is_finished() {
                patience = Duration::from_millis(300);
            }
            match self.hear(patience)? {
                Came::Message(received) => told(&received)?,
                Came::Nothing if stopping.is_finished() && patience > Duration::from_millis(50) => break,
                Came::News | Came::Nothing => {}
            }
        }
        let stopped = stopping.join().map_err(|_| anyhow::anyhow!("the thread `stopping` has panicked"))?;
        let summary = self.subscriber.summary();
        self.broker.stop();
        stopped?;
        Ok(summary)
    }
}
