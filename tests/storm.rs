//! The camera storm: six cameras, a script that makes five of them fail in every way there is, and a node that must be
//! well again within ten seconds of its cameras, tell what is wrong with them, and not grow.
//!
//! Everything is real: `spotter run`, a mosquitto, cameras that are processes. The script is a pure function of a seed.
//! Four minutes by default, because three do not hold every fault of every camera, a calm and a rush; `make soak` is the
//! same for an hour and writes its table to `docs/soak.md`.
//!
//! One file on purpose: script, weather and verdict are one story.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

#[path = "support/figures.rs"]
mod figures;
#[path = "support/mosquitto.rs"]
mod mosquitto;
#[path = "support/program.rs"]
mod program;
#[path = "support/random.rs"]
mod random;
#[path = "support/test_camera.rs"]
mod test_camera;

use figures::{Figures, slope};
use mosquitto::{Mosquitto, Subscriber, wait};
use program::Program;
use random::Random;
use test_camera::TestCamera;

/// How long the storm lasts, in seconds.
const LENGTH: (&str, u64) = ("SPOTTER_STORM_S", 240);
/// Another script.
const SEED: (&str, u64) = ("SPOTTER_STORM_SEED", 5);
/// The file that the table is written to, in the style of documentation.
const TABLE: &str = "SPOTTER_STORM_TABLE";

/// Cameras and the streams that are taken of them. The first one stays healthy.
const CAMERAS: [(&str, &str); 6] = [
    ("haven", "h264"),
    ("gate", "h264"),
    ("yard", "h265"),
    ("ramp", "mjpeg"),
    ("door", "h264"),
    ("roof", "h264"),
];
const HAVEN: usize = 0;

/// Pictures per second that the cameras give, and from one key frame to the next.
const CAMERA_RATE: &str = "5";
/// What a camera's configuration has besides: recognising needs less than one core, and a storm has no half minutes.
const CAMERA_KEYS: &str = "max_frame_rate = 2\nfrozen_after_s = 5\n";

/// The size of pictures that have another one, in pixels.
const OTHER_SIZE: [u64; 2] = [480, 360];
/// A camera is online again so long after its server is well, at the latest.
const BACK: Duration = Duration::from_secs(10);
/// Between two times that a healthy camera is told to show somebody, at most.
const GAP: Duration = Duration::from_secs(3);
/// What more memory may be held after a hundred reconnects.
const GROWTH_MB: f64 = 1.0;
/// So many threads and descriptors come and go while nothing happens. One that each reconnect leaves behind would be dozens.
const IN_FLUX: u64 = 3;
/// No camera is struck for so long after every camera had every fault once: longer than threads wait for more work.
const CALM: Duration = Duration::from_secs(17);
/// A camera is healthy for so long between two faults, in milliseconds.
const PAUSE_MS: (u64, u64) = (2000, 4000);
/// The end of a storm, in which connections are only cut: memory is held against reconnects, so there must be many.
const RUSH: Duration = Duration::from_secs(60);
/// A camera is healthy for so long between two cuts, in milliseconds: long enough that it is tried again soon.
const RUSH_PAUSE_MS: (u64, u64) = (2100, 2600);
/// How often the cameras are looked at, and how often the node.
const TICK: Duration = Duration::from_millis(50);
const SAMPLE: Duration = Duration::from_millis(250);

/// What is wrong with a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// Its process is killed and started again.
    Die,
    /// Its process is stopped: connections stay and nothing answers.
    Hang,
    /// It is connected and sends nothing.
    Silence,
    /// It sends the same picture over and over.
    Freeze,
    /// Its pictures have another size, and then the old one again.
    Size,
    /// Its packets are damaged.
    Garbage,
    /// It cuts all connections and finds every password wrong.
    Refuse,
    /// It cuts all connections, and takes new ones at once.
    Cut,
}

impl Fault {
    const ALL: [Fault; 8] = [
        Fault::Die,
        Fault::Hang,
        Fault::Silence,
        Fault::Freeze,
        Fault::Size,
        Fault::Garbage,
        Fault::Refuse,
        Fault::Cut,
    ];

