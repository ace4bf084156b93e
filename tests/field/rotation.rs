//! Pictures that are to be turned.

use std::fs;
use std::path::{Path, PathBuf};

use spotter::config::{Capture, Config, Source};
use spotter::frame::{Frame, Image};

use crate::films::{ffmpeg, file, frames, pixel};
use crate::footage;
use crate::program::spotter;

/// A picture of 128x96 whose upper left quarter is white and whose upper right one is grey.
const QUARTERS: &str = "-f lavfi -i color=c=black:s=128x96:r=10,\
                        drawbox=x=0:y=0:w=64:h=48:color=white:t=fill,\
                        drawbox=x=64:y=0:w=64:h=48:color=gray:t=fill";

/// For each of Exif's numbers the matrix a, b, c, d of a track in an MP4 file (ISO/IEC 14496-12, 8.3.2), and where the
/// quarters are shown: upper left, upper right, lower left, lower right; white, grey and black.
const WAYS: [(u16, [i32; 4], &str); 8] = [
    (1, [1, 0, 0, 1], "wgbb"),
    (2, [-1, 0, 0, 1], "gwbb"),
    (3, [-1, 0, 0, -1], "bbgw"),
    (4, [1, 0, 0, -1], "bbwg"),
    (5, [0, 1, 1, 0], "wbgb"),
    (6, [0, 1, -1, 0], "bwbg"),
    (7, [0, -1, -1, 0], "bgbw"),
    (8, [0, -1, 1, 0], "gbwb"),
];

fn quarters(image: &Image) -> String {
    [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]
        .iter()
        .map(|&(x, y)| match pixel(image, x, y)[1] {
            0..60 => 'b',
            60..190 => 'g',
            190.. => 'w',
        })
        .collect()
}

/// Writes the matrix into each track header of an MP4 file.
fn set_matrix(path: &Path, [a, b, c, d]: [i32; 4]) {
    let mut bytes = fs::read(path).unwrap();
    let headers: Vec<usize> = (0..bytes.len() - 4).filter(|&at| &bytes[at..at + 4] == b"tkhd").collect();
    assert!(!headers.is_empty(), "{} has no track", path.display());
    for header in headers {
        // Version 1 has three times of 8 bytes instead of 4.
        let at = header + 44 + if bytes[header + 4] == 1 { 12 } else { 0 };
        let matrix = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30];
        bytes[at..at + 36].copy_from_slice(&matrix.map(i32::to_be_bytes).concat());
    }
    fs::write(path, bytes).unwrap();
}

/// Films of the quarters, with each matrix.
fn films(folder: &Path, ending: &str) -> Vec<(PathBuf, u16, &'static str)> {
    let upright = folder.join(format!("upright.{ending}"));
    ffmpeg(&format!("{QUARTERS} -frames:v 5 -c:v libx264 -pix_fmt yuv420p"), &upright);
    WAYS.iter()
        .map(|&(number, matrix, shown)| {
            let film = folder.join(format!("{number}.{ending}"));
            fs::copy(&upright, &film).unwrap();
            set_matrix(&film, matrix);
            (film, number, shown)
        })
        .collect()
}

fn size(frame: &Frame) -> (u32, u32) {
    (frame.image.width(), frame.image.height())
}

/// Phones store pictures as their sensor lies, and a matrix beside them.
#[test]
fn a_display_matrix_is_honoured() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["mp4", "mov"] {
        for (film, number, shown) in films(folder.path(), ending) {
            let frames = frames(&file(&film));
            assert_eq!(frames.len(), 5, "{ending} {number}");
            for frame in &frames {
                assert_eq!(quarters(&frame.image), shown, "{ending} {number}");
                assert_eq!(size(frame), if number < 5 { (128, 96) } else { (96, 128) }, "{ending} {number}");
            }
        }
    }
}

#[test]
fn a_jpeg_is_shown_as_its_exif_part_says() {
    let folder = tempfile::tempdir().unwrap();
    let upright = folder.path().join("upright.jpg");
    ffmpeg(&format!("{QUARTERS} -frames:v 1"), &upright);
    let jpeg = fs::read(upright).unwrap();
    for (number, _, shown) in WAYS {
        let path = folder.path().join("turned.jpg");
        fs::write(&path, with_exif(&jpeg, number)).unwrap();
        let frames = frames(&file(&path));
        assert_eq!(
            frames.iter().map(|frame| quarters(&frame.image)).collect::<Vec<_>>(),
            [shown],
            "{number}"
        );
    }
}

