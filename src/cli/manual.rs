//! The ends of the help texts: how each command exits, and examples.

/// Of `spotter --help`.
pub(super) const SPOTTER: &str = "\
EXIT STATUS
    0    it did what it was asked to, or whoever read its output has seen enough
    1    it failed; the last line says why
    2    the command line or SPOTTER_LOG is wrong
    78   the configuration is wrong; every error has its line

ENVIRONMENT
    SPOTTER_LOG      what to log, such as `debug` or `spotter::capture=trace`
                     (default: `info` for run, `warn` for everything else)
    ORT_DYLIB_PATH   the ONNX Runtime library, unless the configuration names one
    GST_DEBUG        GStreamer's own log

EXAMPLES
    spotter demo
        See tags of real footage arrive at a subscriber, with nothing set up.
    spotter check --config /etc/spotter/spotter.toml && spotter run --config /etc/spotter/spotter.toml
        Run as a daemon.
    spotter replay clip.avi --tags tags.jsonl --picture tracks.jpg
        See what it makes of a file.
    spotter watch --broker mqtt://localhost
        See and check every message of every node at a broker.";

/// Of `spotter run --help`.
pub(super) const RUN: &str = "\
EXIT STATUS
    0    SIGTERM or SIGINT came, and it stopped as it should
    1    it could not start, or failed; the last line says why
    2    the command line or SPOTTER_LOG is wrong
    78   the configuration or a model package is wrong; every error has its line
    130, 143   a second SIGINT or SIGTERM came

EXAMPLES
    spotter run
        Run with /etc/spotter/spotter.toml.
    SPOTTER_LOG=info,spotter::capture=debug spotter run --config spotter.toml
        Run with another configuration, and see what the cameras do.";

/// Of `spotter reload --help`.
pub(super) const RELOAD: &str = "\
EXIT STATUS
    0    the daemon runs with the new configuration
    1    there is no such daemon, or it failed; the last line says why
    2    the command line or SPOTTER_LOG is wrong
    78   the new configuration is wrong, and the old one goes on; every error has its line

EXAMPLES
    spotter reload
        Apply /etc/spotter/spotter.toml after it was edited.
    sudo systemctl reload spotter
        The same; the errors are in `systemctl status spotter` and in the journal.";

/// Of `spotter check --help`.
pub(super) const CHECK: &str = "\
EXIT STATUS
    0    the configuration is valid, and what it names is there
    2    the command line or SPOTTER_LOG is wrong
    78   something is wrong; every error has its line

EXAMPLES
    spotter check
        Check /etc/spotter/spotter.toml.
    spotter check --config spotter.toml && systemctl restart spotter
        Restart only with a configuration that works.";

/// Of `spotter doctor --help`.
pub(super) const DOCTOR: &str = "\
EXIT STATUS
    0    all is well; there may be warnings
    1    something fails, and has its line
    2    the command line or SPOTTER_LOG is wrong
    78   the configuration is wrong; every error has its line, and the rest was looked at all the same

JSON
    One object: version, well, configuration_valid, pictures, and checks (area, name, verdict: ok, warning, failure or
    skipped, text, advice; for a camera that gives frames also camera: codec, width, height, decoder, hardware,
    frames_per_second, first_frame_ms, frames, before_key, faults, ended, picture)

EXAMPLES
    sudo -u spotter spotter doctor
        Look at everything as the service sees it.
    spotter doctor --config spotter.toml --pictures ./pictures
        Save what each camera sees.
    spotter doctor --json | jq '.checks[] | select(.verdict == \"failure\")'
        See only what fails.";

/// Of `spotter models --help`.
pub(super) const MODELS: &str = "\
EXIT STATUS
    0    every model runs; a line names the accelerators that do not run it, and says why
    1    one does not, or there is no runtime library
    2    the command line or SPOTTER_LOG is wrong
    78   the configuration is wrong; every error has its line

JSON
    One object: version, library (version and path, or error), and models (key, name, and loaded as in the node's
    status, or error)

EXAMPLES
    spotter models --config spotter.toml
        See what runs on the accelerator, and how far its answers are from those of the CPU.
    spotter models --json | jq '.models[] | {name, on: .loaded.on, error}'
        See only what runs where.";

/// Of `spotter discover --help`.
pub(super) const DISCOVER: &str = "\
EXIT STATUS
    0    at least one camera was found
    1    none was found, or it failed; the last line says why
    2    the command line or SPOTTER_LOG is wrong

JSON
    One object: version, problems (what could not be asked), and cameras (kind: onvif, genicam or v4l2; title;
    camera: a name for the configuration; source, or null where a person must complete it; configuration: the
    block; details: name, hardware, locations, services and host of an ONVIF device; interface, vendor, model,
    serial, name, address and mac of a GenICam camera; name and device of a Video4Linux device)

