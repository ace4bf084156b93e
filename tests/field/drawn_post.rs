//! Real people behind a post that is drawn into `vtest.avi`: how many of them a line there counts.

use std::time::Duration;

use crate::films::ffmpeg;
use crate::footage;
use crate::program::Program;

/// How long a replay may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The frames that are looked at: 57 s.
const FRAMES: u32 = 400;

/// How many crossings of a line down the middle of the picture are told, with this drawn over it.
fn crossings(film: &std::path::Path, filter: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let [drawn, config, tags] =
        ["drawn.mp4", "spotter.toml", "tags.jsonl"].map(|name| folder.path().join(name));
    ffmpeg(
        &format!(
            "-i {} -frames:v {FRAMES} -vf {filter} -c:v libx264 -preset ultrafast -qp 16",
            film.display()
        ),
        &drawn,
    );
    let text = format!(
        "[mqtt]\nbroker = \"mqtt://127.0.0.1:1\"\n[[camera]]\nname = \"yard\"\nsource = \"{}\"\n\
         [[camera.line]]\nname = \"middle\"\nfrom = [0.5, 1.0]\nto = [0.5, 0.0]\n",
        drawn.display()
    );
    std::fs::write(&config, text).unwrap();
    let replay = Program::start([
        "replay".as_ref(),
        drawn.as_os_str(),
        "--no-activities".as_ref(),
        "--frame-rate".as_ref(),
        "7".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
        "--tags".as_ref(),
        tags.as_os_str(),
    ]);
    let ran = replay.wait(PATIENCE);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let tags = std::fs::read_to_string(&tags).unwrap();
    let is_crossing = |tag: &serde_json::Value| tag["kind"] == "line" && tag["phase"] == "start";
    tags.lines().map(|line| serde_json::from_str(line).unwrap()).filter(is_crossing).count()
}

/// Two of those who cross without the post stand at it, and some met somebody there or are behind a sign as well.
#[test]
fn a_post_of_a_persons_width_hides_few_crossings_of_real_people() {
    let Some(film) = footage::vtest() else { return };
    let open = crossings(&film, "null");
    let behind = crossings(&film, "drawbox=x=372:y=0:w=24:h=576:color=0x606060:t=fill");
    println!("a line on vtest.avi in 57 s: {open} crossings, and {behind} behind a post of 24 pixels");
    assert!(open >= 13 && behind * 100 >= open * 55, "{behind} of {open}");
}
