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
    let Place::Here(execution) = &config.models.accelerators[0].place else { panic!("{lines}") };
    let options = execution.native_options(kind, threads);
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
        On::KEYS.map(|key| on.wishes(key, None).join("+"))
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
fn the_models_of_a_worker_run_first_where_it_says() {
    let text = "[[accelerator]]\nname = \"npu\"\nprovider = \"openvino\"\n[models]\nworkers = [\"npu\", \"cpu\", \"cpu\"]\n";
    let models = |lines: &str| parse(&format!("{text}{lines}")).map(|config| config.models);
    let wishes = |lines: &str, first| models(lines).unwrap().on.wishes("pose", Some(first)).join("+");
    assert_eq!(models("").unwrap().workers, ["npu", "cpu", "cpu"]);
    assert_eq!(wishes("", "npu"), "npu+cpu");
    assert_eq!(wishes("", "cpu"), "cpu");
    assert_eq!(wishes("on = [\"npu\", \"cpu\"]", "cpu"), "cpu+npu");
    // A model with a list of its own runs nowhere else.
    assert_eq!(wishes("[models.on]\npose = [\"cpu\"]", "npu"), "cpu");
    let error = parse("[models]\nworkers = [\"gpu\"]").unwrap_err().to_string();
    assert!(error.contains("models.workers has \"gpu\", which is no [[accelerator]]"), "{error}");
    let many = format!("[models]\nworkers = [{}]", ["\"cpu\""; MOST_WORKERS + 1].join(", "));
    assert!(parse(&many).unwrap_err().to_string().contains("models.workers has 17 entries; there can be 16"));
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

#[test]
fn a_server_has_addresses_and_a_deadline_and_must_be_allowed() {
    let server = |lines: &str| {
        let lines = format!("[[accelerator]]\nname = \"rack\"\nprovider = \"oip\"\n{lines}");
        parse(&lines).map(|config| match &config.models.accelerators[0].place {
            Place::Elsewhere(server) => server.clone(),
            Place::Here(_) => panic!("{lines}"),
        })
    };
    let one = server("address = \"grpc://rack:8001\"\nallow_remote = true").unwrap();
    assert_eq!((one.addresses.len(), one.timeout, one.ca_file), (1, std::time::Duration::from_secs(1), None));
    let two = server(
        "address = [\"grpcs://rack:8001\", \"https://other/v\"]\nallow_remote = true\noptions = { timeout_ms = 250, \
         ca_file = \"ca.pem\" }",
    )
    .unwrap();
    assert_eq!((two.addresses.len(), two.timeout.as_millis()), (2, 250));
    assert_eq!(two.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));

    let allowed = |address: &str| format!("address = {address}\nallow_remote = true");
    let cases = [
        ("allow_remote = true".to_owned(), "accelerator[1].address is missing"),
        (allowed("[]"), "accelerator[1].address is missing"),
        (allowed("3"), "accelerator[1].address is 3; it must be a list of texts"),
        (
            allowed("\"rack:8001\""),
            "which is no address; it must begin with grpc://, grpcs://, http://, https://",
        ),
        (allowed("\"mqtt://rack:8001\""), "which is no address; it must begin with grpc://"),
        (allowed("\"grpc://rack\""), "has \"grpc://rack\", which has no port"),
        (allowed("\"http://me:secret@rack\""), "has \"rack\", which has a login"),
        (allowed("\"grpc://rack:1/x\""), "which has a path"),
        (allowed("\"http://rack/?key=secret\""), "has \"http://rack/\", which has something after the path"),
        (
            "address = \"grpc://rack:8001\"".to_owned(),
            "accelerator[1].allow_remote must be true: with this provider",
        ),
        ("address = \"grpc://rack:8001\"\nallow_remote = false".to_owned(), "allow_remote must be true"),
        (allowed("\"grpc://rack:8001\"") + "\ndevice = \"GPU\"", "accelerator[1].device is unknown"),
        (allowed("\"grpc://rack:8001\"") + "\noptions = { timeout_ms = 1 }", "timeout_ms is 1"),
    ];
    for (lines, expected) in cases {
        let error = server(&lines).unwrap_err().to_string();
        assert!(error.contains(expected), "{lines}\n{error}\nhas not: {expected}");
        assert!(!error.contains("secret"), "{error}");
    }
    let named = "[models]\non = [\"rack\"]\n[[accelerator]]\nname = \"rack\"\nprovider = \"oip\"\naddress = \"grpc://rack:8001\"";
    let error = parse(named).unwrap_err().to_string();
    assert!(
        error.contains("allow_remote must be true") && !error.contains("is no [[accelerator]]"),
        "{error}"
    );
    let here = parse(
        "[[accelerator]]\nname = \"npu\"\nprovider = \"qnn\"\nlibrary = \"q.so\"\naddress = \"grpc://rack:1\"",
    );
    assert!(here.unwrap_err().to_string().contains("accelerator[1].address is unknown"));
}
