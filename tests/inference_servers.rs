//! Models on inference servers of others, over gRPC and REST: KServe's and MLServer's, as they are installed from the
//! Python index.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

#[path = "support/certificates.rs"]
mod certificates;
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

use certificates::{Authority, Signed};
use contract::{Contract, Story};
use mosquitto::{Mosquitto, Subscriber, free_port};
use program::PATIENCE;
use setting::{Setting, model};

const MODELS: [&str; 4] =
    ["centernet-mobilenetv3-coco", "movenet-lightning", "posture-tcn", "skeleton-tcn-jhmdb"];
const KEYS: [&str; 4] = ["detect", "pose", "posture", "skeleton"];

/// How long a server may take to start, and a node to say what is waited for.
const LONG: Duration = Duration::from_secs(240);

/// An inference server that has Spotter's models, always on the same ports. One at a time: each loads every model.
struct Server {
    kind: &'static str,
    http: u16,
    grpc: u16,
    arguments: Vec<String>,
    running: Option<Child>,
    _turn: MutexGuard<'static, ()>,
}

impl Server {
    /// One that does not run yet; with TLS when it is `signed`.
    fn new(kind: &'static str, signed: Option<&Signed>) -> Self {
        let tls = signed.map(|signed| {
            let path = |path: &Path| path.display().to_string();
            ["--certificate".to_owned(), path(&signed.certificate), "--key".to_owned(), path(&signed.key)]
        });
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (http, grpc) = (free_port(), free_port());
        let arguments = tls.into_iter().flatten().collect();
        Server { kind, http, grpc, arguments, running: None, _turn: turn }
    }

