//! What the execution providers compute on: device files, the driver that makes them, and what programs need beside it.
//!
//! By the vendors' own installation guides. A provider that is not here needs nothing that is known.

use crate::config::{Device, DeviceKind, Execution};
use crate::doctor::device::{GPU, Kind};

/// What an accelerator computes on.
#[derive(Debug)]
pub(super) enum Hardware {
    /// The processor, of whatever vendor.
    AnyProcessor,
    /// The processor, if it is of one vendor.
    Processor(Processor),
    /// A device with files in `/dev`.
    Devices(Devices),
    /// Nothing of this machine: QNN's libraries for this kind of processor have an emulator in the device's place.
    Emulator,
}

/// A processor of one vendor.
#[derive(Debug)]
pub(super) struct Processor {
    /// As `/proc/cpuinfo` has it.
    pub(super) id: &'static str,
    pub(super) vendor: &'static str,
    /// What the vendor has on the PCI bus that does instead.
    pub(super) instead: Option<Pci>,
    /// What may be done on another one.
    pub(super) advice: &'static str,
}

/// A device with files in `/dev`.
#[derive(Debug)]
pub(super) struct Devices {
    /// Such as `Intel NPU`.
    pub(super) what: &'static str,
    /// Each of these, in one of several places. `#` stands for a number.
    pub(super) files: &'static [&'static [&'static str]],
    /// What udev and Debian call it.
    pub(super) kind: Kind,
    /// How it is found on the PCI bus; nothing for what is not there.
    pub(super) pci: Option<Pci>,
    /// What makes the files.
    pub(super) driver: &'static str,
    /// What programs need beside the driver, if anything is known.
    pub(super) library: Option<Library>,
}

/// How devices are found on the PCI bus.
#[derive(Debug)]
pub(super) struct Pci {
    /// As sysfs writes it.
    pub(super) vendor: &'static str,
    /// What the classes begin with, as sysfs writes them.
    pub(super) classes: &'static [&'static str],
}

/// What programs need beside the kernel's driver.
#[derive(Debug)]
pub(super) struct Library {
    /// The beginnings of its file's name, of which one must be there.
    pub(super) names: &'static [&'static str],
    pub(super) folders: &'static [&'static str],
    pub(super) package: &'static str,
}

const NPU: Kind = Kind { subsystem: "accel", group: "render" };
/// Intel on the PCI bus.
const INTEL: &str = "0x8086";
/// Classes of the PCI bus: displays, processing accelerators, and those with the signal processors, among which AMD's NPUs are.
const DISPLAYS: &[&str] = &["0x03"];
const PROCESSORS: &[&str] = &["0x12"];
const SIGNAL_PROCESSORS: &[&str] = &["0x12", "0x118"];
const LIBRARIES: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu/nvidia",
    "/usr/lib/aarch64-linux-gnu/tegra",
    "/usr/lib64",
    "/usr/lib",
    "/usr/local/lib",
];

const INTEL_CPU: Processor = Processor {
    id: "GenuineIntel",
    vendor: "Intel",
    instead: None,
    advice: "OpenVINO's plug-in offers nothing on it: let the models run on \"cpu\", or leave `library` out and name the \
             library of PyPI's onnxruntime-openvino as runtime.onnxruntime",
};

const INTEL_GPU: Hardware = Hardware::Devices(Devices {
    what: "Intel GPU",
    files: &[&["/dev/dri/renderD#"]],
    kind: GPU,
    pci: Some(Pci { vendor: INTEL, classes: DISPLAYS }),
    driver: "the kernel's i915 or xe, with Debian's firmware-misc-nonfree or firmware-intel-graphics",
    library: Some(Library {
        names: &["intel"],
        folders: &["/etc/OpenCL/vendors"],
        package: "intel-opencl-icd",
    }),
});

const INTEL_NPU: Hardware = Hardware::Devices(Devices {
    what: "Intel NPU",
    files: &[&["/dev/accel/accel#"]],
    kind: NPU,
    pci: Some(Pci { vendor: INTEL, classes: PROCESSORS }),
    driver: "the kernel's intel_vpu, with Intel's linux-npu-driver",
    library: Some(Library {
        names: &["libze_intel_npu.so", "libze_intel_vpu.so"],
        folders: LIBRARIES,
        package: "intel-level-zero-npu of Intel's linux-npu-driver",
    }),
});

