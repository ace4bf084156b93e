//! The doctor: everything that an installer would look at on this machine, one check after the other.
//!
//! `spotter doctor` and `spotter probe` print what is found here. Nothing is changed but for pictures that are saved where
//! the caller wants them; cameras and the broker are connected to, each for a moment.

mod accelerators;
mod cameras;
mod device;
mod facts;
mod permissions;
mod plugins;
mod runtime;
mod system;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::config::{self, Config, ConfigError};
use crate::daemon::is_running;
use crate::publish::{GreetError, greet};

pub use cameras::{LookError, look_at};
pub use facts::{Facts, Halt};

/// What is looked at, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The file.
    Configuration,
    /// Plug-ins and decoders.
    Gstreamer,
    /// ONNX Runtime and the models.
    Runtime,
    /// What models run on beside the CPU.
    Accelerators,
    /// Time of day.
    Clock,
    /// Who may read and open what.
    Permissions,
    /// Where tags wait.
    Disk,
    /// The broker.
    Broker,
    /// The cameras.
    Cameras,
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Area::Configuration => "configuration",
            Area::Gstreamer => "gstreamer",
            Area::Runtime => "runtime",
            Area::Accelerators => "accelerators",
            Area::Clock => "clock",
            Area::Disk => "disk",
            Area::Permissions => "permissions",
            Area::Broker => "broker",
            Area::Cameras => "cameras",
        })
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All is well.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failure,
    /// It could not be looked at, or there is nothing to look at.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failure => "failure",
            Verdict::Skipped => "skipped",
        })
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// Where it belongs.
    pub area: Area,
    /// What it is, such as a camera's name.
    pub name: String,
    /// What came of it.
    pub verdict: Verdict,
    /// One line, without secrets.
    pub text: String,
    /// What to do, when something should be done.
    pub advice: Option<String>,
    /// What a camera gave.
    pub facts: Option<Facts>,
}

impl Check {
    fn new(area: Area, name: impl Into<String>, verdict: Verdict, text: impl fmt::Display) -> Self {
        let text = text.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Check { area, name: name.into(), verdict, text, advice: None, facts: None }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// What to look at, and how.
#[derive(Clone, Copy, Debug)]
pub struct Examination<'a> {
    /// The configuration's file.
    pub config: &'a Path,
    /// An existing folder for `CAMERA.jpg`, the first frame of each camera.
    pub pictures: &'a Path,
    /// How long the frames of a camera are counted.
    pub measure: Duration,
}

/// What the doctor does.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// It begins with an area.
    Looks(Area),
    /// It has found something.
    Found(&'a Check),
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// In the order in which it was looked at.
    pub checks: Vec<Check>,
    /// Whether the configuration is wrong; what was right of it was looked at all the same.
    pub bad_configuration: bool,
}

impl Report {
    /// How many checks ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// Whether nothing fails.
    pub fn is_well(&self) -> bool {
        self.count(Verdict::Failure) == 0
    }
}

/// What a decoder is called beside its name.
fn kind(hardware: bool) -> &'static str {
    if hardware { "hardware" } else { "software" }
}

/// Hears of what is found, one check after the other.
type Found<'a> = &'a mut dyn FnMut(Check);

