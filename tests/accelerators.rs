//! Models on accelerators that run without their hardware: Qualcomm's emulator, ggml, OpenVINO on the processor.
//!
//! Every case has a process of its own: a provider that was registered stays, and options of one of its sessions may outlive
//! it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[path = "support/contract.rs"]
mod contract;
#[path = "support/footage.rs"]
mod footage;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;
#[path = "support/setting.rs"]
mod setting;

use contract::Contract;
use mosquitto::{Mosquitto, Subscriber};
use program::PATIENCE;
use setting::{Setting, model};

/// Qualcomm's emulator of a phone's NPU.
const HTP: &str = "provider = \"qnn\"\nlibrary = \"<qnn>\"\noptions = { soc_model = 60, htp_arch = 73 }\n";
const GGML: &str = "provider = \"ggml\"\nlibrary = \"<ggml>\"\n";

/// Where `make test` has put the providers.
fn providers() -> Option<PathBuf> {
    setting::fetched("accelerators")
}

/// With this above the only camera; `<qnn>`, `<ggml>` and `<openvino>` are the libraries.
fn setting(providers: &Path, text: &str) -> Setting {
    let path = |inner: &str| providers.join(inner).display().to_string();
    let text = text
        .replace("<qnn>", &path("onnxruntime_qnn/onnxruntime_qnn/libonnxruntime_providers_qnn.so"))
        .replace("<ggml>", &path("onnxruntime_ggml/onnxruntime_ggml/lib/libonnxruntime_ggml.so"))
        .replace("<openvino>", &path("onnxruntime_openvino/onnxruntime/capi/libonnxruntime.so.1.24.1"));
    Setting::new(&text)
}

/// `[models.on]` with these wishes for one model, and one accelerator called `npu`.
fn on(key: &str, wishes: &str, fallback: &str, accelerator: &str) -> String {
    format!(
        "[models]\nfallback = \"{fallback}\"\n[models.on]\n{key} = [{wishes}]\n[[accelerator]]\nname = \
         \"npu\"\n{accelerator}"
    )
}

#[test]
fn what_an_accelerator_takes_whole_runs_there_and_the_status_says_how_well() {
    let Some(providers) = providers() else { return };
    let text = on("skeleton", "\"npu\"", "refuse", HTP);
    let (report, code) = setting(&providers, &text).models();
    assert_eq!(code, Some(0), "{report:#}");
    let skeleton = &model(&report, "skeleton")["loaded"];
    assert_eq!((&skeleton["on"], &skeleton["asked"]), (&"npu".into(), &vec!["npu"].into()));
    assert!(skeleton["why"].is_null());
    let accelerated = &skeleton["accelerated"];
    assert_eq!(accelerated["provider"], "QNNExecutionProvider");
    assert_eq!((&accelerated["nodes_share"], &accelerated["time_share"]), (&1.0.into(), &1.0.into()));
    assert_eq!(accelerated["library_sha256"].as_str().unwrap().len(), 64);
    assert!(
        accelerated["self_test"].as_str().unwrap().starts_with("15 probabilities compared"),
        "{accelerated}"
    );
}

#[test]
fn what_an_accelerator_takes_in_part_says_how_much() {
    let Some(providers) = providers() else { return };
    let root = env!("CARGO_MANIFEST_DIR");
    let models = format!(
        "[models]\ndirectories = [\"{root}/tests/accelerators\", \"{root}/models\"]\nskeleton = \"in-part\"\n"
    );
    let text = on("skeleton", "\"npu\"", "refuse", HTP).replacen("[models]\n", &models, 1);
    let (report, code) = setting(&providers, &text).models();
    assert_eq!(code, Some(0), "{report:#}");
    let accelerated = &model(&report, "skeleton")["loaded"]["accelerated"];
    // One of five nodes is left to the CPU.
    assert_eq!(accelerated["nodes_share"], 0.8, "{accelerated}");
    let time_share = accelerated["time_share"].as_f64().unwrap();
    assert!(0.0 < time_share && time_share <= 1.0, "{accelerated}");
}

