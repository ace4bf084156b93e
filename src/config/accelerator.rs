//! `[[accelerator]]`: what models may run on beside the CPU, and which models are to run where.

mod address;
mod provider;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::read::Section;
use crate::name::Name;
use provider::Choice;

pub use address::ServerAddress;
pub use provider::{Known, Provider};
pub use server::Server;

/// What the CPU is called where accelerators are named.
pub const CPU: &str = "cpu";

/// `[[accelerator]]`: what runs models beside the CPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Accelerator {
    /// Spotter's name for it; never `cpu`.
    pub name: Name,
    /// What it is.
    pub place: Place,
}

/// Where models run.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// On this machine.
    Here(Execution),
    /// On another machine: pictures leave this one.
    Elsewhere(Server),
}

/// One device, and the execution provider of ONNX Runtime that runs models on it.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// The execution provider.
    pub provider: Provider,
    /// The plug-in library that has the provider; absent when it is built into the runtime library.
    pub library: Option<PathBuf>,
    /// Which of the provider's devices; any when absent.
    pub device: Option<Device>,
    /// The options that Spotter knows and has checked, in its own words.
    pub options: BTreeMap<&'static str, String>,
    /// Options in the provider's words, which nobody checks.
    pub raw: BTreeMap<String, String>,
}

/// A device, as far as a configuration tells it from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// By what it is.
    Kind(DeviceKind),
    /// By the id that its provider gives it.
    Id(u32),
    /// By its maker.
    Vendor(String),
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor, through another provider than ONNX Runtime's own.
    Cpu,
    /// A graphics processor.
    Gpu,
    /// A processor for neural networks.
    Npu,
}

/// `models.workers` has at most so many entries.
pub(super) const MOST_WORKERS: usize = 16;

/// `models.on`: the names of accelerators in the order of wish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct On {
    /// For every model without a list of its own. Empty: the CPU.
    pub all: Vec<String>,
    /// For the model of one key of `[models]`.
    pub of: BTreeMap<&'static str, Vec<String>>,
}

/// `models.fallback`: what happens to a model that its first wish does not run as it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// Spotter does not start.
    #[default]
    Refuse,
    /// It runs on the next wish, which the status, a problem there and `doctor` say.
    Announce,
}

impl On {
    /// The keys of `[models]` that name a model.
    pub const KEYS: [&str; 5] = ["detect", "pose", "posture", "skeleton", "clips"];

    /// The wishes for the model of a key of `[models]`, such as `pose`, in a worker for `first`: that comes first, unless the
    /// model has a list of its own without it.
    pub fn wishes<'a>(&'a self, key: &str, first: Option<&'a str>) -> Vec<&'a str> {
        let own = self.of.get(key);
        let list = own.unwrap_or(&self.all);
        let list: Vec<&str> =
            if list.is_empty() { vec![CPU] } else { list.iter().map(String::as_str).collect() };
        let first = first.filter(|first| own.is_none() || list.contains(first));
        first.into_iter().chain(list.iter().copied().filter(|wish| Some(*wish) != first)).collect()
    }
}

impl Execution {
    /// What the provider is told about a device of this `kind`, in its own words. `threads` is that of `[runtime]`, for
    /// providers that have threads of their own; 0 leaves their number to them.
    pub fn native_options(&self, kind: DeviceKind, threads: usize) -> BTreeMap<String, String> {
        let mut options = self.provider.native(self, kind, threads);
        options.extend(self.raw.clone());
        options
    }
}

impl fmt::Display for Device {
    /// As a configuration writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Kind(kind) => kind.fmt(f),
            Device::Id(id) => id.fmt(f),
            Device::Vendor(vendor) => f.write_str(vendor),
        }
    }
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeviceKind::Cpu => "CPU",
            DeviceKind::Gpu => "GPU",
            DeviceKind::Npu => "NPU",
        })
    }
}

/// Reads every `[[accelerator]]`; those that are sound, and the names of all.
pub(super) fn read(root: &mut Section<'_, '_, '_>, base: &Path) -> (Vec<Accelerator>, BTreeSet<Name>) {
    let mut names = BTreeSet::new();
    let sound = root.each("accelerator", |section| {
        let name = section.parsed("name", accelerator_name);
        if !section.has("name") {
            section.problem("name", "is missing; every accelerator needs one of its own");
        }
        if let Some(name) = &name
            && !names.insert(name.clone())
        {
            section.problem("name", format!("is \"{name}\", which another accelerator has"));
        }
        let place = match section.text("provider") {
            Some(server::WORD) => Place::Elsewhere(Server::read(section, base)?),
            _ => Place::Here(execution(section, base)?),
        };
        Some(Accelerator { name: name?, place })
    });
    (sound, names)
}

