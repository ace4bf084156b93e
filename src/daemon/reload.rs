//! Goes on with another configuration, without touching what did not change.
//!
//! A [`Reloader`] reads and checks the configuration on the thread that [asks](super::asking); [`Daemon::apply`] carries it
//! out on the thread that watches the daemon, and the outcome goes back.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::check::{Served, unservable_by};
use super::plan::{Plan, Step};
use super::{Daemon, DaemonError, Event, Ring, Running, scenes};
use crate::capture::Stopping;
use crate::config::{Config, ConfigError};
use crate::name::Name;
use crate::publish::{Settings, outbox};

/// What has become of a configuration that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// How many cameras there are now.
    pub cameras: usize,
    /// What was done.
    pub how: How,
}

/// How a configuration was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The node went on. What became of its cameras.
    InPlace {
        /// Those that nothing has changed about.
        kept: Vec<Name>,
        /// Those that go on and are looked at differently.
        changed: Vec<Name>,
        /// Those that begin, again or for the first time.
        started: Vec<Name>,
        /// Those that are no more.
        removed: Vec<Name>,
    },
    /// The node stops in order and starts anew, which these parts of the configuration need.
    Anew(Vec<&'static str>),
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kept, changed, started, removed) = match &self.how {
            How::Anew(parts) => return write!(f, "the node starts anew ({} changed)", parts.join(", ")),
            How::InPlace { kept, changed, started, removed } => (kept, changed, started, removed),
        };
        let groups = [("unchanged", kept), ("changed", changed), ("started", started), ("removed", removed)];
        let told = groups.iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| {
            let names: Vec<&str> = names.iter().map(Name::as_str).collect();
            format!("{what}: {}", names.join(", "))
        });
        f.write_str(&told.collect::<Vec<_>>().join("; "))
    }
}

/// Why a configuration was not taken; the old one goes on.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The node was started without a file.
    #[error("this node runs without a configuration file")]
    NoFile,
    /// The file cannot be read.
    #[error(transparent)]
    Unreadable(ConfigError),
    /// Everything that is wrong with it, or that this machine cannot serve; a line each.
    #[error("{}", .0.join("\n"))]
    Wrong(Vec<String>),
    /// So many wait for theirs that this one is not even tried.
    #[error("too many ask for a reload")]
    Crowded,
    /// The daemon stops.
    #[error("the node is stopping")]
    Stopping,
}

/// Asks a daemon to read its configuration again. Cheap to clone, for any thread but the one that watches the daemon, and
/// for one at a time, so that what was read last is what counts.
#[derive(Clone)]
pub(super) struct Reloader {
    pub(super) served: Arc<Served>,
    pub(super) ring: SyncSender<Ring>,
}

impl Reloader {
    /// Reads the configuration in `file`, and has the daemon go on with it when it is valid and can be served. Waits until
    /// that is done; a node that starts anew has not begun to do so when this returns.
    ///
    /// # Errors
    /// With every problem that the configuration has. Nothing was touched then.
    pub(super) fn reload(&self, file: &Path) -> Result<Applied, Refused> {
        let refused = match self.read(file) {
            Ok(config) => return self.hand_over(config),
            Err(refused) => refused,
        };
        tracing::warn!("the changed configuration is refused, the old one goes on: {refused}");
        Err(refused)
    }

    fn read(&self, file: &Path) -> Result<Box<Config>, Refused> {
        let (mut problems, config) = match Config::load(file) {
            Ok(config) => (Vec::new(), Some(Box::new(config))),
            Err(ConfigError::Wrong { problems, rest }) => {
                (problems.iter().map(ToString::to_string).collect(), rest)
            }
            Err(error) => return Err(Refused::Unreadable(error)),
        };
        if let Some(config) = &config {
            problems.extend(unservable_by(config, &self.served));
            let settings = Settings::new(&config.mqtt, &config.node);
            problems.extend(settings.err().map(|error| error.to_string()));
            let moved = config.health.listen.filter(|_| config.health != self.served.health);
            let tried = moved.map_or(Ok(()), super::health::try_out);
            problems.extend(tried.err().map(|error| error.to_string()));
            let outbox = &config.mqtt.outbox.directory;
            let moved = outbox.as_deref().filter(|_| *outbox != self.served.outbox);
            let tried = moved.map_or(Ok(()), outbox::try_out);
            problems.extend(tried.err().map(|error| error.to_string()));
        }
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            _ => Err(Refused::Wrong(problems)),
        }
    }

    fn hand_over(&self, config: Box<Config>) -> Result<Applied, Refused> {
        let (done, outcome) = sync_channel(1);
        self.ring.send(Ring::Reload { config, done }).map_err(|_| Refused::Stopping)?;
        outcome.recv().map_err(|_| Refused::Stopping)?
    }
}

