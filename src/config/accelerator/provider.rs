//! The execution providers that Spotter knows, and the options of each that it checks and translates.
//!
//! Providers take options as texts, and most of them say nothing of a key that they do not know. So every key has its row
//! here; the names and values are those of ONNX Runtime's documentation of each provider.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use super::{Device, DeviceKind, Execution, server};
use crate::config::read::Section;
use crate::name::Name;

/// An execution provider of ONNX Runtime.
#[derive(Clone, Debug, PartialEq)]
pub enum Provider {
    /// One that Spotter knows.
    Known(&'static Known),
    /// Another, by ONNX Runtime's name for it. All its options are raw.
    Other(Name),
}

/// A provider that Spotter knows.
#[derive(Debug, PartialEq)]
pub struct Known {
    /// The word of a configuration.
    pub word: &'static str,
    /// ONNX Runtime's name for it.
    pub name: &'static str,
    options: &'static [Choice],
    /// Whether some builds of ONNX Runtime have it built in.
    built_in: bool,
}

/// An option of a provider.
#[derive(Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) key: &'static str,
    pub(super) values: Values,
    /// What it is when a configuration leaves it out; nothing: what the provider does then.
    pub(super) default: Option<&'static str>,
    /// The provider's own key and, for words, its own words in the same order.
    native: (&'static str, &'static [&'static str]),
}

/// What an option may be.
#[derive(Debug, PartialEq)]
pub(super) enum Values {
    Words(&'static [&'static str]),
    Whole(RangeInclusive<i64>),
    Flag,
}

const fn whole(key: &'static str, least: i64, most: i64, native: &'static str) -> Choice {
    Choice { key, values: Values::Whole(least..=most), default: None, native: (native, &[]) }
}

/// `precision`, single by default: what computes in half precision finds other joints.
const fn precision(
    words: &'static [&'static str],
    native: (&'static str, &'static [&'static str]),
) -> Choice {
    Choice { key: "precision", values: Values::Words(words), default: Some("f32"), native }
}

const fn provider(
    word: &'static str,
    name: &'static str,
    built_in: bool,
    options: &'static [Choice],
) -> Known {
    Known { word, name, options, built_in }
}

const KNOWN: &[Known] = &[
    provider(
        "openvino",
        "OpenVINOExecutionProvider",
        true,
        &[
            Choice {
                key: "precision",
                values: Values::Words(&["f32", "f16", "native"]),
                // It hangs on the device: see `Provider::native`.
                default: None,
                native: ("precision", &["FP32", "FP16", "ACCURACY"]),
            },
            whole("threads", 1, 256, "num_of_threads"),
            whole("streams", 1, 8, "num_streams"),
        ],
    ),
    provider(
        "qnn",
        "QNNExecutionProvider",
        true,
        &[
            Choice {
                key: "backend",
                values: Values::Words(&["htp", "gpu", "cpu", "ir"]),
                default: Some("htp"),
                native: ("backend_type", &["htp", "gpu", "cpu", "ir"]),
            },
            whole("soc_model", 0, 1000, "soc_model"),
            whole("htp_arch", 0, 1000, "htp_arch"),
            Choice {
                key: "performance",
                values: Values::Words(PERFORMANCE),
                default: None,
                native: ("htp_performance_mode", PERFORMANCE),
            },
        ],
    ),
    provider(
        "cuda",
        "CUDAExecutionProvider",
        true,
        &[
            whole("device_id", 0, 255, "device_id"),
            Choice { key: "tf32", values: Values::Flag, default: Some("0"), native: ("use_tf32", &[]) },
        ],
    ),
    provider(
        "tensorrt",
        "TensorrtExecutionProvider",
        true,
        &[
            whole("device_id", 0, 255, "device_id"),
            precision(&["f32", "f16"], ("trt_fp16_enable", &["0", "1"])),
        ],
    ),
    provider("tensorrt-rtx", "NvTensorRTRTXExecutionProvider", true, &[]),
    provider(
        "migraphx",
        "MIGraphXExecutionProvider",
        false,
        &[
            whole("device_id", 0, 255, "device_id"),
            precision(&["f32", "f16"], ("migraphx_fp16_enable", &["0", "1"])),
        ],
    ),
    provider("vitisai", "VitisAIExecutionProvider", true, &[]),
    provider("webgpu", "WebGpuExecutionProvider", true, &[]),
    provider(
        "xnnpack",
        "XnnpackExecutionProvider",
        true,
        &[whole("threads", 1, 256, "intra_op_num_threads")],
    ),
    provider("coreml", "CoreMLExecutionProvider", true, &[]),
    provider("cann", "CANNExecutionProvider", true, &[whole("device_id", 0, 255, "device_id")]),
    provider("ggml", "ggml", false, &[]),
];

const PERFORMANCE: &[&str] = &[
    "burst",
    "balanced",
    "default",
    "high_performance",
    "high_power_saver",
    "low_balanced",
    "low_power_saver",
    "power_saver",
    "extreme_power_saver",
    "sustained_high_performance",
];

impl Provider {
    /// The provider of a configuration's word, or of ONNX Runtime's own name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let is = |known: &&Known| known.word == text || known.name == text;
        if let Some(known) = KNOWN.iter().find(is) {
            return Ok(Provider::Known(known));
        }
        // A longer name, or one with a dot, means something else to ONNX Runtime.
        Name::new(text).map(Provider::Other).map_err(|_| {
            let words: Vec<&str> = KNOWN.iter().map(|known| known.word).collect();
            format!(
                "is \"{text}\"; it must be one of {}, {}, or ONNX Runtime's name of another, up to 64 characters out of A-Z \
                 a-z 0-9 _ -",
                words.join(", "),
                server::WORD
            )
        })
    }

    /// ONNX Runtime's name for it.
    pub fn name(&self) -> &str {
        match self {
            Provider::Known(known) => known.name,
            Provider::Other(name) => name.as_str(),
        }
    }

    pub(super) fn options(&self) -> &'static [Choice] {
        match self {
            Provider::Known(known) => known.options,
            Provider::Other(_) => &[],
        }
    }

