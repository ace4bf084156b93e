//! Accelerators: whether this machine has what each needs, a driver for it, and the permission to use it.
//!
//! [`super::runtime`] tries the models, and says in the providers' words why one does not run where it is to. Here is what is
//! usually behind that.

mod hardware;

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::device::{self, Closed};
use super::{Area, Check, Verdict};
use crate::config::{Accelerator, Config, Execution, Fallback, Place};
use hardware::{Devices, Hardware, Library, Pci, Processor};

/// Where the unit of the installed service and changes of it are.
const UNITS: [&str; 4] = [
    "/usr/lib/systemd/system/spotter.service",
    "/lib/systemd/system/spotter.service",
    "/etc/systemd/system/spotter.service",
    "/etc/systemd/system/spotter.service.d",
];
/// What an ELF file says of the processor that it is for, by Rust's name of the architecture.
const MACHINES: [(&str, u16); 4] = [("x86_64", 62), ("aarch64", 183), ("arm", 40), ("riscv64", 243)];

pub(super) fn checks(config: Option<&Config>) -> Vec<Check> {
    let machine = Machine {
        root: PathBuf::from("/"),
        architecture: std::env::consts::ARCH,
        may_open: device::may_open,
    };
    let Some(config) = config else { return Vec::new() };
    if config.models.accelerators.is_empty() {
        let text = "the configuration names none: models run on the CPU";
        return vec![Check::new(Area::Accelerators, "accelerators", Verdict::Skipped, text)];
    }
    let bad = match config.models.fallback {
        Fallback::Refuse => Verdict::Failure,
        Fallback::Announce => Verdict::Warning,
    };
    let wanted = |accelerator: &Accelerator| config.models.want(accelerator.name.as_str());
    let checks = |accelerator| machine.checks(accelerator, wanted(accelerator), bad);
    config.models.accelerators.iter().flat_map(checks).collect()
}

/// The machine that is looked at.
struct Machine {
    /// Where its file system begins.
    root: PathBuf,
    /// Of its processors, as Rust calls it.
    architecture: &'static str,
    may_open: fn(&Path) -> io::Result<()>,
}

/// What was found of an accelerator: its verdict, its text and what to do.
type Finding = (Verdict, String, Option<String>);

impl Machine {
    /// What an installer would look at for one accelerator; `bad` is what it means when it does not work.
    fn checks(&self, accelerator: &Accelerator, is_wanted: bool, bad: Verdict) -> Vec<Check> {
        let findings = match &accelerator.place {
            _ if !is_wanted => {
                vec![skipped("no model is to run on it: name it in `on` or `workers` of [models]")]
            }
            Place::Elsewhere(_) => {
                vec![skipped("a server on another machine: what it answered is said of each model")]
            }
            Place::Here(execution) => self.execution(execution, bad),
        };
        let check = |(verdict, text, advice): Finding| Check {
            advice,
            ..Check::new(Area::Accelerators, accelerator.name.as_str(), verdict, text)
        };
        findings.into_iter().map(check).collect()
    }