impl Daemon {
    /// What reads the configuration again, for other threads.
    pub(super) fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Carries out what a [`Reloader`] asks for, and tells it. The reason when the daemon cannot go on as it is.
    pub(super) fn reload(
        &mut self,
        config: Box<Config>,
        done: &SyncSender<Result<Applied, Refused>>,
    ) -> Option<Event> {
        let (outcome, event) = match self.apply(&config) {
            Ok(applied) => {
                tracing::info!("the changed configuration is taken: {applied}");
                let anew = matches!(applied.how, How::Anew(_));
                (Ok(applied), anew.then_some(Event::Reload(config)))
            }
            Err(DaemonError::Publish(error)) => (Err(Refused::Wrong(vec![error.to_string()])), None),
            Err(error) => {
                let why = error.to_string();
                (Err(Refused::Wrong(vec![why.clone()])), Some(Event::Ended(format!("a camera ({why})"))))
            }
        };
        // Whoever has asked may have gone.
        drop(done.send(outcome));
        event
    }

    /// Goes on with `new`, which is valid and can be served: touches only what has changed. Nothing is touched when the
    /// node must start anew for it.
    ///
    /// # Errors
    /// When the settings of `[mqtt]` cannot be used; then nothing was touched. When there is no thread to be had for a
    /// camera; then the daemon is to be stopped.
    pub fn apply(&mut self, new: &Config) -> Result<Applied, DaemonError> {
        let cameras = new.cameras.len();
        let steps = match Plan::of(&self.config, new, self.reloader.served.known.has_activities()) {
            Plan::Anew(parts) => return Ok(Applied { cameras, how: How::Anew(parts) }),
            Plan::InPlace(steps) => steps,
        };
        let settings = Settings::new(&new.mqtt, &new.node)?;
        let gone = |name: &Name| {
            steps.iter().any(|(of, step)| of == name && matches!(step, Step::Replace | Step::Remove))
        };
        let (gone, mut running): (Vec<_>, Vec<_>) =
            self.cameras.drain(..).partition(|running| gone(running.camera.health().camera()));
        let names: Vec<Name> = gone.iter().map(|running| running.camera.health().camera().clone()).collect();
        let (indices, stopping): (Vec<_>, Vec<_>) =
            gone.into_iter().map(|Running { index, camera }| (index, camera.stop())).unzip();
        stopping.into_iter().for_each(Stopping::join);
        self.publisher.change(settings, scenes(new, &self.reloader.served.known));
        let workers: Vec<usize> = indices.into_iter().map(|index| self.board.remove(index)).collect();
        let after = |name: &Name| names.iter().position(|gone| gone == name).map(|place| workers[place]);
        for (camera, (_, step)) in new.cameras.iter().zip(&steps) {
            let place = running.iter().position(|running| *running.camera.health().camera() == camera.name);
            let running = match place {
                Some(place) => running.remove(place),
                None => {
                    let counters = Arc::default();
                    let index =
                        self.board.add(Arc::new(camera.clone()), Arc::clone(&counters), after(&camera.name));
                    self.start_camera(camera, index, counters)?
                }
            };
            if *step == Step::Change {
                self.board.change(running.index, Arc::new(camera.clone()));
            }
            self.cameras.push(running);
        }
        self.commands.command(self.remotes());
        self.config = new.clone();
        Ok(Applied { cameras, how: How::of(&steps) })
    }
}

impl How {
    fn of(steps: &[(Name, Step)]) -> How {
        let named = |wanted: &[Step]| {
            let names = steps.iter().filter(|(_, step)| wanted.contains(step)).map(|(name, _)| name.clone());
            names.collect()
        };
        How::InPlace {
            kept: named(&[Step::Keep]),
            changed: named(&[Step::Change]),
            started: named(&[Step::Add, Step::Replace]),
            removed: named(&[Step::Remove]),
        }
    }
}
