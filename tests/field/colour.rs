//! Full range, colour boxes and pixels that are not square.

use std::fs;
use std::path::Path;

use spotter::config::{Capture, Config, Source};

use crate::films::{ffmpeg, file, frames, pixel};
use crate::footage;
use crate::program::spotter;

/// On the left a grey of 190, on the right a red that each matrix writes in its own way.
const FILTER: &str = "drawbox=x=iw/2:y=0:w=iw/2:h=ih:color=0xc83232:t=fill";
const COLOURS: [(f32, [u8; 3]); 2] = [(0.25, [190, 190, 190]), (0.75, [200, 50, 50])];

/// Encoders' arguments after the filter, each for files of these names.
fn encodings() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |name: &str, size: &str, range: &str, matrix: &str, format: &str, rest: &str| {
        let filter = format!("scale=out_range={range}:out_color_matrix={matrix},format={format}");
        all.push((name.to_owned(), format!("{size} -vf format=gbrp,{FILTER},{filter} {rest}")));
    };
    let pc = "-c:v libx264 -qp 4 -color_range pc";
    // A range without a matrix, as cheap cameras have it: in the stream alone, and in a container.
    for ending in ["mp4", "mkv", "ts", "h264"] {
        add(&format!("full.{ending}"), "320x240", "full", "bt601", "yuvj420p", pc);
    }
    add("full_hd.mp4", "1280x720", "full", "bt709", "yuvj420p", pc);
    add("full_422.mp4", "320x240", "full", "bt601", "yuvj422p", pc);
    add("full_444.mp4", "320x240", "full", "bt601", "yuvj444p", pc);
    add(
        "full_265.mp4",
        "320x240",
        "full",
        "bt601",
        "yuvj420p",
        "-c:v libx265 -x265-params log-level=none:qp=4 -color_range pc",
    );
    // A box `colr` as well: of the standards' matrices, and one without a matrix.
    for matrix in ["bt709", "smpte170m", "smpte240m"] {
        let scaled = if matrix == "smpte170m" { "bt601" } else { matrix };
        let colours = "-color_primaries bt709 -color_trc bt709 -movflags write_colr";
        for (range, given) in [("full", "pc"), ("limited", "tv")] {
            let format = if range == "full" { "yuvj420p" } else { "yuv420p" };
            let rest = format!("-c:v libx264 -qp 4 -color_range {given} -colorspace {matrix} {colours}");
            add(&format!("colr_{matrix}_{range}.mp4"), "320x240", range, scaled, format, &rest);
            add(&format!("colr_{matrix}_{range}.mov"), "320x240", range, scaled, format, &rest);
        }
    }
    let wide = "-c:v libx264 -qp 4 -color_range tv -colorspace bt2020nc -color_primaries bt2020 -color_trc bt2020-10";
    add("bt2020.mp4", "320x240", "limited", "bt2020", "yuv420p", wide);
    // Nothing is stated: by the size.
    add("silent_sd.mp4", "320x240", "limited", "bt601", "yuv420p", "-c:v libx264 -qp 4");
    add("silent_hd.mp4", "1280x720", "limited", "bt709", "yuv420p", "-c:v libx264 -qp 4");
    // JPEG always has full range, and BT.601 in any size.
    for (format, size) in [("yuvj420p", "320x240"), ("yuvj422p", "320x240"), ("yuvj420p", "1280x720")] {
        let name = |ending: &str| format!("jpeg_{format}_{size}.{ending}");
        for ending in ["avi", "mov", "mkv"] {
            add(&name(ending), size, "full", "bt601", format, "-c:v mjpeg -q:v 2");
        }
    }
    all
}

/// `yuvj420p` without a matrix, and MP4 with a box `colr`, were read as limited: grey 190 became 204.
#[test]
fn colours_are_those_that_were_filmed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, arguments) in encodings() {
        let path = folder.path().join(&name);
        let (size, rest) = arguments.split_once(' ').unwrap();
        ffmpeg(&format!("-f lavfi -i color=c=0xbebebe:s={size}:r=10 -frames:v 2 {rest}"), &path);
        let frames = frames(&file(&path));
        assert_eq!(frames.len(), 2, "{name}");
        for (x, expected) in COLOURS {
            let found = pixel(&frames[1].image, x, 0.5);
            let far = found.iter().zip(expected).any(|(found, expected)| found.abs_diff(expected) > 4);
            assert!(!far, "{name}: {found:?} for {expected:?}");
        }
    }
}

/// Grey alone: from a sensor in full range, and encoded in limited range unless it says otherwise.
#[test]
fn grey_is_as_bright_as_it_was_filmed() {
    let folder = tempfile::tempdir().unwrap();
    for (name, range, rest) in [
        ("limited.mp4", "limited", "-c:v libx264 -qp 4"),
        ("full.mp4", "full", "-c:v libx264 -qp 4 -color_range pc"),
        ("grey.jpg", "full", "-q:v 2"),
    ] {
        let path = folder.path().join(name);
        let source = "-f lavfi -i color=c=0xbebebe:s=320x240:r=10";
        let frames_wanted = if range == "full" && name.ends_with("jpg") { 1 } else { 3 };
        ffmpeg(
            &format!("{source} -frames:v {frames_wanted} -vf scale=out_range={range},format=gray {rest}"),
            &path,
        );
        for frame in frames(&file(&path)) {
            let found = pixel(&frame.image, 0.5, 0.5);
            assert!(found[0].abs_diff(190) <= 3, "{name}: {found:?} of {:?}", frame.image);
        }
    }
    // A sensor's grey: bytes that nothing has converted.
    let path = folder.path().join("grey.raw");
    fs::write(&path, [190; 2 * 64 * 48]).unwrap();
    let fragment = format!(
        "filesrc location={} blocksize=3072 ! rawvideoparse width=64 height=48 format=gray8 framerate=10/1",
        path.display()
    );
    for frame in frames(&Capture::of(Source::Pipeline { fragment })) {
        assert!(pixel(&frame.image, 0.5, 0.5)[0].abs_diff(190) <= 2, "{:?}", frame.image);
    }
}

