//! `spotter discover`: which cameras are there, and the lines for the configuration.

mod blocks;

use std::time::Duration;

use serde_json::{Value, json};
use spotter::capture;
use spotter::discover::{self, Interface, OnvifDevice, VisionCamera, VisionLink};

use super::Outcome;
use super::log::complain;
use super::output::say;
use blocks::Blocks;

/// Looks for cameras on this machine's networks, USB ports and video devices.
///
/// Sends ONVIF's probe (UDP multicast to 239.255.255.250 and ff02::c, port 3702) and GigE Vision's (UDP broadcast, port 3956)
/// on every interface that is up, and lists USB3 Vision cameras and Video4Linux devices. Prints a [[camera]] block for each,
/// ready for the configuration. Nothing is logged in to.
#[derive(clap::Args)]
pub struct Arguments {
    /// How long to wait for answers, in seconds.
    #[arg(long, value_name = "N", default_value_t = 3.0, value_parser = seconds)]
    timeout: f64,
    /// Ask on this network interface only; may be given several times. The loopback is asked only when it is named.
    #[arg(long, value_name = "NAME")]
    interface: Vec<String>,
    /// Look for these only.
    #[arg(long, value_name = "KIND", value_enum, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Network cameras that speak ONVIF.
    Onvif,
    /// GigE Vision and USB3 Vision cameras.
    Genicam,
    /// Video4Linux devices, such as webcams.
    V4l2,
}

/// One camera that was found, whatever its kind.
struct Found {
    kind: &'static str,
    /// What names it for people.
    title: String,
    /// What it is called in the configuration.
    name: String,
    /// What leads to its video, when that is known.
    source: Option<String>,
    block: String,
    details: Value,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let timeout = Duration::from_secs_f64(arguments.timeout);
    let wants = |kind| arguments.only.is_empty() || arguments.only.contains(&kind);
    let mut problems = Vec::new();
    let interfaces = interfaces(&arguments.interface, &mut problems)?;
    // Side by side: both wait for the whole time.
    let (onvif, vision) = std::thread::scope(|scope| -> anyhow::Result<_> {
        let look = || if wants(Kind::Onvif) { onvif(&interfaces, timeout) } else { Looked::default() };
        let looking = std::thread::Builder::new().name("onvif".to_owned()).spawn_scoped(scope, look)?;
        let vision = if wants(Kind::Genicam) { vision(&interfaces, timeout) } else { Looked::default() };
        let onvif = looking.join().map_err(|_| anyhow::anyhow!("looking for ONVIF devices has panicked"))?;
        Ok((onvif, vision))
    })?;
    problems.extend(onvif.1.into_iter().chain(vision.1));
    let mut blocks = Blocks::default();
    let mut found: Vec<Found> = onvif.0.iter().map(|device| of_onvif(device, &mut blocks)).collect();
    found.extend(vision.0.iter().map(|camera| of_vision(camera, &mut blocks)));
    if wants(Kind::V4l2) {
        match capture::video_devices() {
            Ok(devices) => found.extend(devices.iter().map(|device| of_device(device, &mut blocks))),
            Err(error) => problems.push(format!("video devices: {error}")),
        }
    }
    if arguments.json {
        print_json(&found, &problems)?;
    } else {
        print_text(&found)?;
    }
    for problem in &problems {
        complain!("spotter: {problem}");
    }
    if found.is_empty() {
        let names: Vec<_> = interfaces.iter().map(|interface| interface.name.as_str()).collect();
        let asked = if names.is_empty() { "no network interface".to_owned() } else { names.join(", ") };
        complain!("spotter: no camera was found (asked: {asked}; a firewall must let their answers in)");
        return Ok(Outcome::Bad);
    }
    Ok(Outcome::Done)
}

/// What was found, and what could not be asked.
type Looked<T> = (Vec<T>, Vec<String>);

fn onvif(interfaces: &[Interface], timeout: Duration) -> Looked<OnvifDevice> {
    let mut problems = Vec::new();
    let found = discover::onvif(interfaces, timeout, &mut |text| problems.push(text));
    (found, problems)
}

fn vision(interfaces: &[Interface], timeout: Duration) -> Looked<VisionCamera> {
    let mut problems = Vec::new();
    let found = discover::vision_cameras(interfaces, timeout, &mut |text| problems.push(text));
    (found, problems)
}