EXAMPLES
    spotter discover
        See which cameras are there.
    spotter discover --only onvif --interface eth1 --timeout 10
        Ask one network for ten seconds.
    spotter discover --only genicam | sudo tee -a /etc/spotter/spotter.toml
        Put the factory cameras into the configuration.
    spotter discover --json | jq -r '.cameras[] | select(.kind == \"onvif\") | .details.services[0]'
        See the device services alone.";

/// Of `spotter probe --help`.
pub(super) const PROBE: &str = "\
EXIT STATUS
    0    the camera gives frames
    1    it does not, its stream stops or ends, or the picture cannot be saved; the last line says why
    2    the command line or SPOTTER_LOG is wrong

EXAMPLES
    spotter probe rtsp://192.0.2.10/stream1 --username admin --password-file ./password
        See what a camera gives.
    spotter probe /dev/video0 --picture first.jpg
        See what it sees.
    spotter probe rtsp://192.0.2.10/stream1 --transport udp --seconds 60
        See what the network loses.";

/// Of `spotter replay --help`.
pub(super) const REPLAY: &str = "\
EXIT STATUS
    0    every frame was recognised
    1    it failed, or the file was cut short; the last line says why
    2    the command line or SPOTTER_LOG is wrong
    78   the configuration is wrong; every error has its line

EXAMPLES
    spotter replay clip.avi --tags tags.jsonl --picture tracks.jpg
        Write the tags, and the tracks on the fullest frame.
    spotter replay clip.avi --config /etc/spotter/spotter.toml --camera ramp --tags tags.jsonl
        See what a camera's settings make of a file.
    spotter replay vtest.avi --frame-rate 7 --tags tags.jsonl
        Say how fast it was recorded, which is not what it states.
    spotter replay clip.avi --labels person,car --picture at-12s.png --picture-at 12
        Look at people and cars twelve seconds into the file.";

/// Of `spotter demo --help`.
pub(super) const DEMO: &str = "\
EXIT STATUS
    0    every track that started has ended, and every message was as it should be, or whoever read its
         output has seen enough
    1    it failed, or a message was not as it should be
    2    the command line or SPOTTER_LOG is wrong

EXAMPLES
    spotter demo
        See tags until Ctrl-C.
    spotter demo --seconds 20 --footage clip.avi
        See the tags of twenty seconds of a file of your own.";

/// Of `spotter bench --help`.
pub(super) const BENCH: &str = "\
EXIT STATUS
    0    it has measured, or whoever read its output has seen enough
    1    it failed, such as when a camera gave no frame
    2    the command line or SPOTTER_LOG is wrong
    78   the configuration is wrong; every error has its line

EXAMPLES
    spotter bench --cameras 10
        See whether this machine looks at 2 frames per second of each of ten cameras, and what that takes.
    spotter bench --cameras 10 --rate 5 --config spotter.toml --json
        See it with the models and accelerators of a configuration, as one JSON object.";

/// Of `spotter watch --help`.
pub(super) const WATCH: &str = "\
EXIT STATUS
    0    nothing broke the contract, or whoever read its output has seen enough
    1    it failed, or something broke the contract
    2    the command line or SPOTTER_LOG is wrong
    78   the configuration is wrong; every error has its line

EXAMPLES
    spotter watch
        See what comes to the broker on this machine.
    spotter watch --config /etc/spotter/spotter.toml --seconds 60
        Check for a minute what this node publishes, with its own login.
    spotter watch --broker mqtts://broker.example:8883 --json
        See the JSON as it comes.";

/// How every `spotter eval` exits.
macro_rules! eval_exit_status {
    () => {
        "\
EXIT STATUS
    0    it has printed the scores
    1    it failed; the last line says why
    2    the command line or SPOTTER_LOG is wrong"
    };
}

/// Of `spotter eval --help`.
pub(super) const EVAL: &str = concat!(
    eval_exit_status!(),
    "

EXAMPLES
    spotter eval track mot/one mot/two
        Score the tracker on two sequences.
    spotter eval skeleton clips.npz
        Score the skeleton classifier on clips.
    spotter eval activity clips/
        Score the activities that are told of the videos in a folder."
);