/// Looks at everything; `hear` is told as it goes on.
pub fn examine(examination: &Examination<'_>, hear: &mut dyn FnMut(Progress<'_>)) -> Report {
    let Examination { config: file, pictures, measure } = *examination;
    let mut report = Report::default();
    let mut look = |area: Area, checks: &mut dyn FnMut(Found<'_>)| {
        hear(Progress::Looks(area));
        checks(&mut |check| {
            hear(Progress::Found(&check));
            report.checks.push(check);
        });
    };
    let mut config = None;
    let mut bad_configuration = false;
    look(Area::Configuration, &mut |found| {
        let (right, checks) = read(file);
        config = right;
        bad_configuration = checks.iter().any(|check| check.verdict == Verdict::Failure);
        checks.into_iter().for_each(found);
    });
    let config = config.as_deref();
    look(Area::Gstreamer, &mut |found| plugins::checks(config).into_iter().for_each(found));
    look(Area::Runtime, &mut |found| runtime::checks(config).into_iter().for_each(found));
    look(Area::Accelerators, &mut |found| accelerators::checks(config).into_iter().for_each(found));
    look(Area::Clock, &mut |found| system::clock(file).into_iter().for_each(found));
    look(Area::Permissions, &mut |found| {
        permissions::checks(file, config).into_iter().for_each(&mut *found);
        config.iter().for_each(|config| found(system::limits(&config.cameras)));
    });
    let Some(config) = config else {
        for area in [Area::Disk, Area::Broker, Area::Cameras] {
            let why = "without a configuration that can be read nobody knows where to look";
            look(area, &mut |found| found(Check::new(area, area.to_string(), Verdict::Skipped, why)));
        }
        return Report { bad_configuration, ..report };
    };
    look(Area::Disk, &mut |found| found(system::disk(&config.mqtt.outbox, file)));
    look(Area::Broker, &mut |found| found(broker(config)));
    look(Area::Cameras, &mut |found| {
        if config.cameras.is_empty() {
            let text = "the configuration names none";
            found(Check::new(Area::Cameras, "cameras", Verdict::Skipped, text));
        }
        let look = cameras::Look { pictures, measure, daemon_runs: &|| is_running(file) };
        look.at_all(&config.cameras, found);
    });
    Report { bad_configuration, ..report }
}

/// Reads the configuration; what is right of it, when not all is.
fn read(file: &Path) -> (Option<Box<Config>>, Vec<Check>) {
    let check = |verdict, text: &dyn fmt::Display| {
        Check::new(Area::Configuration, file.display().to_string(), verdict, text)
    };
    match Config::load(file) {
        Ok(config) => {
            let text = format!("valid; node {}, {} cameras", config.node, config.cameras.len());
            (Some(Box::new(config)), vec![check(Verdict::Ok, &text)])
        }
        Err(error @ ConfigError::Unreadable { .. }) => {
            let check = check(Verdict::Failure, &error)
                .advise("name the file with --config, and run this as the user whom Spotter runs as");
            (None, vec![check])
        }
        Err(ConfigError::Wrong { problems, rest }) => {
            let checks = problems.iter().map(|problem| check(Verdict::Failure, problem)).collect();
            (rest, checks)
        }
    }
}

fn broker(config: &Config) -> Check {
    let config::Mqtt { host, port, .. } = &config.mqtt;
    let address = format!("{host}:{port}");
    match greet(&config.mqtt, &config.node) {
        Err(error) => {
            let advice = broker_advice(&error);
            Check::new(Area::Broker, address, Verdict::Failure, error).advise(advice)
        }
        Ok(_) if config.mqtt.insecure() => Check::new(
            Area::Broker,
            address,
            Verdict::Warning,
            "lets this node in, but its certificate is not verified",
        )
        .advise("leave out insecure = true in [mqtt], and name its authority with ca_file"),
        Ok(took) => {
            let text = format!("lets this node in, after {} ms", took.as_millis());
            Check::new(Area::Broker, address, Verdict::Ok, text)
        }
    }
}

/// What to do about a broker that does not let this node in. Whatever it is, tags wait in the outbox meanwhile.
fn broker_advice(error: &GreetError) -> &'static str {
    match error {
        GreetError::Settings(_) => "correct what it names in [mqtt]",
        GreetError::Login(_) => {
            "check username and password_file in [mqtt], and that the broker knows this user; tags wait in the outbox \
             meanwhile"
        }
        GreetError::Tls(_) => {
            "check ca_file, client_cert_file and client_key_file in [mqtt], the name and the date of the broker's \
             certificate, and this machine's clock; tags wait in the outbox meanwhile"
        }
        GreetError::Away(_) => {
            "check address and port of broker in [mqtt], that the broker runs, and firewalls between; tags wait in the \
             outbox meanwhile"
        }
        GreetError::Unwelcome(_) => {
            "see the broker's log for why, and whether this port is one for MQTT; tags wait in the outbox meanwhile"
        }
    }
}