/// The interfaces to ask: those that are named, or all but the loopback.
fn interfaces(names: &[String], problems: &mut Vec<String>) -> anyhow::Result<Vec<Interface>> {
    let mut all = discover::interfaces()?;
    for name in names {
        if all.iter().all(|interface| interface.name != *name) {
            problems.push(format!("there is no network interface `{name}` that is up and has an address"));
        }
    }
    all.retain(|interface| match names.is_empty() {
        true => !interface.is_loopback,
        false => names.contains(&interface.name),
    });
    Ok(all)
}

fn of_onvif(device: &OnvifDevice, blocks: &mut Blocks) -> Found {
    let OnvifDevice { name, hardware, locations, services, host } = device;
    let called = name.as_ref().or(hardware.as_ref());
    let title =
        called.map_or_else(|| format!("an ONVIF device at {host}"), |name| format!("{name} at {host}"));
    let name_in_configuration = blocks.name(called.map_or(host.as_str(), String::as_str), "camera");
    let mut comments = vec![format!("ONVIF: {title}")];
    comments.extend(hardware.iter().map(|hardware| format!("hardware: {hardware}")));
    comments.extend(locations.iter().map(|location| format!("location: {location}")));
    comments.extend(services.iter().map(|service| format!("device service: {service}")));
    comments.push(
        "Discovery does not tell the path of the stream: put it in (the camera's manual or page has it)."
            .to_owned(),
    );
    let lines = [
        format!("source = {}", blocks::quoted(&format!("rtsp://{host}/"))),
        "# username = \"viewer\"".to_owned(),
        format!("# password_file = \"/etc/spotter/{name_in_configuration}-password\""),
    ];
    Found {
        kind: "onvif",
        title,
        source: None,
        block: blocks::block(&comments, &name_in_configuration, &lines),
        details: json!({
            "name": name, "hardware": hardware, "locations": locations, "services": services, "host": host,
        }),
        name: name_in_configuration,
    }
}

fn of_vision(camera: &VisionCamera, blocks: &mut Blocks) -> Found {
    let VisionCamera { vendor, model, serial, name, link } = camera.shown();
    let called = if name.is_empty() { &model } else { &name };
    let in_configuration = blocks.name(called, "camera");
    let (kind, address, mac) = match &link {
        VisionLink::Gige { address, mac } => ("GigE Vision", Some(address.to_string()), Some(mac)),
        VisionLink::Usb3 => ("USB3 Vision", None, None),
    };
    let source = camera.source();
    let mut comments = vec![format!("{kind}: {camera}")];
    if !name.is_empty() {
        comments.push(format!("name: {name}"));
    }
    let lines = match &source {
        Some(source) => vec![format!("source = {}", blocks::quoted(source))],
        None => {
            comments.push(
                "It has no serial number that could be written here; `genicam:` is the first camera."
                    .to_owned(),
            );
            vec!["source = \"genicam:\"".to_owned()]
        }
    };
    Found {
        kind: "genicam",
        title: format!("{vendor} {model} {serial}"),
        block: blocks::block(&comments, &in_configuration, &lines),
        details: json!({
            "interface": kind, "vendor": vendor, "model": model, "serial": serial, "name": name, "address": address,
            "mac": mac,
        }),
        source,
        name: in_configuration,
    }
}

fn of_device(device: &capture::VideoDevice, blocks: &mut Blocks) -> Found {
    let path = device.device.display().to_string();
    let shown = spotter::config::visible(&device.name);
    let in_configuration = blocks.name(&shown, "camera");
    let lines = [format!("source = {}", blocks::quoted(&path))];
    Found {
        kind: "v4l2",
        title: format!("{shown} at {path}"),
        block: blocks::block(&[format!("Video4Linux: {shown}")], &in_configuration, &lines),
        details: json!({ "name": shown, "device": path }),
        source: Some(path),
        name: in_configuration,
    }
}

fn print_json(found: &[Found], problems: &[String]) -> anyhow::Result<()> {
    let one = |found: &Found| {
        json!({
            "kind": found.kind,
            "title": found.title,
            "camera": found.name,
            "source": found.source,
            "configuration": found.block,
            "details": found.details,
        })
    };
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "cameras": found.iter().map(one).collect::<Vec<_>>(),
        "problems": problems,
    });
    say!("{value:#}")?;
    Ok(())
}

fn print_text(found: &[Found]) -> anyhow::Result<()> {
    for (number, camera) in found.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        say!("{gap}{}", camera.block.trim_end())?;
    }
    Ok(())
}

/// Reads how long to wait.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "it must be a number".to_owned())?;
    if (0.1..=60.0).contains(&seconds) { Ok(seconds) } else { Err("it must be from 0.1 to 60".to_owned()) }
}
