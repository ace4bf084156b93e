//! What the doctor says of accelerators on machines that are made up of files.

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;

/// A machine that is made up of files.
struct Made {
    root: TempDir,
    architecture: &'static str,
    may_open: fn(&Path) -> io::Result<()>,
}

impl Made {
    fn new() -> Self {
        Made { root: TempDir::new().unwrap(), architecture: "x86_64", may_open: |_| Ok(()) }
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// A device on the PCI bus.
    fn pci(self, vendor: &str, class: &str, driver: Option<&str>) -> Self {
        let place = "sys/bus/pci/devices/0000:00:0b.0";
        if let Some(driver) = driver {
            let folder = self.root.path().join(place);
            fs::create_dir_all(&folder).unwrap();
            symlink(format!("../../../bus/pci/drivers/{driver}"), folder.join("driver")).unwrap();
        }
        self.file(&format!("{place}/vendor"), vendor).file(&format!("{place}/class"), class)
    }

    /// Verdict, text and advice of each check of an `[[accelerator]]` with these keys.
    fn look(&self, keys: &str) -> Vec<(Verdict, String, String)> {
        let text = format!(
            "[models]\non = [\"it\"]\n[[accelerator]]\nname = \"it\"\n{keys}\n[[camera]]\nname = \"ramp\"\npipeline = \"videotestsrc\"\n"
        );
        let config = Config::parse(&text, self.root.path()).unwrap();
        let [accelerator] = config.models.accelerators.as_slice() else { panic!("{config:?}") };
        let Made { architecture, may_open, .. } = *self;
        let machine = Machine { root: self.root.path().to_owned(), architecture, may_open };
        let checks = machine.checks(accelerator, true, Verdict::Failure);
        let told = |check: Check| {
            assert_eq!((check.area, check.name.as_str()), (Area::Accelerators, "it"));
            (check.verdict, check.text, check.advice.unwrap_or_default())
        };
        checks.into_iter().map(told).collect()
    }
}

const NPU: &str = "provider = \"openvino\"\ndevice = \"NPU\"";
const GPU: &str = "provider = \"openvino\"\ndevice = \"GPU\"";
const ICD: &str = "etc/OpenCL/vendors/intel.icd";

/// That one check has this verdict, and these parts in its text and its advice.
#[track_caller]
fn finds(found: &[(Verdict, String, String)], verdict: Verdict, text: &str, advice: &str) {
    let is_it = |(its, told, advised): &(Verdict, String, String)| {
        *its == verdict && told.contains(text) && advised.contains(advice)
    };
    assert!(found.iter().any(is_it), "{found:#?}\nhas not: {verdict}, {text}, {advice}");
}

#[test]
fn a_device_or_a_driver_that_is_missing_is_told_apart() {
    let absent = Made::new().pci("0x8086", "0x030000\n", Some("i915"));
    finds(&absent.look(NPU), Verdict::Failure, "this machine has no Intel NPU", "with `on` in [models]");

    let without = Made::new().pci("0x8086\n", "0x120000\n", None);
    let found = without.look(NPU);
    finds(
        &found,
        Verdict::Failure,
        "an Intel NPU at 0000:00:0b.0 on the PCI bus, but it has no driver",
        "intel_vpu",
    );

    let other = Made::new().pci("0x10de", "0x030200", Some("nouveau"));
    let found = other.look("provider = \"cuda\"");
    finds(&found, Verdict::Failure, "with the driver nouveau, but no /dev/nvidia*", "nvidia-driver");

    // The graphics of another vendor have a file of the same name.
    let amd =
        Made::new().file("dev/dri/renderD128", "").file("sys/class/drm/renderD128/device/vendor", "0x1002\n");
    finds(&amd.look(GPU), Verdict::Failure, "this machine has no Intel GPU", "");
}

#[test]
fn a_device_of_another_kind_or_vendor_is_none() {
    // Intel's thermal sensors are a signal processor on the bus.
    let sensors = Made::new().pci("0x8086", "0x118000", Some("proc_thermal_pci"));
    finds(&sensors.look(NPU), Verdict::Failure, "this machine has no Intel NPU", "");
    let amd = Made::new().pci("0x1022", "0x118000", None);
    finds(
        &amd.look("provider = \"vitisai\"\nlibrary = \"plugin.so\""),
        Verdict::Failure,
        "an AMD NPU at",
        "amdxdna",
    );

    // Two graphics: only those of AMD are looked at.
    let hybrid = Made::new()
        .file("dev/kfd", "")
        .file("dev/dri/renderD128", "")
        .file("sys/class/drm/renderD128/device/vendor", "0x8086\n")
        .file("dev/dri/renderD129", "")
        .file("sys/class/drm/renderD129/device/vendor", "0x1002\n");
    let found = hybrid.look("provider = \"migraphx\"\nlibrary = \"plugin.so\"");
    finds(&found, Verdict::Ok, "AMD GPU, /dev/dri/renderD129", "");
    assert!(!found.iter().any(|(_, text, _)| text.contains("renderD128")), "{found:#?}");
}

#[test]
fn all_files_of_a_device_must_be_there_and_be_open_to_this_user() {
    let part = Made::new().file("dev/nvidia0", "").file("dev/nvidiactl", "");
    let found = part.look("provider = \"tensorrt\"");
    finds(&found, Verdict::Failure, "no /dev/nvidia-uvm", "");

    let whole = part.file("dev/nvidia-uvm", "").file("usr/lib64/libcuda.so.1", "");
    let found = whole.look("provider = \"tensorrt\"");
    assert_eq!(found.len(), 3, "{found:#?}");
    for file in ["nvidia0", "nvidiactl", "nvidia-uvm"] {
        finds(&found, Verdict::Ok, &format!("/dev/{file}: this user may open it"), "");
    }

    let closed = Made { may_open: |_| Err(io::ErrorKind::PermissionDenied.into()), ..Made::new() };
    let found = closed.file("dev/accel/accel0", "").look(NPU);
    finds(
        &found,
        Verdict::Failure,
        "Intel NPU, /dev/accel/accel0: this user may not open it",
        "GROUP=\"render\"",
    );
}

#[test]
fn what_programs_need_beside_the_driver_is_named() {
    let without = Made::new().file("dev/dri/renderD128", "");
    finds(
        &without.look(GPU),
        Verdict::Warning,
        "is in none of the usual folders",
        "install intel-opencl-icd",
    );
    let found = without.file(ICD, "").look(GPU);
    assert!(matches!(found.as_slice(), [(Verdict::Ok, ..)]), "{found:#?}");
}

#[test]
fn a_plug_in_for_another_vendors_processor_is_known_beforehand() {
    let keys = |device: &str| format!("provider = \"openvino\"\nlibrary = \"plugin.so\"\n{device}");
    let of =
        |vendor: &str| Made::new().file("proc/cpuinfo", &format!("processor\t: 0\nvendor_id\t: {vendor}\n"));
    let (cpu, any) = (keys("device = \"CPU\""), keys(""));
    finds(&of("GenuineIntel").look(&cpu), Verdict::Ok, "the processor is of Intel", "");
    for keys in [&cpu, &any] {
        let found = of("AuthenticAMD").look(keys);
        finds(&found, Verdict::Failure, "of AuthenticAMD, not of Intel", "onnxruntime-openvino");
    }
    let with_graphics = of("AuthenticAMD").pci("0x8086", "0x030000", Some("xe"));
    finds(&with_graphics.look(&any), Verdict::Ok, "there is a device of Intel", "");
    finds(&with_graphics.look(&cpu), Verdict::Failure, "not of Intel", "");
    // The provider that is built in runs on any.
    let found = of("AuthenticAMD").look("provider = \"openvino\"\ndevice = \"CPU\"");
    finds(&found, Verdict::Ok, "it computes on the processor", "");
}

#[test]
fn a_library_is_there_readable_and_for_this_machine() {
    let keys = "provider = \"ggml\"\nlibrary = \"plugin.so\"";
    let elf = |machine: u8| {
        let mut head = b"\x7fELF\x02\x01\x01".to_vec();
        head.resize(18, 0);
        head.extend([machine, 0, 0, 0]);
        String::from_utf8(head).unwrap()
    };
    finds(&Made::new().look(keys), Verdict::Failure, "plugin.so is not there", "install");
    finds(
        &Made::new().file("plugin.so", "text").look(keys),
        Verdict::Failure,
        "plugin.so is no library",
        ".so",
    );
    finds(&Made::new().file("plugin.so", &elf(62)).look(keys), Verdict::Ok, "plugin.so can be read", "");
    let x86 = Made { architecture: "aarch64", ..Made::new() }.file("plugin.so", &elf(62));
    finds(&x86.look(keys), Verdict::Failure, "another kind of processor than this one, aarch64", "");
}

#[test]
fn qnn_is_an_emulator_where_there_is_no_qualcomm() {
    let keys = "provider = \"qnn\"\nlibrary = \"plugin.so\"";
    finds(&Made::new().look(keys), Verdict::Warning, "it is an emulator", "");
    let board = Made { architecture: "aarch64", ..Made::new() };
    finds(&board.look(keys), Verdict::Failure, "there is no /dev/fastrpc-cdsp", "fastrpc");
}

#[test]
fn the_unit_must_open_what_its_user_may() {
    // `/dev/null` stands for a device with a number.
    let allows = |unit: &str, change: &str| {
        let made = Made::new()
            .file("usr/lib/systemd/system/spotter.service", unit)
            .file("etc/systemd/system/spotter.service.d/override.conf", change)
            .file("proc/devices", "Character devices:\n  1 mem\n226 drm\n\nBlock devices:\n  1 ramdisk\n");
        let Made { architecture, may_open, .. } = made;
        let machine = Machine { root: made.root.path().to_owned(), architecture, may_open };
        machine.unit_opens(Path::new("/dev/null"))
    };
    let packaged = "[Service]\nDevicePolicy=closed\nDeviceAllow=char-drm rw\n";
    assert_eq!(allows(packaged, ""), Some(false));
    assert_eq!(allows(packaged, "[Service]\nDeviceAllow=/dev/null rw\n"), Some(true));
    assert_eq!(allows(packaged, "[Service]\nDeviceAllow=char-m* rw"), Some(true));
    assert_eq!(allows(packaged, "[Service]\nDeviceAllow=char-ramdisk rw"), Some(false));
    assert_eq!(allows("", ""), None);
}