    fn execution(&self, execution: &Execution, bad: Verdict) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(execution.library.as_ref().map(|library| self.library(library, bad)));
        match hardware::of(execution, self.architecture) {
            Some(Hardware::AnyProcessor) => {
                let text = "it computes on the processor, and needs no device and no driver";
                findings.push((Verdict::Ok, text.to_owned(), None));
            }
            Some(Hardware::Processor(processor)) => findings.push(self.processor(&processor, bad)),
            Some(Hardware::Devices(devices)) => findings.extend(self.devices(&devices, bad)),
            Some(Hardware::Emulator) => {
                let text = "on this kind of processor it is an emulator: it computes what the device would, and takes longer";
                findings.push((Verdict::Warning, text.to_owned(), None));
            }
            None => {
                let text = format!("whether {} needs a device or a driver is not known", execution.provider);
                findings.push(skipped(&text));
            }
        }
        findings
    }

    /// Whether the library of a plug-in can be read, and is one for this machine.
    fn library(&self, path: &Path, bad: Verdict) -> Finding {
        let shown = path.display();
        let mut head = [0; 20];
        let read = fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
        let machine = MACHINES.iter().find(|(architecture, _)| *architecture == self.architecture);
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (
                bad,
                format!("the library {shown} is not there"),
                Some("install the provider's package, and name its library with `library`".to_owned()),
            ),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (
                bad,
                format!("this user may not read the library {shown}"),
                Some(format!(
                    "chmod o+r {shown}, and o+x each folder that it is in; nothing under /home is seen by the service"
                )),
            ),
            Ok(()) if head.starts_with(b"\x7fELF") => match machine {
                Some((architecture, code)) if head[18..20] != code.to_le_bytes() => (
                    bad,
                    format!(
                        "the library {shown} is for another kind of processor than this one, {architecture}"
                    ),
                    Some("install the provider's package for this kind of processor".to_owned()),
                ),
                _ => (Verdict::Ok, format!("the library {shown} can be read"), None),
            },
            _ => (
                bad,
                format!("{shown} is no library"),
                Some("name the provider's library, a file that ends with .so, with `library`".to_owned()),
            ),
        }
    }

    fn processor(&self, Processor { id, vendor, instead, advice }: &Processor, bad: Verdict) -> Finding {
        let about = fs::read_to_string(self.at("/proc/cpuinfo")).unwrap_or_default();
        let found = about.lines().find_map(|line| line.strip_prefix("vendor_id")?.split(':').nth(1));
        let found = found.map_or("an unknown vendor", str::trim);
        if found == *id {
            return (Verdict::Ok, format!("the processor is of {vendor}"), None);
        }
        if instead.as_ref().is_some_and(|pci| !self.on_the_bus(pci).is_empty()) {
            let text = format!("the processor is of {found}, but there is a device of {vendor}");
            return (Verdict::Ok, text, None);
        }
        (bad, format!("the processor is of {found}, not of {vendor}"), Some((*advice).to_owned()))
    }

    /// Whether the files of a device are there, may be opened, and have what programs need beside them.
    fn devices(&self, devices: &Devices, bad: Verdict) -> Vec<Finding> {
        let Devices { what, files, kind, pci, driver, library } = devices;
        let mut found = Vec::new();
        for places in *files {
            let mut there: Vec<PathBuf> =
                places.iter().flat_map(|place| device::files(&self.at(place))).collect();
            if let Some(pci) = pci {
                there.retain(|file| self.is_of(file, pci.vendor));
            }
            if there.is_empty() {
                let (text, advice) = self.absent(what, places[0], pci.as_ref(), driver);
                return vec![(bad, text, Some(advice))];
            }
            found.extend(there);
        }
        found.sort();
        found.dedup();
        let mut findings: Vec<Finding> = Vec::new();
        for file in &found {
            let shown = self.shown(file);
            if let Some(Closed { why, advice }) = device::closed(file, (self.may_open)(file), *kind) {
                findings.push((bad, format!("{what}, {shown}: {why}"), advice));
            } else if self.unit_opens(file) == Some(false) {
                let text = format!(
                    "{what}, {shown}: this user may open it, but the unit of the installed service does not let it"
                );
                let advice = format!("systemctl edit spotter, with [Service] and DeviceAllow={shown} rw");
                findings.push((Verdict::Warning, text, Some(advice)));
            } else {
                findings.push((Verdict::Ok, format!("{what}, {shown}: this user may open it"), None));
            }
        }
        findings.extend(library.as_ref().and_then(|library| self.missing(library)));
        findings
    }

    /// Why there is no device file, and what to do: the device is not there, or its driver.
    fn absent(&self, what: &str, file: &str, pci: Option<&Pci>, driver: &str) -> (String, String) {
        let file = file.replace('#', "*");
        let install = format!("its driver is {driver}");
        let give = "a container or a virtual machine must be given the device by its host";
        let Some(pci) = pci else {
            return (format!("no {what}: there is no {file}"), format!("{install}; {give}"));
        };
        match self.on_the_bus(pci).as_slice() {
            [] => (
                format!("this machine has no {what}: there is none on the PCI bus, and no {file}"),
                format!("let the models run on something that is there, with `on` in [models]; {give}"),
            ),
            [(place, None), ..] => {
                (format!("there is an {what} at {place} on the PCI bus, but it has no driver"), install)
            }
            [(place, Some(has)), ..] => (
                format!("there is an {what} at {place} on the PCI bus with the driver {has}, but no {file}"),
                format!("{install}; {give}"),
            ),
        }
    }

    /// Where devices like `pci` are on the PCI bus, and the driver of each.
    fn on_the_bus(&self, pci: &Pci) -> Vec<(String, Option<String>)> {
        let entries = fs::read_dir(self.at("/sys/bus/pci/devices")).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter(|entry| {
                let read = |name| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
                let class = read("class");
                read("vendor").trim() == pci.vendor
                    && pci.classes.iter().any(|beginning| class.starts_with(beginning))
            })
            .map(|entry| {
                let driver = fs::read_link(entry.path().join("driver")).ok();
                let driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
                (entry.file_name().to_string_lossy().into_owned(), driver)
            })
            .collect();
        found.sort();
        found
    }

    /// Whether a device file is of a vendor; of any where sysfs does not say.
    fn is_of(&self, file: &Path, vendor: &str) -> bool {
        let class = if file.parent().is_some_and(|folder| folder.ends_with("dri")) { "drm" } else { "accel" };
        let name = file.file_name().unwrap_or_default();
        let says = self.at("/sys/class").join(class).join(name).join("device/vendor");
        fs::read_to_string(says).map_or(true, |found| found.trim() == vendor)
    }

    /// Whether the unit of the installed service lets it open a device; nothing without a unit or a name of the driver.
    fn unit_opens(&self, file: &Path) -> Option<bool> {
        let text: String = UNITS.iter().map(|unit| unit_text(&self.at(unit))).collect();
        if text.trim().is_empty() {
            return None;
        }
        let major = rustix::fs::major(fs::metadata(file).ok()?.rdev());
        let drivers = fs::read_to_string(self.at("/proc/devices")).ok()?;
        let characters = drivers.split("Block devices").next()?;
        let driver = characters.lines().find_map(|line| {
            let (number, name) = line.trim().split_once(' ')?;
            (number.parse() == Ok(major)).then_some(name)
        })?;
        let shown = self.shown(file);
        let opens = |allowed: &str| match allowed.strip_prefix("char-") {
            Some(name) => {
                name.strip_suffix('*').map_or(name == driver, |beginning| driver.starts_with(beginning))
            }
            None => allowed == shown,
        };
        let mut allowed =
            text.lines().filter_map(|line| line.trim().strip_prefix("DeviceAllow=")?.split(' ').next());
        Some(allowed.any(opens))
    }

    /// What programs need beside the driver, when it is in none of its places.
    fn missing(&self, Library { names, folders, package }: &Library) -> Option<Finding> {
        let is_one = |name: &str| names.iter().any(|beginning| name.starts_with(beginning));
        let mut files =
            folders.iter().flat_map(|folder| fs::read_dir(self.at(folder)).into_iter().flatten().flatten());
        if files.any(|file| is_one(&file.file_name().to_string_lossy())) {
            return None;
        }
        let text = format!("{}* is in none of the usual folders: {}", names[0], folders.join(", "));
        Some((Verdict::Warning, text, Some(format!("install {package}"))))
    }

    /// Where a path of the machine is.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The path on the machine.
    fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root)
            .map_or_else(|_| path.display().to_string(), |path| format!("/{}", path.display()))
    }
}

fn skipped(text: &str) -> Finding {
    (Verdict::Skipped, text.to_owned(), None)
}

/// The text of a unit, or of all changes of it in a folder.
fn unit_text(path: &Path) -> String {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let changes =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "conf"));
    let read = |path: &Path| fs::read_to_string(path).map(|text| text + "\n").unwrap_or_default();
    read(path) + &changes.map(|path| read(&path)).collect::<String>()
}

#[cfg(test)]
mod tests;
