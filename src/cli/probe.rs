//! `spotter probe`: one camera, without a configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::error::ErrorKind;
use serde_json::json;
use spotter::config::{Capture, Decoder, Source, Transport, password};
use spotter::doctor::{Facts, look_at};
use spotter::name::Name;
use spotter::telemetry::Video;

use super::Outcome;
use super::doctor::json;
use super::log::complain;
use super::output::say;

/// Connects to one camera and says what it gives.
///
/// Prints codec, size, decoder, the measured frames per second, how long the first frame took, and what went wrong.
/// Everybody on this machine can see the command line: give the password in a file.
#[derive(clap::Args)]
pub struct Arguments {
    /// The camera, as `source` in the configuration: rtsp://, http://, a device, libcamera:NAME, genicam:NAME or a file.
    #[arg(value_name = "URL")]
    source: String,
    /// How the packets of an rtsp:// camera travel.
    #[arg(long, value_parser = ["tcp", "udp"])]
    transport: Option<String>,
    /// Take any certificate of an rtsps:// or https:// camera.
    #[arg(long)]
    no_verify_tls: bool,
    /// What decodes: auto, hardware, software or the name of a GStreamer element.
    #[arg(long, default_value = "auto")]
    decoder: String,
    /// The user, for a camera that wants one.
    #[arg(long, value_name = "USER", requires = "password_file")]
    username: Option<String>,
    /// The file that holds the password.
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// How long to count frames.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Save the first frame as JPEG.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let capture = capture(arguments)?;
    let source = capture.source.to_string();
    let name = Name::new("probe").context("a name")?;
    let measure = Duration::from_secs(arguments.seconds);
    let looked = look_at(&name, &capture, measure, arguments.picture.as_deref());
    let error = match &looked {
        Ok(facts) => facts.halt.filter(|halt| halt.is_failure()).map(|halt| format!("{source}: {halt}")),
        Err(why) => Some(why.to_string()),
    };
    if arguments.json {
        let mut value = json!({ "source": source, "works": error.is_none() });
        if let Ok(facts) = &looked {
            value["camera"] = json::facts(facts);
        }
        if let Some(error) = &error {
            value["error"] = error.as_str().into();
        }
        say!("{value:#}")?;
    } else if let Ok(facts) = &looked {
        say!("{}", text(&source, facts))?;
    }
    match error {
        None => Ok(Outcome::Done),
        Some(why) => {
            complain!("spotter: {why}");
            Ok(Outcome::Bad)
        }
    }
}

/// What the arguments ask for; an argument that is wrong ends the program like any other wrong command line.
fn capture(arguments: &Arguments) -> anyhow::Result<Capture> {
    // The address itself may hold a password, so it is not repeated.
    let mut source = Source::parse(&arguments.source, Path::new(""))
        .unwrap_or_else(|error| refuse(&format!("URL {error}")));
    let decoder =
        Decoder::parse(&arguments.decoder).unwrap_or_else(|error| refuse(&format!("--decoder {error}")));
    match &mut source {
        Source::Rtsp { transport, .. } if arguments.transport.as_deref() == Some("udp") => {
            *transport = Transport::Udp;
        }
        Source::Rtsp { .. } => {}
        _ if arguments.transport.is_some() => refuse("--transport is only for an rtsp:// camera"),
        _ => {}
    }
    if let (Some(user), Some(file)) = (&arguments.username, &arguments.password_file) {
        let password = password(file).unwrap_or_else(|error| refuse(&format!("--password-file {error}")));
        match &mut source {
            Source::Rtsp { url, .. } | Source::Http { url, .. } => {
                url.log_in(user, password.reveal());
            }
            _ => refuse("--username is only for an rtsp:// or http:// camera"),
        }
    }
    if arguments.no_verify_tls {
        match &mut source {
            Source::Rtsp { url, verify_tls, .. } | Source::Http { url, verify_tls } if url.is_encrypted() => {
                *verify_tls = false;
            }
            _ => refuse("--no-verify-tls is only for an rtsps:// or https:// camera"),
        }
    }
    Ok(Capture { decoder, ..Capture::of(source) })
}

/// Ends the program as clap does for a wrong command line.
fn refuse(what: &str) -> ! {
    clap::Error::raw(ErrorKind::ValueValidation, format!("{what}\n")).exit()
}

fn text(source: &str, facts: &Facts) -> String {
    let Video { codec, size: (width, height), .. } = &facts.video;
    let decoder = facts.decoder().unwrap_or_else(|| "none is needed".to_owned());
    let rate = facts.frame_rate.map_or("one frame came".to_owned(), |rate| format!("{rate:.2}"));
    let faults: Vec<String> = facts.fault_words().collect();
    let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(", ") };
    let mut text = format!(
        "{source}\n  codec              {codec}\n  size               {width}x{height}\n  decoder            {decoder}\n  \
         frames per second  {rate}\n  first frame        after {} ms\n  faults             {faults}",
        facts.first_frame_after.as_millis()
    );
    match facts.halt {
        Some(halt) => text += &format!("\n  end                {halt}"),
        None if facts.ended => text += "\n  end                the file ended",
        None => {}
    }
    if let Some(picture) = &facts.picture {
        text += &format!("\n  picture            {}", picture.display());
    }
    text
}