    /// For how long a camera has it, in milliseconds: at least so that it can be noticed.
    fn lasts_ms(self) -> (u64, u64) {
        match self {
            Fault::Die => (1000, 4000),
            Fault::Hang | Fault::Silence => (5000, 9000),
            // The last pictures that were sent from before count, and then those of the time that it is told after.
            Fault::Freeze => (9000, 11_000),
            Fault::Size | Fault::Garbage => (2000, 6000),
            Fault::Refuse => (2000, 5000),
            Fault::Cut => (0, 100),
        }
    }

    /// What says so, one of which must come: a state, or another size in the camera's status; nothing of garbage, which
    /// decoders hide as well as they can.
    fn told_as(self) -> &'static [&'static str] {
        match self {
            Fault::Die | Fault::Refuse | Fault::Cut => &["offline"],
            Fault::Hang | Fault::Silence => &["stalled", "offline"],
            Fault::Freeze => &["frozen"],
            Fault::Size => &["its size"],
            Fault::Garbage => &[],
        }
    }
}

/// One camera has one fault for some time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Strike {
    camera: usize,
    /// How long the camera is well before, once it is back from the strike before.
    pause: Duration,
    fault: Fault,
    lasts: Duration,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Script {
    /// Every fault of every camera once, in any order. A calm follows.
    first: Vec<Strike>,
    /// Faults without order, more of them than there is time for.
    then: Vec<Strike>,
    /// Cuts, the same.
    rush: Vec<Strike>,
}

/// The script of a storm that lasts no longer than this.
fn script(seed: u64, length: Duration) -> Script {
    let mut random = Random(seed);
    let strike = |camera: usize, pause_ms: (u64, u64), fault: Fault, random: &mut Random| {
        let mut between = |(least, most)| Duration::from_millis(random.from(least, most));
        Strike { camera, pause: between(pause_ms), fault, lasts: between(fault.lasts_ms()) }
    };
    let mut first = Vec::new();
    for camera in struck() {
        let mut faults = Fault::ALL;
        shuffle(&mut faults, &mut random);
        first.extend(faults.map(|fault| strike(camera, PAUSE_MS, fault, &mut random)));
    }
    let mut fill = |pause_ms, length, faults: &[Fault]| {
        let mut strikes = Vec::new();
        for camera in struck() {
            let mut takes = Duration::ZERO;
            while takes < length {
                let fault = faults[random.from(0, faults.len() as u64 - 1) as usize];
                let strike = strike(camera, pause_ms, fault, &mut random);
                takes += strike.pause + strike.lasts;
                strikes.push(strike);
            }
        }
        strikes
    };
    let then = fill(PAUSE_MS, length, &Fault::ALL);
    let rush = fill(RUSH_PAUSE_MS, RUSH, &[Fault::Cut]);
    Script { first, then, rush }
}

/// The cameras that have faults.
fn struck() -> impl Iterator<Item = usize> {
    (0..CAMERAS.len()).filter(|camera| *camera != HAVEN)
}

/// Puts a list into another order.
fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for end in (1..list.len()).rev() {
        list.swap(end, random.from(0, end as u64) as usize);
    }
}

#[test]
fn a_script_is_the_same_for_the_same_seed_and_has_every_fault() {
    for seed in 0..200 {
        let length = Duration::from_secs(120 + seed);
        let found = script(seed, length);
        assert_eq!(found, script(seed, length));
        assert_ne!(found, script(seed + 1, length));
        let mut first: Vec<_> = found.first.iter().map(|strike| (strike.camera, strike.fault)).collect();
        first.sort_unstable();
        let each = struck().flat_map(|camera| Fault::ALL.map(|fault| (camera, fault)));
        assert_eq!(first, each.collect::<Vec<_>>());
        assert!(found.rush.iter().all(|strike| strike.fault == Fault::Cut));
        for strike in found.first.iter().chain(&found.then).chain(&found.rush) {
            assert!(strike.camera != HAVEN && strike.camera < CAMERAS.len(), "{strike:?}");
            let (least, most) = strike.fault.lasts_ms();
            assert!((u128::from(least)..=u128::from(most)).contains(&strike.lasts.as_millis()), "{strike:?}");
        }
        for camera in struck() {
            for (strikes, length) in [(&found.then, length), (&found.rush, RUSH)] {
                let of_camera = strikes.iter().filter(|strike| strike.camera == camera);
                let takes: Duration = of_camera.map(|strike| strike.pause + strike.lasts).sum();
                assert!(takes >= length, "camera {camera} runs out of faults");
            }
        }
    }
}