fn execution(section: &mut Section<'_, '_, '_>, base: &Path) -> Option<Execution> {
    let provider = section.parsed("provider", Provider::parse);
    if !section.has("provider") {
        section.problem(
                "provider",
                "is missing; it is the execution provider of ONNX Runtime, such as \"openvino\", or \"oip\" for a server",
            );
    }
    let library = section.string("library").map(|path| base.join(path));
    let device = section.parsed("device", device);
    let known = provider.as_ref().map_or(&[][..], Provider::options);
    let (options, raw) = options(section.child("options"), known);
    if let (Some(provider), None) = (&provider, &library)
        && let Err(why) = provider.built_in(device.as_ref())
    {
        section.problem("library", why);
    }
    Some(Execution { provider: provider?, library, device, options, raw })
}

/// Options that Spotter knows, and raw ones.
fn options(
    mut section: Section<'_, '_, '_>,
    known: &'static [Choice],
) -> (BTreeMap<&'static str, String>, BTreeMap<String, String>) {
    let mut options = BTreeMap::new();
    for option in known {
        let value = option.values.read(&mut section, option.key);
        options.extend(value.or(option.default.map(str::to_owned)).map(|value| (option.key, value)));
    }
    let raw = section.values("raw");
    section.finish();
    (options, raw)
}

/// Reads `on`, `workers` and `fallback` of `[models]`, for accelerators with these `names`.
pub(super) fn wishes(
    section: &mut Section<'_, '_, '_>,
    names: &BTreeSet<Name>,
) -> (On, Vec<String>, Fallback) {
    let known = |wanted: &str| wanted == CPU || names.iter().any(|name| name.as_str() == wanted);
    let list = |section: &mut Section<'_, '_, '_>, key: &'static str| {
        let list = section.strings(key)?;
        if list.is_empty() {
            section.problem(key, "is an empty list; leave it out for the CPU");
        } else if let Some(unknown) = list.iter().find(|name| !known(name)) {
            let names: Vec<&str> = names.iter().map(Name::as_str).chain([CPU]).collect();
            let names = names.join(", ");
            section
                .problem(key, format!("has \"{unknown}\", which is no [[accelerator]]; there are: {names}"));
        }
        Some(list)
    };
    let check = |section: &mut Section<'_, '_, '_>, key: &'static str| {
        let list = list(section, key)?;
        let mut seen = BTreeSet::new();
        if let Some(twice) = list.iter().find(|name| !seen.insert(name.as_str())) {
            section.problem(key, format!("has \"{twice}\" twice"));
        }
        Some(list)
    };
    let on = if section.is_table("on") {
        let mut table = section.child("on");
        let all = check(&mut table, "all").unwrap_or_default();
        let of = On::KEYS.into_iter().filter_map(|key| Some((key, check(&mut table, key)?))).collect();
        table.finish();
        On { all, of }
    } else {
        On { all: check(section, "on").unwrap_or_default(), of: BTreeMap::new() }
    };
    // The same name may stand for several workers.
    let workers = list(section, "workers").unwrap_or_default();
    if workers.len() > MOST_WORKERS {
        section.problem("workers", format!("has {} entries; there can be {MOST_WORKERS}", workers.len()));
    }
    let fallback = section.parsed("fallback", |text| match text {
        "refuse" => Ok(Fallback::Refuse),
        "announce" => Ok(Fallback::Announce),
        _ => Err(format!("is \"{text}\"; it must be \"refuse\" or \"announce\"")),
    });
    (on, workers, fallback.unwrap_or_default())
}

fn accelerator_name(text: &str) -> Result<Name, String> {
    if text.eq_ignore_ascii_case(CPU) {
        return Err(format!("is \"{text}\", which is always there and needs no entry"));
    }
    Name::new(text).map_err(|error| error.to_string())
}

fn device(text: &str) -> Result<Device, String> {
    let hex = text.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match text.to_ascii_uppercase().as_str() {
        "" => Err("is empty; it must be \"CPU\", \"GPU\", \"NPU\", a device's id or its vendor".to_owned()),
        "CPU" => Ok(Device::Kind(DeviceKind::Cpu)),
        "GPU" => Ok(Device::Kind(DeviceKind::Gpu)),
        "NPU" => Ok(Device::Kind(DeviceKind::Npu)),
        _ => {
            Ok(hex.or_else(|| text.parse().ok()).map_or_else(|| Device::Vendor(text.to_owned()), Device::Id))
        }
    }
}

#[cfg(test)]
mod tests;
