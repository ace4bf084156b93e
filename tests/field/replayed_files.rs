//! Files that `replay` misread.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spotter::capture::{Next, Stream, Timing};
use spotter::clock::Timestamp;
use spotter::config::{Capture, Source};
use spotter::name::Name;
use tempfile::TempDir;

use crate::films::{ffmpeg, file, frames, replay};
use crate::footage;
use crate::picture_server::Server;
use crate::program::{Ended, spotter};
use crate::watched::Watched;

/// Six seconds of something that moves, two frames a second, a key frame each second.
const FILM: &str =
    "-f lavfi -i testsrc=s=160x120:r=2 -t 6 -c:v libx264 -preset ultrafast -g 2 -pix_fmt yuv420p";
const FRAMES: usize = 12;
const FPS: f64 = 2.0;

fn film(folder: &TempDir, name: &str, arguments: &str) -> PathBuf {
    let path = folder.path().join(name);
    ffmpeg(arguments, &path);
    path
}

fn run(path: &Path, options: &[&str]) -> Ended {
    spotter([&["replay", path.to_str().unwrap(), "--no-activities"], options].concat())
}

/// Microseconds of each frame, as a file is replayed.
fn times(path: &Path, frame_rate: Option<f64>) -> Vec<i64> {
    let source = Source::File { path: path.to_owned(), repeat: false, frame_rate };
    frames(&Capture::of(source)).iter().map(|frame| frame.at.as_micros()).collect()
}

/// Ten a second, from 0.
fn expected(frames: usize, fps: f64) -> Vec<i64> {
    (0..frames).map(|n| (n as f64 / fps * 1e6).round() as i64).collect()
}

/// The end of its first part: the file as a recorder leaves it that loses its power.
fn cut(path: &Path, keep: f64) -> PathBuf {
    let bytes = fs::read(path).unwrap();
    let short = path.with_file_name(format!("cut-{}", path.file_name().unwrap().to_str().unwrap()));
    fs::write(&short, &bytes[..(bytes.len() as f64 * keep) as usize]).unwrap();
    short
}

/// A recorder's parts keep the times of the whole recording: hours, though each plays for seconds.
#[test]
fn parts_of_a_long_recording_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let hours = film(&folder, "hours.mkv", &format!("{FILM} -output_ts_offset 7200"));
    let parts = folder.path().join("part%d.mkv");
    let split = "-c copy -f segment -segment_time 2 -reset_timestamps 0";
    ffmpeg(&format!("-i {} -copyts {split}", hours.display()), &parts);
    let ts = film(&folder, "hours.ts", &format!("{FILM} -output_ts_offset 7200"));
    // Time stamps of 33 bits run over in the middle.
    let wrapped = film(&folder, "wrapped.ts", &format!("{FILM} -output_ts_offset 95440"));
    let flv = film(&folder, "hours.flv", &format!("{FILM} -output_ts_offset 7200"));
    let fragments = "-movflags frag_keyframe+empty_moov+default_base_moof";
    let mp4 = film(&folder, "fragments.mp4", &format!("{FILM} {fragments}"));
    let plain = film(&folder, "plain.mp4", FILM);
    for path in [&hours, &ts, &wrapped, &flv, &mp4, &plain] {
        // Where the time stamps of MPEG-TS run over, a tick of theirs is lost: 11 microseconds.
        let found = times(path, None);
        let near = found.iter().zip(expected(FRAMES, FPS)).all(|(found, wanted)| found.abs_diff(wanted) < 20);
        assert!(found.len() == FRAMES && near, "{}: {found:?}", path.display());
        let ended = run(path, &[]);
        assert_eq!(ended.code, Some(0), "{}: {}", path.display(), ended.stderr);
        assert!(ended.stdout.starts_with("12 frames"), "{}", ended.stdout);
    }
    let second = folder.path().join("part1.mkv");
    let count = times(&second, None).len();
    assert!((2..8).contains(&count), "{count}");
    assert_eq!(times(&second, None), expected(count, FPS));
    assert_eq!(run(&second, &[]).code, Some(0));
}

