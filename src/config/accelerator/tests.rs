//! What a configuration says of accelerators.

use super::*;
use crate::config::{Config, ConfigError};

const CAMERA: &str = "[[camera]]\nname = \"ramp\"\npipeline = \"videotestsrc\"\n";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(&format!("{text}\n{CAMERA}"), Path::new("/etc"))
}

/// What the only accelerator of `lines` tells its provider, which has found a device of this kind.
fn native(lines: &str, kind: DeviceKind, threads: usize) -> Vec<String> {
    let config = parse(&format!("[[accelerator]]\nname = \"a\"\n{lines}")).unwrap();
    let options = config.models.accelerators[0].native_options(kind, threads);
    options.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[test]
fn options_are_translated_and_precision_is_single_unless_asked() {
    use DeviceKind::{Cpu, Gpu, Npu};
    let plug_in = "provider = \"openvino\"\nlibrary = \"ov.so\"";
    let cases: [(&str, DeviceKind, usize, &[&str]); 11] = [
        ("provider = \"openvino\"", Cpu, 3, &["device_type=CPU", "num_of_threads=3", "precision=FP32"]),
        ("provider = \"openvino\"", Npu, 3, &["device_type=NPU", "precision=ACCURACY"]),
        (
            "provider = \"openvino\"\noptions = { precision = \"f16\", streams = 2 }",
            Gpu,
            0,
            &["device_type=GPU", "num_streams=2", "precision=FP16"],
        ),
        (
            &format!("{plug_in}\noptions = {{ threads = 1 }}"),
            Cpu,
            3,
            &[r#"load_config={"CPU":{"INFERENCE_PRECISION_HINT":"f32","INFERENCE_NUM_THREADS":"1"}}"#],
        ),
        (plug_in, Gpu, 3, &[r#"load_config={"GPU":{"INFERENCE_PRECISION_HINT":"f32"}}"#]),
        (
            &format!("{plug_in}\noptions = {{ precision = \"native\" }}"),
            Gpu,
            0,
            &[r#"load_config={"GPU":{}}"#],
        ),
        (
            "provider = \"qnn\"\nlibrary = \"q.so\"\noptions = { soc_model = 60, htp_arch = 73, raw = { vtcm_mb = 8 } }",
            Npu,
            3,
            &["backend_type=htp", "htp_arch=73", "soc_model=60", "vtcm_mb=8"],
        ),
        ("provider = \"tensorrt\"", Gpu, 0, &["trt_fp16_enable=0"]),
        (
            "provider = \"cuda\"\noptions = { tf32 = true, device_id = 1 }",
            Gpu,
            0,
            &["device_id=1", "use_tf32=1"],
        ),
        ("provider = \"XnnpackExecutionProvider\"", Cpu, 2, &["intra_op_num_threads=2"]),
        (
            "provider = \"SomeVendorEP\"\nlibrary = \"s.so\"\noptions = { raw = { a = true, b = \"x\" } }",
            Gpu,
            2,
            &["a=true", "b=x"],
        ),
    ];
    for (lines, kind, threads, expected) in cases {
        assert_eq!(native(lines, kind, threads), expected, "{lines}");
    }
}

#[test]
fn a_raw_option_has_the_last_word() {
    let lines =
        "provider = \"openvino\"\noptions = { precision = \"f16\", raw = { precision = \"ACCURACY\" } }";
    assert_eq!(native(lines, DeviceKind::Cpu, 0), ["device_type=CPU", "precision=ACCURACY"]);
}

#[test]
fn wishes_are_for_all_models_or_for_each() {
    let accelerator = "[[accelerator]]\nname = \"npu\"\nprovider = \"openvino\"\n";
    let wishes = |models: &str| {
        let on = parse(&format!("[models]\n{models}\n{accelerator}")).unwrap().models.on;
        On::KEYS.map(|key| on.wishes(key).join("+"))
    };
    assert_eq!(wishes(""), ["cpu"; 5]);
    assert_eq!(wishes("on = [\"npu\", \"cpu\"]"), ["npu+cpu"; 5]);
    assert_eq!(wishes("[models.on]\npose = [\"npu\"]"), ["cpu", "npu", "cpu", "cpu", "cpu"]);
    assert_eq!(
        wishes("[models.on]\nall = [\"npu\"]\nclips = [\"cpu\"]"),
        ["npu", "npu", "npu", "npu", "cpu"]
    );
}

#[test]
fn devices_are_told_by_kind_number_or_vendor() {
    let cases = [
        ("NPU", Device::Kind(DeviceKind::Npu)),
        ("gpu", Device::Kind(DeviceKind::Gpu)),
        ("7", Device::Id(7)),
        ("0x643e", Device::Id(0x643e)),
        ("Intel", Device::Vendor("Intel".to_owned())),
    ];
    for (text, expected) in cases {
        assert_eq!(device(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_wrong_is_said_with_what_is_allowed() {
    let one = |lines: &str| format!("[[accelerator]]\nname = \"npu\"\n{lines}\n");
    let openvino = one("provider = \"openvino\"");
    let cases = [
        ("[[accelerator]]\n".to_owned(), "name is missing"),
        (
            "[[accelerator]]\nname = \"CPU\"\n".to_owned(),
            "name is \"CPU\", which is always there and needs no entry",
        ),
        (format!("{openvino}{openvino}"), "accelerator[2].name is \"npu\", which another accelerator has"),
        (one(""), "provider is missing"),
        (one("provider = \"a.virtual\""), "provider is \"a.virtual\"; it must be one of openvino, qnn, "),
        (
            one("provider = \"ggml\""),
            "library is missing: no runtime library that Spotter knows has ggml built in",
        ),
        (one("provider = \"cuda\"\ndevice = \"GPU\""), "cannot be told to use the device \"GPU\""),
        (one("provider = \"openvino\"\ndevice = \"\""), "device is empty"),
        (
            one("provider = \"openvino\"\noptions = { precision = \"f64\" }"),
            "options.precision is \"f64\"; it must be one of f32, f16, native",
        ),
        (
            one("provider = \"openvino\"\noptions = { threads = 0 }"),
            "options.threads is 0; it must be a whole number from 1 to 256",
        ),
        (
            one("provider = \"openvino\"\noptions = { num_streams = 1 }"),
            "options.num_streams is unknown; allowed here: precision, threads, streams, raw",
        ),
        (
            one("provider = \"openvino\"\noptions = { raw = { a = [] } }"),
            "options.raw.a is a list; it must be a text in quotes without NUL, a whole number, true or false",
        ),
        (
            one("provider = \"openvino\"\noptions = { raw = { \"a\\u0000\" = 1 } }"),
            "is no key: it must be a text with something in it, and without NUL",
        ),
        (
            format!("[models]\non = [\"gpu\"]\n{openvino}"),
            "models.on has \"gpu\", which is no [[accelerator]]; there are: npu, cpu",
        ),
        (format!("[models]\non = []\n{openvino}"), "models.on is an empty list; leave it out for the CPU"),
        (format!("[models]\non = [\"npu\", \"npu\"]\n{openvino}"), "models.on has \"npu\" twice"),
        (
            format!("[models.on]\nposes = [\"npu\"]\n{openvino}"),
            "models.on.poses is unknown; allowed here: all, detect, ",
        ),
        (
            format!("[models]\nfallback = \"never\"\n{openvino}"),
            "models.fallback is \"never\"; it must be \"refuse\" or \"announce\"",
        ),
    ];
    for (text, expected) in cases {
        let error = parse(&text).expect_err(&text).to_string();
        assert!(error.contains(expected), "{text}\n{error}\nhas not: {expected}");
    }
}