    /// Starts it and waits until it takes requests. Nothing when `make test` has not fetched it.
    fn start(&mut self) -> Option<()> {
        let python = setting::fetched(&format!("inference-servers/{}", self.kind))?.join("bin/python");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(python);
        command.arg(root.join(format!("tests/inference_servers/{}_server.py", self.kind)));
        for name in MODELS {
            let file = root.join(format!("models/{name}/{name}.onnx"));
            command.arg("--model").arg(format!("{name}={}", file.display()));
        }
        command.args(["--http", &self.http.to_string(), "--grpc", &self.grpc.to_string()]);
        let log = tempfile::NamedTempFile::new().unwrap();
        command
            .args(&self.arguments)
            .current_dir(std::env::temp_dir())
            .stdout(Stdio::piped())
            .stderr(log.reopen().unwrap());
        let child = self.running.insert(command.spawn().unwrap());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, is_ready) = channel();
        // What it prints later goes nowhere, and must not stop it.
        let listen = move || {
            let ready = lines.map_while(Result::ok).filter(|line| line == "ready");
            // Nobody waits for it any more once it took too long.
            ready.for_each(|_| sender.send(()).unwrap_or_default());
        };
        std::thread::Builder::new().name("server".to_owned()).spawn(listen).unwrap();
        if is_ready.recv_timeout(LONG).is_err() {
            panic!("{} is not ready:\n{}", self.kind, std::fs::read_to_string(log.path()).unwrap());
        }
        Some(())
    }

    /// kill -9.
    fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// An accelerator `rack` for it.
    fn accelerator(&self, scheme: &str, options: &str) -> String {
        let port = if scheme.starts_with("grpc") { self.grpc } else { self.http };
        format!(
            "[[accelerator]]\nname = \"rack\"\nprovider = \"oip\"\naddress = \"{scheme}://127.0.0.1:{port}\"\n\
             allow_remote = true\noptions = {{ timeout_ms = 10000{options} }}\n"
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// That every model runs on the server and computes what the CPU does.
fn all_run_there(server: &Server, scheme: &str, options: &str) {
    let text = format!("[models]\non = [\"rack\"]\n{}", server.accelerator(scheme, options));
    let (report, code) = Setting::new(&text).models();
    assert_eq!(code, Some(0), "{} over {scheme}: {report:#}", server.kind);
    for key in KEYS {
        let loaded = &model(&report, key)["loaded"];
        assert_eq!((&loaded["on"], &loaded["running"]), (&"rack".into(), &true.into()), "{loaded}");
        let accelerated = &loaded["accelerated"];
        assert_eq!((&accelerated["provider"], &accelerated["nodes_share"]), (&"oip".into(), &1.0.into()));
        assert!(accelerated["address"].as_str().unwrap().starts_with(&format!("{scheme}://127.0.0.1:")));
        let software = accelerated["device"].as_str().unwrap();
        assert!(software.starts_with(server.kind), "{software}");
    }
    let self_test = model(&report, "pose")["loaded"]["accelerated"]["self_test"].as_str().unwrap();
    assert!(self_test.contains("off by 0.0 % of the picture in the mean and 0.0 % at most"), "{self_test}");
}

#[test]
fn kserve_runs_every_model_as_the_cpu_does() {
    let mut server = Server::new("kserve", None);
    let Some(()) = server.start() else { return };
    all_run_there(&server, "grpc", "");
    all_run_there(&server, "http", "");
}

#[test]
fn mlserver_runs_every_model_as_the_cpu_does() {
    let mut server = Server::new("mlserver", None);
    let Some(()) = server.start() else { return };
    all_run_there(&server, "grpc", "");
    all_run_there(&server, "http", "");
}

#[test]
fn over_tls_the_authorities_that_are_named_are_trusted_and_no_others() {
    let authority = Authority::new("the rack's");
    let mut server = Server::new("kserve", Some(&authority.sign("rack", "IP:127.0.0.1")));
    let Some(()) = server.start() else { return };
    let trusts = format!(", ca_file = \"{}\"", authority.certificate().display());
    all_run_there(&server, "grpcs", &trusts);
    all_run_there(&server, "https", &trusts);
    for scheme in ["grpcs", "https"] {
        let text = format!("[models]\non = [\"rack\"]\n{}", server.accelerator(scheme, ""));
        let (report, code) = Setting::new(&text).models();
        assert_eq!(code, Some(1), "{report:#}");
        let error = model(&report, "pose")["error"].as_str().unwrap();
        assert!(error.to_lowercase().contains("certificate"), "{error}");
    }
}

/// What a node says.
struct Heard {
    subscriber: Subscriber,
    contract: Contract,
    tags: Vec<Value>,
}

impl Heard {
    /// Everything that the node says to this broker, from now on.
    fn of(broker: &Mosquitto) -> Self {
        let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
        Heard { subscriber, contract: Contract::read(), tags: Vec::new() }
    }

    /// Listens until a message is what is waited for.
    fn until(&mut self, mut wanted: impl FnMut(&str, &Value) -> bool) -> Value {
        let deadline = Instant::now() + LONG;
        loop {
            assert!(Instant::now() < deadline, "what is waited for does not come");
            let (topic, message) = self.subscriber.next();
            self.contract.hold(&topic, &message);
            if topic.contains("/tag/") {
                self.tags.push(message.clone());
            }
            if wanted(&topic, &message) {
                return message;
            }
        }
    }

    /// Listens until the status says of every model whether it runs, and where.
    fn until_models(&mut self, on: &str, running: bool) -> Value {
        self.until(|topic, status| {
            let is = |model: &Value| model["on"] == on && model["running"] == running;
            topic == "spotter/v1/edge/status" && status["models"].as_array().unwrap().iter().all(is)
        })
    }

    /// Listens until an object is told of that was found there.
    fn until_tag(&mut self, on: &str) -> Value {
        self.until(|topic, tag| topic.ends_with("/tag/object") && tag["model"]["on"] == on)
    }
}

/// A node `edge` that shows vtest.avi to models that run by these lines of `[models]`.
fn node(broker: &Mosquitto, vtest: &Path, models: &str, accelerator: &str) -> Setting {
    let text = format!(
        "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n[models]\n{models}\n{accelerator}",
        broker.port()
    );
    let camera =
        format!("source = \"{}\"\nloop = true\n[camera.objects]\nupdate_interval_s = 1\n", vtest.display());
    Setting::with_camera(&text, &camera)
}

#[test]
fn a_server_that_is_lost_is_replaced_and_taken_again_and_no_tag_is_lost() {
    let Some(vtest) = footage::vtest() else { return };
    let mut server = Server::new("kserve", None);
    if setting::fetched("inference-servers/kserve").is_none() {
        return;
    }
    let broker = Mosquitto::start("");
    let mut heard = Heard::of(&broker);
    let wishes = "on = [\"rack\", \"cpu\"]\nfallback = \"announce\"";
    let setting = node(&broker, &vtest, wishes, &server.accelerator("grpc", ""));
    let program = setting.start(["run"]);

    println!("not there yet");
    let status = heard.until_models("cpu", true);
    let why = status["models"][0]["why"].as_str().unwrap();
    assert_eq!(why, "`rack`: there is no connection to its server");
    heard.until_tag("cpu");

    println!("there");
    server.start().unwrap();
    let status = heard.until_models("rack", true);
    assert_eq!(status["problems"], Value::Array(Vec::new()));
    heard.until_tag("rack");

    println!("lost");
    server.kill();
    let is_told = |topic: &str, status: &Value| {
        let problems = status["problems"].as_array().into_iter().flatten();
        topic == "spotter/v1/edge/status"
            && problems.into_iter().any(|problem| {
                problem["code"] == "model-stopped"
                    && problem["text"].as_str().unwrap().contains("it failed there while Spotter ran")
            })
    };
    heard.until(is_told);
    let status = heard.until_models("cpu", true);
    assert_eq!(status["accelerators"]["used"], "cpu");
    heard.until_tag("cpu");

    println!("back");
    server.start().unwrap();
    heard.until_models("rack", true);
    heard.until_tag("rack");
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    heard.until(|topic, status| topic == "spotter/v1/edge/status" && status["state"] == "offline");
    Story::of(heard.tags).hold();
}

#[test]
fn a_model_that_may_run_nowhere_else_waits_for_its_server() {
    let Some(vtest) = footage::vtest() else { return };
    let mut server = Server::new("mlserver", None);
    let Some(()) = server.start() else { return };
    let broker = Mosquitto::start("");
    let mut heard = Heard::of(&broker);
    let setting = node(&broker, &vtest, "on = [\"rack\"]", &server.accelerator("http", ""));
    let program = setting.start(["run"]);
    heard.until_models("rack", true);
    heard.until_tag("rack");

    server.kill();
    let status = heard.until(|topic, status| {
        let detector = &status["models"][0];
        topic == "spotter/v1/edge/status" && detector["task"] == "detect" && detector["running"] == false
    });
    assert_eq!(status["state"], "online");
    server.start().unwrap();
    heard.until_models("rack", true);
    heard.until_tag("rack");
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn a_worker_that_is_taken_away_lends_its_camera_and_has_it_again_and_no_tag_and_no_track_is_lost() {
    let Some(vtest) = footage::vtest() else { return };
    let mut server = Server::new("kserve", None);
    let Some(()) = server.start() else { return };
    let broker = Mosquitto::start("");
    let mut heard = Heard::of(&broker);
    let gate = format!("[[camera]]\nname = \"gate\"\nsource = \"{}\"\nloop = true\n", vtest.display());
    let accelerator = server.accelerator("grpc", "") + &gate;
    // `gate` comes first in the file, and so to the first worker.
    let setting = node(&broker, &vtest, "workers = [\"cpu\", \"rack\"]", &accelerator);
    let program = setting.start(["run"]);
    let is_at = |worker: u64| {
        move |topic: &str, status: &Value| {
            topic == "spotter/v1/edge/ramp/status"
                && status["worker"] == worker
                && status["state"] == "online"
        }
    };
    heard.until(is_at(2));
    heard.until_tag("rack");
    server.kill();
    heard.until(is_at(1));
    let is_of = |tag: &Value, on: &str| {
        tag["camera"] == "ramp" && tag["kind"] == "object" && tag["model"]["on"] == on
    };
    let track = |tag: &Value| tag["track"].as_u64().unwrap();
    let there: Vec<u64> = heard.tags.iter().filter(|tag| is_of(tag, "rack")).map(track).collect();
    // A track that had been cut would only end there.
    let goes_on = |tag: &Value| is_of(tag, "cpu") && tag["phase"] == "update" && there.contains(&track(tag));
    if !heard.tags.iter().any(goes_on) {
        heard.until(|topic, tag| topic.ends_with("/ramp/tag/object") && goes_on(tag));
    }
    server.start().unwrap();
    heard.until(is_at(2));
    heard.until_tag("rack");
    program.signal("TERM");
    let ended = program.wait(PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    heard.until(|topic, status| topic == "spotter/v1/edge/status" && status["state"] == "offline");
    Story::of(heard.tags).hold();
}