/// What a subscriber has heard of one camera.
#[derive(Debug, Default)]
struct Heard {
    /// States and reasons, in the order in which they came.
    states: Vec<(Instant, String, String)>,
    /// When other sizes of its pictures were told.
    sizes: Vec<(Instant, [u64; 2])>,
    /// When somebody was told to be seen.
    tracks: Vec<Instant>,
    tags: Vec<Instant>,
    /// People who were there no more, and what was said of them.
    ends: Vec<(Instant, String)>,
}

impl Heard {
    fn is_online(&self) -> bool {
        self.states.last().is_some_and(|(_, state, _)| state == "online")
    }

    /// When a camera's fault was told after it began and before it was over, and how.
    fn told(&self, Outcome { strike, begun, well, back, .. }: &Outcome) -> Option<(Instant, String)> {
        // A second for the way over the broker. A camera that cuts its connections may take a moment for that.
        let over = *well + back.unwrap_or_default().max(Duration::from_secs(1));
        let while_struck = |at: &Instant| (*begun..over).contains(at);
        if strike.fault == Fault::Size {
            let told = self.sizes.iter().find(|(at, size)| while_struck(at) && *size == OTHER_SIZE)?;
            return Some((told.0, format!("{:?}", told.1)));
        }
        let as_told = |state: &str| strike.fault.told_as().contains(&state);
        let (at, state, reason) =
            self.states.iter().find(|(at, state, _)| while_struck(at) && as_told(state))?;
        Some((*at, format!("{state} ({reason})")))
    }

    /// When it was first known to be online with people in pictures that came after `well`, and stayed so.
    fn back(&self, well: Instant) -> Option<Instant> {
        let (since, ..) = self.states.last().filter(|(_, state, _)| state == "online")?;
        let from = well.max(*since);
        self.tracks.iter().find(|at| **at >= from).copied()
    }

    /// The longest time within a window in which nothing came.
    fn longest_gap(times: &[Instant], (from, to): (Instant, Instant)) -> Duration {
        let inside = times.iter().copied().filter(|at| (from..to).contains(at));
        let mut last = from;
        let mut longest = Duration::ZERO;
        for at in inside.chain([to]) {
            longest = longest.max(at - last);
            last = at;
        }
        longest
    }

    /// Connections after the first.
    fn reconnects(&self) -> usize {
        self.states.iter().filter(|(_, state, _)| state == "connecting").count().saturating_sub(1)
    }
}

/// A subscriber to everything, on a thread of its own; it ends when the node says goodbye.
struct Listener {
    heard: Arc<Mutex<Vec<Heard>>>,
    thread: JoinHandle<()>,
}

impl Listener {
    fn start(subscriber: Subscriber) -> Self {
        let heard: Arc<Mutex<Vec<Heard>>> =
            Arc::new(Mutex::new(CAMERAS.iter().map(|_| Heard::default()).collect()));
        let hears = Arc::clone(&heard);
        let listen = move || {
            loop {
                let (topic, message) = subscriber.next();
                let at = Instant::now();
                let levels: Vec<&str> = topic.split('/').collect();
                let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
                if levels.len() == 4 && levels[3] == "status" && text("state") == "offline" {
                    return;
                }
                let Some(index) = CAMERAS.iter().position(|(name, _)| levels.get(3) == Some(name)) else {
                    continue;
                };
                let mut heard = hears.lock().unwrap();
                let heard: &mut Heard = &mut heard[index];
                match levels[4..] {
                    ["status"] => {
                        let state = text("state");
                        if heard.states.last().is_none_or(|(_, last, _)| *last != state) {
                            heard.states.push((at, state, text("reason")));
                        }
                        let size = ["width", "height"].map(|side| message["video"][side].as_u64());
                        if let [Some(width), Some(height)] = size
                            && heard.sizes.last().is_none_or(|(_, last)| *last != [width, height])
                        {
                            heard.sizes.push((at, [width, height]));
                        }
                    }
                    ["tracks"] if message["tracks"].as_array().is_some_and(|tracks| !tracks.is_empty()) => {
                        heard.tracks.push(at);
                    }
                    ["tag", "object"] => {
                        heard.tags.push(at);
                        if message["phase"] == "end" {
                            heard.ends.push((at, message.to_string()));
                        }
                    }
                    _ => {}
                }
            }
        };
        let thread = std::thread::Builder::new().name("listener".to_owned()).spawn(listen).unwrap();
        Listener { heard, thread }
    }

    fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.heard.lock().unwrap()
    }

    fn all_online(&self) -> bool {
        self.heard().iter().all(Heard::is_online)
    }
}

/// What came of a strike.
struct Outcome {
    strike: Strike,
    begun: Instant,
    /// When its camera was well again.
    well: Instant,
    /// From the begin until it was told.
    told: Option<(Duration, String)>,
    /// From when the camera was well until it was online with pictures.
    back: Option<Duration>,
}

/// A moment's figures.
struct Sample {
    at: Instant,
    reconnects: usize,
    all_online: bool,
    figures: Figures,
}

/// Everything that a storm needs.
struct Site {
    cameras: Vec<TestCamera>,
    listener: Listener,
    program: Program,
    samples: Vec<Sample>,
    outcomes: Vec<Outcome>,
    _broker: Mosquitto,
    _folder: tempfile::TempDir,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cameras: Vec<TestCamera> = CAMERAS.iter().map(|_| camera()).collect();
        let broker = Mosquitto::start("");
        let subscriber = Subscriber::start(broker.port(), "spotter/v1/#", &[]);
        let mut config = format!(
            "[node]\nname = \"edge\"\n[mqtt]\nbroker = \"mqtt://127.0.0.1:{}\"\n[objects]\nlabels = [\"person\"]\n\
             update_interval_s = 1\n[activities]\nenabled = false\n",
            broker.port()
        );
        for ((name, stream), camera) in CAMERAS.iter().zip(&cameras) {
            let url = camera.url_as("rtsp", "guard:wetter@", stream);
            write!(config, "[[camera]]\nname = \"{name}\"\nsource = \"{url}\"\ntracks = true\n{CAMERA_KEYS}")
                .unwrap();
        }
        let path = folder.path().join("spotter.toml");
        std::fs::write(&path, config).unwrap();
        let program = Program::start(["run".as_ref(), "--config".as_ref(), path.as_os_str()]);
        let listener = Listener::start(subscriber);
        let site = Site {
            cameras,
            listener,
            program,
            samples: Vec::new(),
            outcomes: Vec::new(),
            _broker: broker,
            _folder: folder,
        };
        assert!(wait(|| site.listener.all_online()), "not all cameras come online");
        let seen = || site.listener.heard().iter().all(|heard| !heard.tags.is_empty());
        assert!(wait(seen), "not all cameras show people");
        site
    }

    /// Lets a strike begin or end.
    fn strike(camera: &mut TestCamera, fault: Fault, begins: bool) {
        match (fault, begins) {
            (Fault::Die, true) => camera.kill(),
            (Fault::Die, false) => camera.restart(),
            (Fault::Hang, true) => camera.pause(),
            (Fault::Hang, false) => camera.resume(),
            (Fault::Silence, true) => camera.tell("hang"),
            (Fault::Silence, false) => camera.tell("go on"),
            (Fault::Freeze, true) => camera.tell("freeze"),
            (Fault::Freeze, false) => camera.tell("thaw"),
            (Fault::Size, true) => camera.tell(&format!("size {} {}", OTHER_SIZE[0], OTHER_SIZE[1])),
            (Fault::Size, false) => camera.tell("size 320 240"),
            (Fault::Garbage, true) => camera.tell("garbage on"),
            (Fault::Garbage, false) => camera.tell("garbage off"),
            (Fault::Refuse, true) => {
                camera.tell("refuse");
                camera.tell("close");
            }
            (Fault::Refuse, false) => camera.tell("accept"),
            (Fault::Cut, true) => camera.tell("close"),
            (Fault::Cut, false) => {}
        }
    }

    /// Runs strikes, each camera's one after the other, until there are none or none would be over by `end`.
    fn weather(&mut self, strikes: &[Strike], end: Instant) {
        let mut queues: Vec<Vec<Strike>> = CAMERAS.iter().map(|_| Vec::new()).collect();
        // The last of a queue comes first.
        strikes.iter().rev().for_each(|strike| queues[strike.camera].push(strike.clone()));
        let mut doing: Vec<Doing> = CAMERAS.iter().map(|_| Doing::Well(Instant::now())).collect();
        loop {
            for camera in 0..CAMERAS.len() {
                doing[camera] = self.step(camera, &doing[camera], &mut queues[camera], end);
            }
            if doing.iter().all(|doing| matches!(doing, Doing::Done)) {
                return;
            }
            self.tick();
        }
    }

    /// What a camera does next.
    fn step(&mut self, camera: usize, doing: &Doing, queue: &mut Vec<Strike>, end: Instant) -> Doing {
        let now = Instant::now();
        match doing {
            Doing::Done => Doing::Done,
            Doing::Well(_) if self.lost_again(camera) => {
                let outcome = self.last_outcome(camera).expect("it was struck");
                Doing::Recovering(outcome.well)
            }
            Doing::Well(since) => {
                let Some(next) = queue.pop_if(|next| *since + next.pause + next.lasts + BACK < end) else {
                    return Doing::Done;
                };
                if now < *since + next.pause {
                    queue.push(next);
                    return Doing::Well(*since);
                }
                let begun = Instant::now();
                Self::strike(&mut self.cameras[camera], next.fault, true);
                Doing::Struck(next, begun)
            }
            Doing::Struck(strike, begun) if now < *begun + strike.lasts => {
                Doing::Struck(strike.clone(), *begun)
            }
            Doing::Struck(strike, begun) => {
                Self::strike(&mut self.cameras[camera], strike.fault, false);
                let well = Instant::now();
                let (strike, begun) = (strike.clone(), *begun);
                self.outcomes.push(Outcome { strike, begun, well, told: None, back: None });
                Doing::Recovering(well)
            }
            Doing::Recovering(well) => {
                let back = self.listener.heard()[camera].back(*well);
                if back.is_none() && now < *well + 2 * BACK {
                    return Doing::Recovering(*well);
                }
                if let Some(outcome) = self.last_outcome(camera) {
                    outcome.back = back.map(|at| at - *well);
                }
                Doing::Well(now)
            }
        }
    }

    fn last_outcome(&mut self, camera: usize) -> Option<&mut Outcome> {
        self.outcomes.iter_mut().rfind(|outcome| outcome.strike.camera == camera)
    }

    /// Takes it back that a camera is back, if it is not so any more; whether that is so.
    fn lost_again(&mut self, camera: usize) -> bool {
        let online = self.listener.heard()[camera].is_online();
        let outcome = self.last_outcome(camera).filter(|_| !online);
        outcome.is_some_and(|outcome| outcome.back.take().is_some())
    }

    /// Lets a moment pass, with figures now and then.
    fn tick(&mut self) {
        std::thread::sleep(TICK);
        if self.samples.last().is_none_or(|sample| sample.at.elapsed() >= SAMPLE) {
            self.sample();
        }
    }

    /// Lets time pass in which nothing is struck, and gives the least that was held while all cameras were online.
    fn calm(&mut self, length: Duration) -> Option<Figures> {
        let (first, until) = (self.samples.len(), Instant::now() + length);
        while Instant::now() < until {
            self.tick();
        }
        least(&self.samples[first..])
    }

    fn sample(&mut self) {
        let heard = self.listener.heard();
        let reconnects = heard.iter().map(Heard::reconnects).sum();
        let all_online = heard.iter().all(Heard::is_online);
        drop(heard);
        let figures = Figures::of(self.program.id()).expect("spotter runs");
        self.samples.push(Sample { at: Instant::now(), reconnects, all_online, figures });
    }

    /// Looks up when each strike was told.
    fn look_up(&mut self) {
        for camera in 0..CAMERAS.len() {
            self.lost_again(camera);
        }
        let heard = self.listener.heard();
        for outcome in &mut self.outcomes {
            let told = heard[outcome.strike.camera].told(outcome);
            outcome.told = told.map(|(at, how)| (at - outcome.begun, how));
        }
    }
}