/// And what was really cut short is told.
#[test]
fn a_file_that_was_cut_short_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let fragments = "-movflags frag_keyframe+empty_moov+default_base_moof";
    for (name, arguments) in [
        ("hours.mkv", format!("{FILM} -output_ts_offset 7200")),
        ("plain.mkv", FILM.to_owned()),
        ("plain.avi", FILM.to_owned()),
        ("front.mp4", format!("{FILM} -movflags faststart")),
        ("fragments.mp4", format!("{FILM} {fragments}")),
    ] {
        let short = cut(&film(&folder, name, &arguments), 0.6);
        let ended = run(&short, &[]);
        assert_eq!(ended.code, Some(1), "{name}: {} {}", ended.stdout, ended.stderr);
        assert!(ended.stderr.contains("was cut short"), "{name}: {}", ended.stderr);
    }
}

/// Raw MJPEG and GIF come without times: every frame was at 0, and nothing was seen.
#[test]
fn frames_without_times_are_counted_by_the_frame_rate() {
    let folder = tempfile::tempdir().unwrap();
    let mjpeg = film(&folder, "raw.mjpeg", "-f lavfi -i testsrc=s=160x120:r=10 -t 1 -c:v mjpeg -f mjpeg");
    let gif = film(&folder, "film.gif", "-f lavfi -i testsrc=s=160x120:r=10 -t 1");
    assert_eq!(times(&mjpeg, Some(10.0)), expected(10, 10.0));
    assert_eq!(times(&mjpeg, Some(4.0)), expected(10, 4.0));
    // A GIF says how long each picture is shown.
    assert_eq!(times(&gif, None), expected(10, 10.0));
    assert_eq!(times(&gif, Some(5.0)), expected(10, 5.0));

    let ended = run(&mjpeg, &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(ended.stderr.contains("--frame-rate"), "{}", ended.stderr);
    let ended = run(&mjpeg, &["--frame-rate", "10"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("10 frames"), "{}", ended.stdout);
    assert_eq!(run(&gif, &[]).code, Some(0));
}

/// What ffmpeg writes there has no headers among its frames, unless it is told to repeat them.
#[test]
fn parts_in_avi_play_with_their_headers() {
    let folder = tempfile::tempdir().unwrap();
    for (name, filter, code) in [("bare", "", 1), ("full", "-bsf:v dump_extra", 0)] {
        let parts = folder.path().join(format!("{name}%d.avi"));
        ffmpeg(&format!("{FILM} {filter} -f segment -segment_time 2"), &parts);
        let ended = run(&folder.path().join(format!("{name}1.avi")), &[]);
        assert_eq!(ended.code, Some(code), "{name}: {}", ended.stderr);
        assert!(code == 0 || ended.stderr.contains("No valid frames found"), "{name}: {}", ended.stderr);
    }
}

/// Streams without a container, an AVI file without its index, and single pictures.
#[test]
fn files_without_a_container_or_an_index_play() {
    let folder = tempfile::tempdir().unwrap();
    let avi = fs::read(film(&folder, "indexed.avi", FILM)).unwrap();
    let index = avi.windows(4).rposition(|four| four == b"idx1").unwrap();
    let mut bare = avi[..index].to_vec();
    let size = (bare.len() as u32 - 8).to_le_bytes();
    bare[4..8].copy_from_slice(&size);
    let no_index = folder.path().join("no-index.avi");
    fs::write(&no_index, bare).unwrap();
    let h265 =
        "-f lavfi -i testsrc=s=160x120:r=2 -t 6 -c:v libx265 -x265-params log-level=none -pix_fmt yuv420p";
    for path in [
        film(&folder, "raw.h264", FILM),
        film(&folder, "raw.h265", h265),
        film(&folder, "raw.ivf", "-f lavfi -i testsrc=s=160x120:r=2 -t 6 -c:v libvpx -deadline realtime"),
        no_index,
    ] {
        assert_eq!(times(&path, None), expected(FRAMES, FPS), "{}", path.display());
        let ended = run(&path, &[]);
        assert_eq!(ended.code, Some(0), "{}: {}", path.display(), ended.stderr);
    }
    for name in ["one.png", "one.jpg"] {
        let ended = run(&film(&folder, name, "-f lavfi -i testsrc=s=160x120:r=10 -frames:v 1"), &[]);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        assert!(ended.stdout.starts_with("1 frames"), "{}", ended.stdout);
    }
}

/// `-` is standard output, to which nothing else is written.
#[test]
fn tags_and_tracks_go_to_standard_output() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let clip = film(&folder, "clip.avi", &format!("-i {} -frames:v 16 -c copy", vtest.display()));
    let (tags, tracks) = (folder.path().join("tags"), folder.path().join("tracks"));
    let to_files = run(&clip, &["--tags", tags.to_str().unwrap(), "--tracks", tracks.to_str().unwrap()]);
    assert_eq!(to_files.code, Some(0), "{}", to_files.stderr);
    let file = |path: &Path| fs::read_to_string(path).unwrap();
    assert!(!file(&tags).is_empty() && !file(&tracks).is_empty(), "{}", to_files.stdout);

    let to_stdout = run(&clip, &["--tags", "-", "--tracks", tracks.to_str().unwrap()]);
    assert_eq!((to_stdout.code, to_stdout.stdout), (Some(0), file(&tags)));
    assert!(to_stdout.stderr.contains("16 frames"), "{}", to_stdout.stderr);
    let to_stdout = run(&clip, &["--tracks", "-"]);
    assert_eq!((to_stdout.code, to_stdout.stdout), (Some(0), file(&tracks)));

    let both = run(&clip, &["--tracks", "-", "--tags", "-"]);
    assert_eq!((both.code, both.stdout.as_str()), (Some(2), ""));
    assert!(both.stderr.contains("--tags - and --tracks -"), "{}", both.stderr);
    assert!(!Path::new("-").exists());
}

/// How long a file plays is what the progress counts to: not the hours before it.
#[test]
fn the_length_of_a_part_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let hours = film(&folder, "hours.mkv", &format!("{FILM} -output_ts_offset 7200"));
    let mut stream: Stream = replay(&file(&hours));
    assert!(matches!(stream.next(Duration::from_secs(30)).unwrap(), Next::Frame(_)));
    let length = stream.duration().unwrap();
    assert!(length.abs_diff(Duration::from_secs(6)) < Duration::from_millis(200), "{length:?}");
    drop(stream);
    let timing = Timing::Simulated(Timestamp::EPOCH);
    assert!(Stream::open(Name::new("test").unwrap(), &file(&hours), timing).is_ok());
}

