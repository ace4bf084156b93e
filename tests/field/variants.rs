//! HLS with several variants, and transport streams whose programme changes.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::pipeline::Pipeline;
use crate::watched::{PATIENCE, Watched};
use crate::web::Web;

const ENCODER: &str = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! h264parse";

/// What a file server of HLS says of a file.
fn serve(folder: &Path) -> Web {
    let folder = folder.to_path_buf();
    Web::start(move |path, _, stream| {
        let kind = if path.ends_with(".m3u8") { "application/vnd.apple.mpegurl" } else { "video/mp2t" };
        let (status, bytes) = match std::fs::read(folder.join(path.trim_start_matches('/'))) {
            Ok(bytes) => ("200 OK", bytes),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        write!(
            stream,
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            bytes.len()
        )?;
        stream.write_all(&bytes)
    })
}

/// Live variants of these widths in a folder, with a list of them in this order, and what makes them.
fn live_variants(folder: &TempDir, widths: &[u32]) -> Vec<Pipeline> {
    let at = |name: String| folder.path().join(name);
    let mut list = "#EXTM3U\n#EXT-X-VERSION:3\n".to_owned();
    let mut cameras = Vec::new();
    for width in widths {
        let height = width * 3 / 4;
        list += &format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={},RESOLUTION={width}x{height}\n{width}.m3u8\n",
            u64::from(*width) * 1000
        );
        cameras.push(Pipeline::start(&format!(
            "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},framerate=10/1 ! \
             {ENCODER} ! hlssink2 target-duration=1 playlist-length=6 max-files=30 location={} playlist-location={}",
            at(format!("{width}-%05d.ts")).display(),
            at(format!("{width}.m3u8")).display(),
        )));
    }
    std::fs::write(at("master.m3u8".to_owned()), list).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let segments = |width: &u32| {
        let list = std::fs::read_to_string(at(format!("{width}.m3u8")));
        list.map_or(0, |list| list.matches(".ts").count())
    };
    while widths.iter().any(|width| segments(width) < 4) {
        assert!(Instant::now() < deadline, "no segments come");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    cameras
}

#[test]
fn hls_plays_the_variant_that_is_wanted_whatever_is_listed_first() {
    let folder = TempDir::new().unwrap();
    let _cameras = live_variants(&folder, &[96, 240, 160]);
    let web = serve(folder.path());
    let source = format!("source = \"http://127.0.0.1:{}/master.m3u8\"", web.port);
    std::thread::scope(|scope| {
        for (keys, width) in [("", 240), ("\nmax_width = 200", 160), ("\nmax_width = 64", 96)] {
            let keys = format!("{source}{keys}");
            scope.spawn(move || {
                let watched = Watched::start(&keys);
                // More than what was there in the beginning.
                watched.frames(40, "pictures", |shot| shot.size.0 == width);
                watched.was_never_lost();
                let given = watched.given.0.lock().unwrap();
                assert!(given.shots.iter().all(|shot| shot.size.0 == width), "{keys}: {:?}", given.shots);
            });
        }
    });
}

/// So many seconds of a programme: its number, the stream's, and what encodes it.
fn programme(folder: &TempDir, number: u32, pid: u32, width: u32, encoder: &str) -> Vec<u8> {
    let file = folder.path().join(format!("{number}-{pid}-{width}.ts"));
    Pipeline::start(&format!(
        "mpegtsmux name=m prog-map=\"program_map,sink_{pid}=(int){number},sink_1000=(int){number}\" ! filesink location={} \
         audiotestsrc num-buffers=130 ! audio/x-raw,rate=44100 ! avenc_aac ! aacparse ! m.sink_1000 \
         videotestsrc num-buffers=75 pattern=ball ! \
         video/x-raw,format=I420,width={width},height={},framerate=25/1 ! {encoder} ! m.sink_{pid}",
        file.display(),
        width * 3 / 4,
    ))
    .play_out();
    std::fs::read(file).unwrap()
}

/// Sound comes first, the programme changes, then its codec, then it goes back.
#[test]
fn a_transport_stream_changes_its_programme_and_codec() {
    let folder = TempDir::new().unwrap();
    let h265 = "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! h265parse";
    let parts = [
        programme(&folder, 1, 256, 160, ENCODER),
        programme(&folder, 2, 512, 320, ENCODER),
        programme(&folder, 3, 768, 240, h265),
        programme(&folder, 1, 256, 160, ENCODER),
    ];
    let web = Web::start(move |_, _, stream| {
        write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")?;
        for part in parts.iter().cycle() {
            // At its own pace: 30 pieces in 3 s.
            for piece in part.chunks(part.len().div_ceil(30).next_multiple_of(188)) {
                stream.write_all(piece)?;
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    });
    let watched = Watched::of(&format!("http://127.0.0.1:{}/cam", web.port));
    for width in [160, 320, 240, 160] {
        watched.frames(5, &format!("pictures {width} wide"), |shot| shot.size.0 == width);
    }
    watched.was_never_lost();
}

/// The wanted one of two videos in one stream, wherever it stands.
#[test]
fn of_two_videos_the_wanted_one_is_taken() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("two.mkv");
    let video = |width: u32| {
        format!(
            "videotestsrc num-buffers=50 ! video/x-raw,format=I420,width={width},height={},framerate=10/1 ! {ENCODER} ! m.",
            width * 3 / 4
        )
    };
    Pipeline::start(&format!(
        "matroskamux name=m ! filesink location={} audiotestsrc num-buffers=200 ! avenc_aac ! m. {} {}",
        file.display(),
        video(160),
        video(320)
    ))
    .play_out();
    for (keys, width) in [("", 320), ("\nmax_width = 200", 160)] {
        let watched = Watched::start(&format!("source = \"{}\"\nloop = true{keys}", file.display()));
        watched.frames(3, "pictures", |shot| shot.size.0 == width);
    }
}

#[test]
fn a_stream_without_video_is_said_to_have_none() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("sound.ts");
    Pipeline::start(&format!(
        "audiotestsrc num-buffers=200 ! avenc_aac ! aacparse ! mpegtsmux ! filesink location={}",
        file.display()
    ))
    .play_out();
    let bytes = std::fs::read(&file).unwrap();
    let web = Web::start(move |_, _, stream| {
        write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")?;
        loop {
            stream.write_all(&bytes)?;
            std::thread::sleep(Duration::from_secs(4));
        }
    });
    let reason = Watched::of(&format!("http://127.0.0.1:{}/cam", web.port)).offline();
    assert!(reason.ends_with("there is no video in it"), "{reason}");
}