    fn is(&self, word: &str) -> bool {
        matches!(self, Provider::Known(known) if known.word == word)
    }

    /// Whether a configuration without `library` can mean it.
    pub(super) fn built_in(&self, device: Option<&Device>) -> Result<(), String> {
        match self {
            Provider::Known(Known { built_in: true, .. }) => match device {
                Some(Device::Kind(_)) if self.is("openvino") => Ok(()),
                None => Ok(()),
                Some(device) => Err(format!(
                    "is missing: a provider that is built into the runtime library cannot be told to use the device \
                     \"{device}\""
                )),
            },
            _ => Err(format!("is missing: no runtime library that Spotter knows has {self} built in")),
        }
    }

    /// The options of `accelerator`, on a device of this `kind`, in the provider's own words.
    pub(super) fn native(
        &self,
        execution: &Execution,
        kind: DeviceKind,
        threads: usize,
    ) -> BTreeMap<String, String> {
        let mut options = execution.options.clone();
        let has_threads = self.options().iter().any(|choice| choice.key == "threads");
        if threads > 0 && has_threads && kind == DeviceKind::Cpu {
            options.entry("threads").or_insert_with(|| threads.to_string());
        }
        if !self.is("openvino") {
            return self.translated(&options);
        }
        // Intel's NPUs have no single precision: what they have is the model's own, or half.
        let usual = if kind == DeviceKind::Npu { "native" } else { "f32" };
        options.entry("precision").or_insert_with(|| usual.to_owned());
        if execution.library.is_some() {
            return BTreeMap::from([("load_config".to_owned(), openvino_config(kind, &options))]);
        }
        let mut native = self.translated(&options);
        native.insert("device_type".to_owned(), kind.to_string());
        native
    }

    fn translated(&self, options: &BTreeMap<&'static str, String>) -> BTreeMap<String, String> {
        let native = |choice: &Choice| {
            let value = options.get(choice.key)?;
            let (key, words) = choice.native;
            let word = match &choice.values {
                Values::Words(own) => own.iter().position(|own| own == value).and_then(|at| words.get(at)),
                Values::Whole(_) | Values::Flag => None,
            };
            Some((key.to_owned(), word.map_or_else(|| value.clone(), |word| (*word).to_owned())))
        };
        self.options().iter().filter_map(native).collect()
    }
}

/// What OpenVINO's plug-in (1.8.1) reads. It takes no notice of the keys of the provider that is built in.
fn openvino_config(kind: DeviceKind, options: &BTreeMap<&'static str, String>) -> String {
    let mut hints = Vec::new();
    if let Some(precision) = options.get("precision").filter(|precision| *precision != "native") {
        hints.push(format!("\"INFERENCE_PRECISION_HINT\":\"{precision}\""));
    }
    if let Some(threads) = options.get("threads") {
        hints.push(format!("\"INFERENCE_NUM_THREADS\":\"{threads}\""));
    }
    if let Some(streams) = options.get("streams") {
        hints.push(format!("\"NUM_STREAMS\":\"{streams}\""));
    }
    format!("{{\"{kind}\":{{{}}}}}", hints.join(","))
}

impl Values {
    /// The value of `key`, as a text; nothing when it is absent or wrong, which is then noted.
    pub(super) fn read(&self, section: &mut Section<'_, '_, '_>, key: &'static str) -> Option<String> {
        match self {
            Values::Words(words) => section.parsed(key, |text| {
                let is_one = words.contains(&text);
                let wrong = || format!("is \"{text}\"; it must be one of {}", words.join(", "));
                is_one.then(|| text.to_owned()).ok_or_else(wrong)
            }),
            Values::Whole(range) => section.integer(key, range.clone()).map(|number| number.to_string()),
            Values::Flag => section.boolean(key).map(|flag| u8::from(flag).to_string()),
        }
    }
}

impl fmt::Display for Provider {
    /// As a configuration writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provider::Known(known) => f.write_str(known.word),
            Provider::Other(name) => name.fmt(f),
        }
    }
}