/// Of `spotter eval activity --help`.
pub(super) const EVAL_ACTIVITY: &str = concat!(
    "\
FOLDER
    truth.csv   a header `clip,from_s,to_s,label`, and a line for each thing that happens: the file in the folder, when it
                begins and ends in seconds from the clip's first frame, and the label. Ranges may overlap. Times of which
                no line speaks are not scored

FIGURES
    events      how often a label happens: its lines
    told        how many of these were told: a start tag of the label, or of one that stands for it (`--same`), came before
                the event was over for longer than `--grace`, and the activity was not over when the event began
    delay       from the begin of an event to the capture time of the frame that its start tag rests on, in seconds
    false       start tags of the label in scored time that speak of no event, and how many that is for an hour of it
    right       share of the label's time in which it was told, or one that stands for it, by the times of the evidence
    what was told of its time
                the label itself when anybody or any group is told to do it, else what the largest person is told to do,
                else what a group is told to do

CALIBRATION
    Whether a score is the probability that its label is right. A tag can come at any moment of an activity, and there are
    few of them. So the present score of each activity counts for as long as the activity is told, from its start tag to its
    end, at moments of known truth
    score       bins of scores. An activity ends when its score has been 0.15 below its threshold for its shortest duration,
                so some scores are low
    tags        start and update tags with such a score
    time        for how long activities had such a score, in seconds. This is not the number of independent samples: it
                may be one activity
    mean score  mean score of this time
    right       share of this time in which a line has the label, or one that stands for it, whoever does it
    calibration error
                expected calibration error (Guo et al. 2017): the sum over the bins of (share of all time) x
                |right - mean score|
    In JSON: `calibration`, a list with from, to, tags, time_s, mean_score and right, and `calibration_error`; null for -

FITTING
    --fit       tries thresholds from 0.30 to 0.95 in steps of 0.05, and the present one, for each label of truth.csv. It
                applies the rules of the daemon to the recorded scores, so each clip is decoded once. Labels are fitted in
                turn, up to three times, because a label of higher score takes the place of another. The threshold with the
                highest F1 is written. F1 is 2 x right / (2 x right + false + missed). For `fall`, `fallen` and what stands
                for them, these are events, counted together; for all others, seconds. Of thresholds whose F1 is within
                0.005 of the best, the present one stays, else the nearest to it. A label with fewer than 2 events or less
                than 5 s (only events count for falls) keeps its threshold
    The file has a table [activities.labels.<label>] for each label that can be told, with F1 before and after in comments.
    A configuration takes it as it is; for one camera, write [camera.activities.labels.<label>] below its [[camera]]. The
    figures are of the clips that the thresholds were fitted to: measure on other clips before you rely on them

PEOPLE
    --people    writes for everybody on every frame `clip`, `at_s` (seconds from the clip's first frame), `size` (width and
                height of the picture in pixels), `track`, `score`, `box` (x, y, width and height, 0 to 1), and `joints`: x, y
                (0 to 1) and score of nose, shoulders, elbows, wrists, hips, knees and ankles, left before right, or null
                where none were looked for on that frame

",
    eval_exit_status!(),
    "

EXAMPLES
    spotter eval activity clips/
        Score the default settings.
    spotter eval activity --config spotter.toml --camera ramp --json clips/
        Score the settings of a camera.
    spotter eval activity --fit thresholds.toml clips/
        Find the thresholds that are best on these clips."
);

/// Of `spotter eval track --help`.
pub(super) const EVAL_TRACK: &str = concat!(
    eval_exit_status!(),
    "

EXAMPLES
    spotter eval track mot/one mot/two
        Score the tracker on two sequences.
    spotter eval track --fps 30 --size 1920x1080 mot/MOT17-04
        Say how fast and how large the sequence is."
);

/// Of `spotter eval skeleton --help`.
pub(super) const EVAL_SKELETON: &str = concat!(
    "\
DATA
    pose      f32 or f64 [frames, 15, 2]: x to the right and y down of J-HMDB's joints on every frame of every
              clip, in any unit: neck, belly, face, right and left shoulder, hip, elbow, knee, wrist, ankle
    offset    i32 or i64 [clips + 1]: clip i is the frames from offset[i] up to offset[i + 1]
    label     texts [clips]: labels of the model

FIGURES
    The probabilities of a clip are those of its window; a clip that is longer than a window has several, and
    their mean counts. The answer to a clip is the label with the highest probability, `unknown` left out.
    accuracy                 share of clips whose answer is right
    accuracy_with_unknown    the same when `unknown` is an answer too, and a wrong one
    unknown                  share of clips for which `unknown` is more probable than any label
    ece                      expected calibration error (Guo et al. 2017): clips go into 15 bins of equal width
                             by the probability of their answer; the sum over the bins of (share of all clips)
                             x |share of right answers - mean probability of the answers|
    precision                of the answers with this label, the share that is right; - without any
    recall                   of the clips of this label, the share that was answered with it; - without any
    f1                       2 x right / (clips + answers) of this label
    confusion                a row for each label of the clips, a column for each answer

JSON
    One object: model (name, version, sha256), clips, accuracy, accuracy_with_unknown, unknown, ece, labels,
    per_class (for each label: clips, unknown, precision, recall, f1; null for -), confusion (rows and columns
    in the order of labels)

",
    eval_exit_status!(),
    "

EXAMPLES
    spotter eval skeleton clips.npz
        Score the skeleton classifier on clips that it has not seen.
    spotter eval skeleton clips.npz --json | jq .accuracy
        Take one figure.
    spotter eval skeleton clips.npz --model ./my-skeleton-model
        Score a package of your own."
);

/// Of `spotter schema --help`.
pub(super) const SCHEMA: &str = "\
EXIT STATUS
    0    printed or written
    1    there is no such document, or it cannot be written; the last line says why
    2    the command line is wrong

EXAMPLES
    spotter schema tag
        The JSON Schema of a tag.
    spotter schema --out schema
        Everything, one file each.";