#[test]
fn a_compiled_model_is_kept_and_what_is_stale_or_damaged_is_compiled_anew() {
    let Some(providers) = providers() else { return };
    let root = env!("CARGO_MANIFEST_DIR");
    let models = format!(
        "[models]\ndirectories = [\"{root}/tests/accelerators\", \"{root}/models\"]\nskeleton = \"in-part\"\n"
    );
    let text = on("skeleton", "\"npu\"", "refuse", HTP).replacen("[models]\n", &models, 1);
    let setting = setting(&providers, &text);
    let start = || {
        let (report, code) = setting.models();
        assert_eq!(code, Some(0), "{report:#}");
        let accelerated = &model(&report, "skeleton")["loaded"]["accelerated"];
        assert_eq!(accelerated["nodes_share"], 0.8, "{accelerated}");
        accelerated["compiled"].as_str().unwrap().to_owned()
    };
    let kept = || -> Vec<PathBuf> {
        let files = std::fs::read_dir(setting.folder().join("state/spotter/compiled")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    };
    assert_eq!((start().as_str(), start().as_str()), ("stored", "loaded"));

    let [file] = kept().try_into().unwrap();
    let whole = std::fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    // ONNX Runtime loads this, and it computes something else.
    let middle = whole.len() / 2;
    damaged[middle] ^= 0x55;
    // Its hash is right, and it is no model.
    let foreign = [&Sha256::digest(b"no model")[..], b"no model"].concat();
    for (what, bytes) in [("damaged", damaged), ("cut", whole[..middle].to_vec()), ("foreign", foreign)] {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!((start().as_str(), start().as_str()), ("rebuilt", "loaded"), "{what}");
    }

    let config = setting.folder().join("spotter.toml");
    let other = std::fs::read_to_string(&config)
        .unwrap()
        .replace("htp_arch = 73", "htp_arch = 73, performance = \"burst\"");
    std::fs::write(&config, other).unwrap();
    assert_eq!((start().as_str(), start().as_str()), ("stored", "loaded"), "other options");
    let [new] = kept().try_into().unwrap();
    assert_ne!(new, file, "the stale one is gone");
}

#[test]
fn a_model_that_computes_something_else_there_is_refused_or_announced() {
    let Some(providers) = providers() else { return };
    let (report, code) = setting(&providers, &on("pose", "\"npu\", \"cpu\"", "refuse", HTP)).models();
    assert_eq!(code, Some(1), "{report:#}");
    let error = model(&report, "pose")["error"].as_str().unwrap();
    assert!(error.contains("`npu`: it computes something else there than on the CPU: "), "{error}");

    let (report, code) = setting(&providers, &on("pose", "\"npu\", \"cpu\"", "announce", HTP)).models();
    assert_eq!(code, Some(0), "{report:#}");
    let pose = &model(&report, "pose")["loaded"];
    assert_eq!((&pose["on"], &pose["asked"]), (&"cpu".into(), &vec!["npu", "cpu"].into()));
    assert!(pose["why"].as_str().unwrap().contains(" joints compared, off by "), "{pose}");
    assert!(pose["accelerated"].is_null());
}

#[test]
fn a_node_tells_subscribers_what_its_models_run_on_and_why() {
    let Some(providers) = providers() else { return };
    let broker = Mosquitto::start("");
    let text =
        on("pose", "\"npu\", \"cpu\"", "announce", HTP).replacen(
            "[models.on]\n",
            "[models.on]\nskeleton = [\"npu\"]\n",
            1,
        ) + &format!("[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n", broker.port());
    let setting = setting(&providers, &text);
    let program = setting.start(["run"]);
    let subscriber = Subscriber::start(broker.port(), "spotter/v1/edge/status", &[]);
    let (_, status) = subscriber.next();
    Contract::read().hold_to("node", &status);
    assert_eq!(status["state"], "online");
    assert_eq!(status["accelerators"], json!({"asked": ["cpu", "npu"], "used": "cpu, npu"}));
    let of =
        |name: &str| status["models"].as_array().unwrap().iter().find(|model| model["name"] == name).unwrap();
    assert_eq!(of("skeleton-tcn-jhmdb")["accelerated"]["provider"], "QNNExecutionProvider");
    assert!(
        of("movenet-lightning")["why"].as_str().unwrap().starts_with("`npu`: it computes something else")
    );
    let problem = &status["problems"][0];
    assert_eq!(problem["code"], "accelerator-fallback");
    let told = problem["text"].as_str().unwrap();
    assert!(
        told.starts_with("the model `movenet-lightning` runs on `cpu`, not on `npu`: it computes"),
        "{told}"
    );
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn workers_have_models_of_their_own_on_the_cpu_twice_and_beside_an_accelerator() {
    let (Some(providers), Some(vtest)) = (providers(), footage::vtest()) else { return };
    let broker = Mosquitto::start("");
    let node = format!("[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n", broker.port());
    let second = format!("[[camera]]\nname = \"gate\"\nsource = \"{0}\"\nloop = true\n", vtest.display());
    let lists = "[models.on]\ndetect = [\"cpu\"]\npose = [\"cpu\"]\nposture = [\"cpu\"]\nskeleton = [\"npu\", \"cpu\"]\n";
    let accelerator = format!("[[accelerator]]\nname = \"npu\"\n{HTP}");
    for (workers, on, rest) in [
        ("\"cpu\", \"cpu\"", ["cpu", "cpu"], String::new()),
        ("\"npu\", \"cpu\"", ["npu", "cpu"], format!("{lists}{accelerator}")),
    ] {
        let text = format!("{node}[models]\nworkers = [{workers}]\n{rest}{second}");
        let setting = setting(&providers, &text);
        let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
        let program = setting.start(["run"]);
        let contract = Contract::read();
        // `gate` comes first in the file.
        let deadline = Instant::now() + PATIENCE * 4;
        let mut wanted = vec![("gate", 1), ("ramp", 2)];
        let mut skeletons = Vec::new();
        while !wanted.is_empty() || skeletons.is_empty() {
            assert!(Instant::now() < deadline, "{wanted:?}");
            let (topic, message) = subscriber.next();
            contract.hold(&topic, &message);
            if topic == "spotter/v1/edge/status" && message["state"] == "online" {
                let models = message["models"].as_array().unwrap();
                let of = |worker: u64| models.iter().filter(move |model| model["worker"] == worker);
                assert_eq!((of(1).count(), of(2).count()), (4, 4), "{message:#}");
                let skeleton = models.iter().filter(|model| model["task"] == "skeleton");
                skeletons = skeleton.map(|model| model["on"].as_str().unwrap().to_owned()).collect();
            }
            wanted.retain(|(camera, worker)| {
                topic != format!("spotter/v1/edge/{camera}/status") || message["worker"] != *worker
            });
        }
        assert_eq!(skeletons, on);
        program.signal("TERM");
        let ended = program.wait(PATIENCE);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

#[test]
fn a_provider_that_takes_nothing_or_fails_at_its_first_run_does_not_pass_for_working() {
    let Some(providers) = providers() else { return };
    let ir = HTP.replace("{ ", "{ backend = \"ir\", ");
    for (accelerator, key, why) in [
        (GGML, "pose", " nodes runs there; the CPU runs all of them"),
        (&ir, "posture", "`npu`: it fails there: "),
    ] {
        let (report, code) = setting(&providers, &on(key, "\"npu\"", "refuse", accelerator)).models();
        assert_eq!(code, Some(1), "{report:#}");
        let error = model(&report, key)["error"].as_str().unwrap();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_provider_that_is_built_in_runs_every_model_and_computes_the_same() {
    let Some(providers) = providers() else { return };
    let text = "[runtime]\nonnxruntime = \"<openvino>\"\nthreads = 1\n\
        [models]\non = [\"intel\"]\nclips = [\"fight-maps\"]\n\
        [[accelerator]]\nname = \"intel\"\nprovider = \"openvino\"\ndevice = \"CPU\"\n";
    let (report, code) = setting(&providers, text).models();
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["library"]["version"], "1.24.1");
    for key in ["detect", "pose", "posture", "skeleton", "clips"] {
        let loaded = &model(&report, key)["loaded"];
        assert_eq!(loaded["on"], "intel", "{key}");
        assert_eq!(loaded["accelerated"]["provider"], "OpenVINOExecutionProvider");
        assert_eq!(loaded["accelerated"]["nodes_share"], 1.0);
        assert!(loaded["accelerated"]["library_sha256"].is_null());
    }
    let self_test = model(&report, "detect")["loaded"]["accelerated"]["self_test"].as_str().unwrap();
    assert!(self_test.contains(" boxes compared, 0 without a counterpart"), "{self_test}");
}

#[test]
fn what_is_not_there_is_named() {
    let Some(providers) = providers() else { return };
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "not a library").unwrap();
    let [missing, text] = [folder.path().join("missing.so"), text].map(|path| path.display().to_string());
    let library = |path: &str| format!("provider = \"qnn\"\nlibrary = \"{path}\"\n");
    let cases = [
        (library(&missing), format!("`npu`: the library {missing} cannot be read: ")),
        (
            library(&text),
            format!("`npu`: {text} is no library with an execution provider that can be loaded here: "),
        ),
        (
            library("<openvino>"),
            "is no library with an execution provider that can be loaded here: ".to_owned(),
        ),
        (
            format!("{HTP}device = \"NPU\"\n"),
            "`npu`: QNNExecutionProvider does not offer the device \"NPU\" here; it offers ".to_owned(),
        ),
        ("provider = \"openvino\"\n".to_owned(), "has no OpenVINOExecutionProvider built in".to_owned()),
    ];
    for (accelerator, why) in cases {
        let setting = setting(&providers, &on("posture", "\"npu\"", "refuse", &accelerator));
        let (report, code) = setting.models();
        assert_eq!(code, Some(1), "{report:#}");
        let error = model(&report, "posture")["error"].as_str().unwrap();
        assert!(error.contains(&why), "{error}\nhas not: {why}");
    }
}

#[test]
fn an_option_that_the_provider_does_not_have_is_an_error_with_its_line() {
    let setting =
        setting(Path::new("/nowhere"), &on("pose", "\"npu\"", "refuse", HTP).replace("htp_arch", "arch"));
    let ended = setting.run(["models"]);
    assert_eq!(ended.code, Some(78), "{ended:?}");
    let expected = "accelerator[1].options.arch is unknown; allowed here: backend, soc_model, htp_arch, performance, raw";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn what_is_on_the_cpu_stays_there_while_a_provider_is_registered_that_would_take_it() {
    let (Some(providers), Some(vtest)) = (providers(), footage::vtest()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short.avi");
    std::fs::write(&short, footage::clip(&std::fs::read(vtest).unwrap(), 60)).unwrap();
    let short = short.display().to_string();
    let tags = |text: &str| -> Vec<Value> {
        let setting = setting(&providers, text);
        let tags = setting.folder().join("tags.jsonl").display().to_string();
        let ended = setting.run(["replay", &short, "--frame-rate", "7", "--tags", &tags]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let tags = std::fs::read_to_string(tags).unwrap();
        tags.lines().map(|tag| serde_json::from_str(tag).unwrap()).collect()
    };
    // The emulator takes the pose model as a whole, and moves joints by a fifth of the picture.
    let (alone, beside) = (tags(""), tags(&on("skeleton", "\"npu\"", "refuse", HTP)));
    assert!(alone.len() > 8 && alone.iter().any(|tag| tag["kind"] == "activity"), "{alone:?}");
    assert!(alone.iter().all(|tag| tag["model"]["on"] == "cpu"), "{alone:?}");
    assert_eq!(alone, beside);
}

#[test]
fn a_self_test_that_compares_nothing_is_none() {
    let Some(providers) = providers() else { return };
    // The grey picture of a package in which nobody is seen.
    let package = tempfile::tempdir().unwrap();
    let folder = package.path().join("unseen");
    std::fs::create_dir(&folder).unwrap();
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/movenet-lightning");
    std::fs::copy(ours.join("movenet-lightning.onnx"), folder.join("movenet-lightning.onnx")).unwrap();
    let manifest = std::fs::read_to_string(ours.join("model.toml")).unwrap();
    std::fs::write(folder.join("model.toml"), manifest.replace("selftest.jpg", "grey.png")).unwrap();
    image::GrayImage::from_pixel(64, 64, image::Luma([128])).save(folder.join("grey.png")).unwrap();
    let models = format!(
        "[runtime]\nonnxruntime = \"<openvino>\"\n[models]\ndirectories = [\"{}\", \"{}/models\"]\npose = \"unseen\"\n",
        package.path().display(),
        env!("CARGO_MANIFEST_DIR")
    );
    let text =
        on("pose", "\"npu\"", "refuse", "provider = \"openvino\"\n").replacen("[models]\n", &models, 1);
    let (report, code) = setting(&providers, &text).models();
    assert_eq!(code, Some(1), "{report:#}");
    let error = model(&report, "pose")["error"].as_str().unwrap();
    assert!(error.contains("there is nothing to compare"), "{error}");
}