/// What a camera is at.
enum Doing {
    /// Well, since then.
    Well(Instant),
    /// It has a fault since then.
    Struck(Strike, Instant),
    /// Its fault is over since then.
    Recovering(Instant),
    /// It will be struck no more.
    Done,
}

/// The least that was held while all cameras were online.
fn least(samples: &[Sample]) -> Option<Figures> {
    let online = samples.iter().filter(|sample| sample.all_online).map(|sample| sample.figures);
    online.reduce(|least, figures| Figures {
        threads: least.threads.min(figures.threads),
        descriptors: least.descriptors.min(figures.descriptors),
        resident_mb: least.resident_mb.min(figures.resident_mb),
        own_mb: least.own_mb.min(figures.own_mb),
    })
}

fn camera() -> TestCamera {
    TestCamera::start(&[
        "--people",
        "--rate",
        CAMERA_RATE,
        "--key-interval",
        CAMERA_RATE,
        "--user",
        "guard",
        "--password",
        "wetter",
        "--auth",
        "digest",
    ])
}

/// A number from the environment, or the one that it is otherwise.
fn setting((variable, otherwise): (&str, u64)) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn cameras_come_back_from_a_storm_and_the_node_does_not_grow() {
    let (seed, length) = (setting(SEED), Duration::from_secs(setting(LENGTH)));
    let script = script(seed, length);
    let mut site = Site::start();
    let start = Instant::now();
    println!("{} = {seed}, {length:?}", SEED.0);
    site.weather(&script.first, start + length);
    let before = site.calm(CALM);
    let cycled = site.samples.len();
    site.weather(&script.then, start + length - RUSH);
    site.weather(&script.rush, start + length);
    let end = Instant::now();
    site.look_up();
    // Threads that wait for more work go after some seconds.
    let stormy = site.samples.len();
    let is_back = |figures: Figures| {
        before.is_some_and(|before| {
            figures.threads <= before.threads && figures.descriptors <= before.descriptors
        })
    };
    let mut after = None;
    let deadline = Instant::now() + 2 * CALM;
    while !after.is_some_and(is_back) && Instant::now() < deadline {
        site.tick();
        after = least(&site.samples[stormy..]);
    }
    let Site { listener, program, samples, outcomes, .. } = site;
    program.signal("TERM");
    let ended = program.wait(program::PATIENCE);
    let (heard, thread) = (listener.heard, listener.thread);
    thread.join().unwrap();

    let heard = heard.lock().unwrap();
    let growth = &samples[cycled..stormy];
    let line = |value: fn(&Figures) -> f64| {
        // A camera that is being connected holds more or less than one that gives pictures.
        let calm = growth.iter().filter(|sample| sample.all_online);
        let points: Vec<(f64, f64)> =
            calm.map(|sample| (sample.reconnects as f64, value(&sample.figures))).collect();
        let (slope, error) = slope(&points);
        (100.0 * slope, 100.0 * error)
    };
    let verdict = Verdict {
        seed,
        start,
        length,
        reconnects: samples.last().map_or(0, |sample| sample.reconnects),
        resident: line(|figures| figures.resident_mb),
        own: line(|figures| figures.own_mb),
        peak_mb: samples.iter().map(|sample| sample.figures.resident_mb).fold(0.0, f64::max),
        before,
        after,
        gaps: gaps(&heard, &outcomes, start, end),
        haven_ends: heard[HAVEN].ends.iter().filter(|(at, _)| *at < end).cloned().collect(),
        haven_tag_gap: Heard::longest_gap(&heard[HAVEN].tags, (start, end)),
        outcomes,
    };
    let table = verdict.table();
    println!("{}\n{table}", verdict.list());
    if let Some(path) = std::env::var_os(TABLE) {
        std::fs::write(path, verdict.document(&table)).unwrap();
    }
    let mut faults = verdict.faults();
    if ended.code != Some(0) {
        faults.push(format!("spotter ended with {:?}", ended.code));
    }
    assert!(faults.is_empty(), "{}\n\nthe log:\n{}", faults.join("\n"), ended.stderr);
}