/// `jpeg` with an Exif part that states this orientation.
pub fn with_exif(jpeg: &[u8], number: u16) -> Vec<u8> {
    let mut part = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    part.extend(number.to_be_bytes());
    part.extend([0; 6]);
    let length = (part.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &part, &jpeg[2..]].concat()
}

/// The orientation of what is played may change while it plays.
#[test]
fn one_film_after_the_other_is_turned_its_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let films = films(folder.path(), "mp4");
    let branch =
        |film: &Path| format!("filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! c.", film.display());
    let (first, second) = (branch(&films[5].0), branch(&films[0].0));
    let fragment = format!("concat name=c {first} {second} c.");
    let shown: Vec<String> = frames(&Capture::of(Source::Pipeline { fragment }))
        .iter()
        .map(|frame| quarters(&frame.image))
        .collect();
    assert_eq!(shown, ["bwbg", "bwbg", "bwbg", "bwbg", "bwbg", "wgbb", "wgbb", "wgbb", "wgbb", "wgbb"]);
}

/// A camera on its side, or one that looks into a mirror: `rotate`, then `flip`, after what the file says itself.
#[test]
fn a_camera_is_turned_as_its_keys_say() {
    let folder = tempfile::tempdir().unwrap();
    let films = films(folder.path(), "mp4");
    let (upright, clockwise) = (&films[0].0, &films[5].0);
    for (film, keys, shown) in [
        (upright, "", "wgbb"),
        (upright, "rotate = 0\nflip = \"none\"", "wgbb"),
        (upright, "rotate = 90", "bwbg"),
        (upright, "rotate = 180", "bbgw"),
        (upright, "rotate = 270", "gbwb"),
        (upright, "flip = \"horizontal\"", "gwbb"),
        (upright, "flip = \"vertical\"", "bbwg"),
        (upright, "rotate = 90\nflip = \"horizontal\"", "wbgb"),
        (clockwise, "rotate = 270", "wgbb"),
        (clockwise, "rotate = 90", "bbgw"),
        (clockwise, "flip = \"vertical\"", "bgbw"),
        // The mask lies where the picture is shown.
        (upright, "rotate = 90\n[[camera.mask]]\npolygon = [[0.5, 0], [1, 0], [1, 0.4], [0.5, 0.4]]", "bbbg"),
    ] {
        let text = format!("[[camera]]\nname = \"a\"\nsource = \"{}\"\n{keys}\n", film.display());
        let config = Config::parse(&text, Path::new("")).unwrap();
        let frames = frames(&config.cameras[0].capture);
        assert_eq!(frames.len(), 5);
        for frame in frames {
            assert_eq!(quarters(&frame.image), shown, "{keys}");
            let jpeg = spotter::picture::jpeg(&frame, 90).unwrap();
            let decoded = image::load_from_memory(&jpeg).unwrap();
            assert_eq!((decoded.width(), decoded.height()), size(&frame), "{keys}");
        }
    }
    let wrong = "[[camera]]\nname = \"a\"\nsource = \"a\"\nrotate = 45\nflip = \"left\"\n";
    let error = Config::parse(wrong, Path::new("")).unwrap_err().to_string();
    assert_eq!(
        error,
        "line 4: camera[1].rotate is 45; allowed: 0, 90, 180, 270\n\
         line 5: camera[1].flip is \"left\"; allowed: \"none\", \"horizontal\", \"vertical\""
    );
}

/// Rows of `--tracks` that a replay of `film` writes.
fn rows(film: &Path, options: &[&str]) -> usize {
    let tracks = film.with_extension("txt");
    let paths = [film, &tracks].map(|path| path.to_str().unwrap());
    let arguments = [&["replay", paths[0], "--tracks", paths[1], "--no-activities"], options].concat();
    let ended = spotter(arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    fs::read_to_string(tracks).unwrap().lines().count()
}

/// 8 birds and no person: what a detector sees in people who lie on their side.
#[test]
fn people_are_seen_in_a_film_that_lies_on_its_side() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let film = |name: &str, filter: &str| {
        let path = folder.path().join(name);
        let vtest = vtest.display();
        ffmpeg(&format!("-i {vtest} -frames:v 25 {filter} -c:v libx264 -preset ultrafast -qp 20"), &path);
        path
    };
    let upright = rows(&film("upright.mp4", ""), &[]);
    let aside = film("aside.mp4", "-vf transpose=2");
    let lying = rows(&aside, &[]);
    let config = folder.path().join("config.toml");
    fs::write(&config, "[[camera]]\nname = \"a\"\nsource = \"aside.mp4\"\nrotate = 90\n").unwrap();
    let turned = rows(&aside, &["--config", config.to_str().unwrap()]);
    set_matrix(&aside, WAYS[5].1);
    let stated = rows(&aside, &[]);
    println!(
        "rows: upright {upright}, on its side {lying}, turned by rotate {turned}, by its matrix {stated}"
    );
    assert!(upright > 40, "{upright}");
    assert_eq!(turned, stated);
    assert!(turned.abs_diff(upright) <= upright / 5, "{turned} rows, {upright} upright");
    assert!(lying < upright / 2, "the film shows nothing: {lying} rows, {upright} upright");
}