/// HLS whose segments are fragmented MP4, joined while it goes on: its times are those of a stream that has been running.
#[test]
fn a_playlist_of_fragmented_mp4_has_no_time_jumps() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().to_owned();
    let source =
        "-f lavfi -i testsrc=s=160x120:r=10 -t 60 -c:v libx264 -preset ultrafast -g 10 -pix_fmt yuv420p";
    let hls = format!(
        "-f hls -hls_time 1 -hls_list_size 0 -hls_segment_type fmp4 -hls_fmp4_init_filename init.mp4 \
         -hls_segment_filename {}/%d.m4s",
        at.display()
    );
    ffmpeg(&format!("{source} {hls}"), &at.join("all.m3u8"));
    let begun = Instant::now();
    let server = Server::start(move |head, _, stream| {
        let path = head.split(' ').nth(1).unwrap_or_default().trim_start_matches('/').to_owned();
        let body = if path == "live.m3u8" {
            // Three segments of a second, the first of which was made ten seconds before the camera came.
            let first = 10 + begun.elapsed().as_secs();
            let segments: String = (first..first + 3).map(|n| format!("#EXTINF:1.0,\n{n}.m4s\n")).collect();
            format!(
                "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
                 #EXT-X-MAP:URI=\"init.mp4\"\n{segments}"
            )
            .into_bytes()
        } else {
            fs::read(at.join(path))?
        };
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
        stream.write_all(&body)
    });
    let camera = Watched::of(&format!("http://127.0.0.1:{}/live.m3u8", server.port));
    camera.frames(60, "frames of the playlist", |_| true);
    assert_eq!(camera.faults().time_jumps, 0, "{:?}", camera.faults());
    camera.was_never_lost();
}