/// The longest time in which nobody was seen by each camera while it was healthy: from when it was back until the next
/// strike.
fn gaps(heard: &[Heard], outcomes: &[Outcome], start: Instant, end: Instant) -> Vec<Duration> {
    let of_camera = |camera: usize| {
        let mut from = Some(start);
        let mut longest = Duration::ZERO;
        let mut close = |from: Option<Instant>, to: Instant| {
            let gap = from.map(|from| Heard::longest_gap(&heard[camera].tracks, (from, to)));
            longest = longest.max(gap.unwrap_or_default());
        };
        for outcome in outcomes.iter().filter(|outcome| outcome.strike.camera == camera) {
            close(from, outcome.begun);
            from = outcome.back.map(|back| outcome.well + back);
        }
        close(from, end);
        longest
    };
    (0..CAMERAS.len()).map(of_camera).collect()
}

/// What the storm has shown.
struct Verdict {
    seed: u64,
    start: Instant,
    length: Duration,
    outcomes: Vec<Outcome>,
    reconnects: usize,
    /// MB per 100 reconnects, and the standard error of that: of all memory, and of what is no file's.
    resident: (f64, f64),
    own: (f64, f64),
    peak_mb: f64,
    /// The least that was held when all cameras were online: after every camera had every fault once, and at the end.
    before: Option<Figures>,
    after: Option<Figures>,
    gaps: Vec<Duration>,
    haven_ends: Vec<(Instant, String)>,
    haven_tag_gap: Duration,
}