const NVIDIA: Hardware = Hardware::Devices(Devices {
    what: "NVIDIA GPU",
    files: &[
        // The second is that of Jetson, which has no others.
        &["/dev/nvidia#", "/dev/nvhost-gpu"],
        &["/dev/nvidiactl", "/dev/nvhost-gpu"],
        &["/dev/nvidia-uvm", "/dev/nvhost-gpu"],
    ],
    kind: Kind { subsystem: "nvidia", group: "video" },
    pci: Some(Pci { vendor: "0x10de", classes: DISPLAYS }),
    driver: "Debian's nvidia-driver, or NVIDIA's own; nouveau does not do",
    library: Some(Library { names: &["libcuda.so.1"], folders: LIBRARIES, package: "libcuda1" }),
});

const AMD_GPU: Hardware = Hardware::Devices(Devices {
    what: "AMD GPU",
    files: &[&["/dev/kfd"], &["/dev/dri/renderD#"]],
    kind: Kind { subsystem: "kfd", group: "render" },
    pci: Some(Pci { vendor: "0x1002", classes: DISPLAYS }),
    driver: "the kernel's amdgpu, with Debian's firmware-amd-graphics",
    library: Some(Library {
        names: &["libhsa-runtime64.so.1"],
        folders: &["/opt/rocm/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/local/lib"],
        package: "ROCm, from AMD",
    }),
});

const AMD_NPU: Hardware = Hardware::Devices(Devices {
    what: "AMD NPU",
    files: &[&["/dev/accel/accel#"]],
    kind: NPU,
    pci: Some(Pci { vendor: "0x1022", classes: SIGNAL_PROCESSORS }),
    driver: "the kernel's amdxdna, from Linux 6.14 on, with AMD's firmware",
    library: None,
});

const ANY_GPU: Hardware = Hardware::Devices(Devices {
    what: "GPU",
    files: &[&["/dev/dri/renderD#"]],
    kind: GPU,
    pci: None,
    driver: "that of its vendor, with Vulkan",
    library: None,
});

const QUALCOMM: Hardware = Hardware::Devices(Devices {
    what: "Qualcomm HTP",
    files: &[&["/dev/fastrpc-cdsp", "/dev/fastrpc-cdsp1", "/dev/fastrpc-cdsp-secure", "/dev/adsprpc-smd"]],
    kind: Kind { subsystem: "misc", group: "render" },
    pci: None,
    driver: "the kernel's fastrpc, with the firmware of the board",
    library: None,
});

const ASCEND: Hardware = Hardware::Devices(Devices {
    what: "Ascend NPU",
    files: &[&["/dev/davinci#"], &["/dev/davinci_manager"]],
    kind: Kind { subsystem: "davinci_manager", group: "HwHiAiUser" },
    pci: Some(Pci { vendor: "0x19e5", classes: PROCESSORS }),
    driver: "Huawei's own, for the card",
    library: None,
});

/// What `execution` needs of a machine with processors of this `architecture`; nothing that is known.
pub(super) fn of(execution: &Execution, architecture: &str) -> Option<Hardware> {
    let Execution { provider, library, device, options, .. } = execution;
    let kind = match device {
        Some(Device::Kind(kind)) => Some(*kind),
        _ => None,
    };
    let backend = options.get("backend").map(String::as_str);
    match (provider.to_string().as_str(), kind) {
        ("openvino", Some(DeviceKind::Gpu)) => Some(INTEL_GPU),
        ("openvino", Some(DeviceKind::Npu)) => Some(INTEL_NPU),
        ("openvino", Some(DeviceKind::Cpu)) if library.is_some() => Some(Hardware::Processor(INTEL_CPU)),
        // Any device of Intel will do.
        ("openvino", None) if library.is_some() => {
            let instead = Some(Pci { vendor: INTEL, classes: &["0x03", "0x12"] });
            Some(Hardware::Processor(Processor { instead, ..INTEL_CPU }))
        }
        ("openvino", Some(DeviceKind::Cpu) | None) | ("xnnpack" | "ggml", _) => Some(Hardware::AnyProcessor),
        ("cuda" | "tensorrt" | "tensorrt-rtx", _) => Some(NVIDIA),
        ("migraphx", _) => Some(AMD_GPU),
        ("vitisai", _) => Some(AMD_NPU),
        ("webgpu", _) => Some(ANY_GPU),
        ("cann", _) => Some(ASCEND),
        ("qnn", _) if matches!(backend, Some("cpu" | "ir")) => Some(Hardware::AnyProcessor),
        ("qnn", _) if backend == Some("gpu") => None,
        ("qnn", _) if architecture == "aarch64" => Some(QUALCOMM),
        ("qnn", _) => Some(Hardware::Emulator),
        _ => None,
    }
}