/// What a mask covers is black, and not a dark grey, whatever the range.
#[test]
fn masks_are_black_in_each_range() {
    let folder = tempfile::tempdir().unwrap();
    for (range, format, given) in [("full", "yuvj420p", "pc"), ("limited", "yuv420p", "tv")] {
        let path = folder.path().join(format!("{range}.mp4"));
        ffmpeg(
            &format!(
                "-f lavfi -i color=c=0xbebebe:s=320x240:r=10 -frames:v 2 -vf scale=out_range={range},format={format} \
                 -c:v libx264 -color_range {given}"
            ),
            &path,
        );
        let text = format!(
            "[[camera]]\nname = \"a\"\nsource = \"{}\"\n[[camera.mask]]\npolygon = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]\n",
            path.display()
        );
        let config = Config::parse(&text, Path::new("")).unwrap();
        for frame in frames(&config.cameras[0].capture) {
            assert_eq!(pixel(&frame.image, 0.25, 0.5), [0, 0, 0], "{range}");
            assert!(pixel(&frame.image, 0.75, 0.5)[1].abs_diff(190) <= 3, "{range}");
        }
    }
}

/// 2CIF, 4CIF at 16:11 and other pixels that are not square: the picture is as wide as the scene.
#[test]
fn pixels_that_are_not_square_are_shown_square() {
    let folder = tempfile::tempdir().unwrap();
    for (size, sar, shown) in [
        ("704x576", "16/11", (1024, 576)),
        ("704x576", "12/11", (768, 576)),
        ("704x288", "6/11", (704, 528)),
        ("352x576", "24/11", (768, 576)),
        ("720x576", "1/1", (720, 576)),
        ("1440x1080", "4/3", (1920, 1080)),
    ] {
        for ending in ["mp4", "mkv", "ts"] {
            let path = folder.path().join(format!("film.{ending}"));
            let filter = format!("-vf setsar={sar}");
            let source = format!("-f lavfi -i color=c=gray:s={size}:r=10");
            ffmpeg(&format!("{source} -frames:v 2 {filter} -c:v libx264 -pix_fmt yuv420p"), &path);
            for frame in frames(&file(&path)) {
                assert_eq!((frame.image.width(), frame.image.height()), shown, "{size} {sar} {ending}");
            }
            // On its side it is as high as the scene is wide.
            let text = format!("[[camera]]\nname = \"a\"\nsource = \"{}\"\nrotate = 90\n", path.display());
            let config = Config::parse(&text, Path::new("")).unwrap();
            for frame in frames(&config.cameras[0].capture) {
                assert_eq!(
                    (frame.image.height(), frame.image.width()),
                    shown,
                    "{size} {sar} {ending} turned"
                );
            }
        }
    }
}

/// `replay --picture` draws a picture that is as wide as the scene.
#[test]
fn a_picture_for_people_has_square_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let (film, picture) = (folder.path().join("film.mp4"), folder.path().join("picture.png"));
    let source = "-f lavfi -i color=c=gray:s=704x576:r=10 -frames:v 2 -vf setsar=16/11";
    ffmpeg(&format!("{source} -c:v libx264 -pix_fmt yuv420p"), &film);
    let paths = [&film, &picture].map(|path| path.to_str().unwrap());
    let ended = spotter(["replay", paths[0], "--picture", paths[1], "--no-activities"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let drawn = image::load_from_memory(&fs::read(&picture).unwrap()).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (1024, 576));
}

/// Number of boxes, and their mean width and height in pixels.
fn boxes(film: &Path) -> (usize, f64, f64) {
    let tracks = film.with_extension("txt");
    let paths = [film, &tracks].map(|path| path.to_str().unwrap());
    let ended = spotter(["replay", paths[0], "--tracks", paths[1], "--no-activities"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let rows = fs::read_to_string(tracks).unwrap();
    let sides = rows.lines().map(|row| {
        let side = |field: usize| row.split(',').nth(field).unwrap().parse::<f64>().unwrap();
        (side(4), side(5))
    });
    let (count, width, height) =
        sides.fold((0, 0.0, 0.0), |(count, width, height), (w, h)| (count + 1, width + w, height + h));
    (count, width / count as f64, height / count as f64)
}

/// A detector sees people as wide as they are, and tracks have the scene's pixels, of which speeds are made.
#[test]
fn people_are_as_wide_as_they_are_whatever_the_pixels() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let film = |name: &str, filter: &str| {
        let path = folder.path().join(name);
        let vtest = vtest.display();
        ffmpeg(&format!("-i {vtest} -frames:v 20 {filter} -c:v libx264 -preset ultrafast -qp 16"), &path);
        boxes(&path)
    };
    let square = film("square.mp4", "");
    let narrow = film("narrow.mp4", "-vf scale=384:576,setsar=2/1");
    let flat = film("flat.mp4", "-vf scale=768:288,setsar=1/2");
    println!("square {square:?}, narrow {narrow:?}, flat {flat:?}");
    assert!(square.0 > 30, "{square:?}");
    for other in [narrow, flat] {
        assert!(other.0.abs_diff(square.0) <= square.0 / 5, "{other:?} for {square:?}");
        for (found, expected) in [(other.1, square.1), (other.2, square.2)] {
            assert!((found / expected - 1.0).abs() < 0.1, "{other:?} for {square:?}");
        }
    }
}