impl Verdict {
    /// A line for each strike.
    fn list(&self) -> String {
        let mut text = String::new();
        for Outcome { strike, told, back, begun, .. } in &self.outcomes {
            let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
            let told = told
                .as_ref()
                .map_or("not told".to_owned(), |(after, what)| format!("after {}: {what}", seconds(*after)));
            let back = back.map_or("NOT BACK".to_owned(), |back| format!("back after {}", seconds(back)));
            let (name, at) = (CAMERAS[strike.camera].0, (*begun - self.start).as_secs_f64());
            let (fault, lasts) = (strike.fault, strike.lasts.as_secs_f64());
            writeln!(text, "{at:7.1} s {name:6} {fault:?} for {lasts:.1} s: {back}; {told}").unwrap();
        }
        text
    }

    /// Figures by fault.
    fn table(&self) -> String {
        let mut text =
            "| fault | times | told, median s | back, median s | back, worst s |\n|---|---|---|---|---|\n"
                .to_owned();
        let sorted = |values: Vec<Duration>| {
            let mut seconds: Vec<f64> = values.iter().map(Duration::as_secs_f64).collect();
            seconds.sort_by(f64::total_cmp);
            seconds
        };
        for fault in Fault::ALL {
            let of_fault: Vec<&Outcome> =
                self.outcomes.iter().filter(|outcome| outcome.strike.fault == fault).collect();
            let told = sorted(of_fault.iter().filter_map(|outcome| Some(outcome.told.as_ref()?.0)).collect());
            let back = sorted(of_fault.iter().filter_map(|outcome| outcome.back).collect());
            let shown = |seconds: Option<&f64>| seconds.map_or("".to_owned(), |s| format!("{s:.1}"));
            let worst = if back.len() < of_fault.len() { "never".to_owned() } else { shown(back.last()) };
            writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                format!("{fault:?}").to_lowercase(),
                of_fault.len(),
                shown(told.get(told.len() / 2)),
                shown(back.get(back.len() / 2)),
                worst,
            )
            .unwrap();
        }
        let held = |figures: Option<Figures>| {
            figures.map_or("never all online".to_owned(), |figures| {
                format!(
                    "{} threads, {} descriptors, {:.0} MB",
                    figures.threads, figures.descriptors, figures.resident_mb
                )
            })
        };
        let seconds = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
        writeln!(
            text,
            "\n| | |\n|---|---|\n| reconnects | {} |\n| memory per 100 reconnects | {:+.2} MB (standard error {:.2}) |\n\
             | of that, no file's | {:+.2} MB (standard error {:.2}) |\n| most memory | {:.0} MB |\n\
             | held after every camera had every fault | {} |\n| held at the end | {} |\n\
             | longest time without people of a healthy camera | {} |\n\
             | longest time without tags of the one that was never struck | {} |",
            self.reconnects,
            self.resident.0,
            self.resident.1,
            self.own.0,
            self.own.1,
            self.peak_mb,
            held(self.before),
            held(self.after),
            seconds(self.gaps.iter().max().copied().unwrap_or_default()),
            seconds(self.haven_tag_gap),
        )
        .unwrap();
        text
    }

    /// The table as a page.
    fn document(&self, table: &str) -> String {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let build = if cfg!(debug_assertions) { "debug" } else { "release" };
        format!(
            "# The camera storm\n\nMade by `make soak` (`tests/storm.rs`): Spotter {}, {build} build, {cores} cores, six \
             cameras that run on\nthe same machine, {} s, seed {}. Five of them are struck, one is not. `told` is the \
             time from the fault until\nthe camera's status says so, which of garbage nothing does; `back` is the time from \
             when the camera is well\nuntil it is online and what it shows is told again, {} s at most. Memory may grow by less \
             than {GROWTH_MB} MB per 100\nreconnects, threads and descriptors not at all.\n\n{table}",
            env!("CARGO_PKG_VERSION"),
            self.length.as_secs(),
            self.seed,
            BACK.as_secs(),
        )
    }

    /// What is not as it should be.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for Outcome { strike, told, back, begun, .. } in &self.outcomes {
            let what = format!(
                "{} {:?} at {:.1} s",
                CAMERAS[strike.camera].0,
                strike.fault,
                (*begun - self.start).as_secs_f64()
            );
            if back.is_none_or(|back| back > BACK) {
                faults.push(format!("{what}: back after {back:?}"));
            }
            if told.is_none() && !strike.fault.told_as().is_empty() {
                faults.push(format!("{what}: not told as {}", strike.fault.told_as().join(" or ")));
            }
        }
        for ((name, _), gap) in CAMERAS.iter().zip(&self.gaps) {
            if *gap > GAP {
                faults.push(format!("{name}: nobody was seen for {gap:?} while it was healthy"));
            }
        }
        if self.haven_tag_gap > GAP {
            faults.push(format!("{}: no tag for {:?}", CAMERAS[HAVEN].0, self.haven_tag_gap));
        }
        for (at, message) in &self.haven_ends {
            let at = (*at - self.start).as_secs_f64();
            faults.push(format!("{}: somebody ended at {at:.1} s: {message}", CAMERAS[HAVEN].0));
        }
        match (self.before, self.after) {
            (Some(before), Some(after)) => {
                let more = |after: u64, before: u64| after > before + IN_FLUX;
                if more(after.threads, before.threads) || more(after.descriptors, before.descriptors) {
                    faults.push(format!("held before {before:?}, after {after:?}"));
                }
            }
            _ => faults.push("there was no calm with all cameras online".to_owned()),
        }
        for (what, (slope, error)) in [("resident", self.resident), ("own", self.own)] {
            if error.is_nan() || error > GROWTH_MB / 2.0 {
                faults.push(format!("{what} memory: too uneven to tell, standard error {error:.2} MB"));
            }
            if slope >= GROWTH_MB {
                faults.push(format!("{what} memory grows by {slope:.2} MB per 100 reconnects"));
            }
        }
        faults
    }
}