/// A zone in each quarter of the picture, and upright lines.
const GROUND: &str = "[[camera.zone]]\nname = \"nw\"\npolygon = [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]\n\
    [[camera.zone]]\nname = \"ne\"\npolygon = [[0.5, 0], [1, 0], [1, 0.5], [0.5, 0.5]]\n\
    [[camera.zone]]\nname = \"sw\"\npolygon = [[0, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]\n\
    [[camera.zone]]\nname = \"se\"\npolygon = [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1]]\n\
    [[camera.line]]\nname = \"a\"\nfrom = [0.2, 0]\nto = [0.2, 1]\n\
    [[camera.line]]\nname = \"b\"\nfrom = [0.4, 0]\nto = [0.4, 1]\n\
    [[camera.line]]\nname = \"c\"\nfrom = [0.6, 0]\nto = [0.6, 1]\n\
    [[camera.line]]\nname = \"d\"\nfrom = [0.8, 0]\nto = [0.8, 1]\n";

/// How often each zone was entered, and how often lines were crossed, by a replay of `film` with these keys.
fn counted(film: &Path, keys: &str) -> ([usize; 4], usize) {
    let (config, tags) = (film.with_extension("toml"), film.with_extension("tags"));
    let text = format!("[[camera]]\nname = \"a\"\nsource = \"{}\"\n{keys}{GROUND}", film.display());
    fs::write(&config, text).unwrap();
    let paths = [film, &config, &tags].map(|path| path.to_str().unwrap());
    let ended = spotter(["replay", paths[0], "--config", paths[1], "--tags", paths[2], "--no-activities"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let tags: Vec<serde_json::Value> =
        fs::read_to_string(tags).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let entered =
        |name: &str| tags.iter().filter(|tag| tag["zone"]["name"] == name && tag["phase"] == "start").count();
    let crossed = tags.iter().filter(|tag| tag["kind"] == "line").count();
    (["nw", "ne", "sw", "se"].map(entered), crossed)
}

/// Zones and lines mean the picture as it is shown.
#[test]
fn zones_and_lines_lie_where_a_turned_picture_shows_them() {
    let Some(vtest) = footage::vtest() else { return };
    let folder = tempfile::tempdir().unwrap();
    let film = |name: &str, filter: &str| {
        let path = folder.path().join(name);
        let vtest = vtest.display();
        ffmpeg(&format!("-i {vtest} -frames:v 30 {filter} -c:v libx264 -preset ultrafast -qp 20"), &path);
        path
    };
    let upright = counted(&film("upright.mp4", ""), "");
    let turned = counted(&film("aside.mp4", "-vf transpose=2"), "rotate = 90\n");
    let mirrored = counted(&film("mirror.mp4", "-vf hflip"), "flip = \"horizontal\"\n");
    println!("upright {upright:?}, turned {turned:?}, mirrored {mirrored:?}");
    // What the codec changes in each way may hide or show one more.
    let is_near = |one: [usize; 4], other: [usize; 4]| one.iter().zip(other).all(|(a, b)| a.abs_diff(b) <= 1);
    for (zones, lines) in [turned, mirrored] {
        assert!(is_near(zones, upright.0), "{zones:?} for {:?}", upright.0);
        assert!(lines.abs_diff(upright.1) <= 1 + upright.1 / 3, "{lines} for {}", upright.1);
    }
    let [nw, ne, sw, se] = upright.0;
    assert!(
        !is_near([sw, nw, se, ne], upright.0) && !is_near([ne, nw, se, sw], upright.0),
        "it shows nothing"
    );
    assert!(upright.1 > 1, "nobody crosses a line");
}
