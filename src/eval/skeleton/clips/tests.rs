//! Reading clips: every type that is allowed, and every fault with exactly what is said about it.

use std::io::Write;

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// A file in NumPy's format.
fn npy(dtype: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    raw(&format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"), values)
}

fn raw(header: &str, values: &[u8]) -> Vec<u8> {
    let length = u16::try_from(header.len()).unwrap().to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

fn bytes<T: Copy, const N: usize>(values: &[T], of: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| of(value)).collect()
}

/// Texts in UTF-32, `width` letters each.
fn utf32(texts: &[&str], width: usize) -> Vec<u8> {
    let letters = |text: &&str| -> Vec<u32> {
        text.chars().map(u32::from).chain(std::iter::repeat(0)).take(width).collect()
    };
    bytes(&texts.iter().flat_map(letters).collect::<Vec<u32>>(), u32::to_le_bytes)
}

/// Three frames: x of joint j on frame f is 100 f + j, y is 0.5 more.
fn values() -> Vec<f32> {
    let joint = |n: usize| (100 * (n / JOINTS) + n % JOINTS) as f32;
    (0..3 * JOINTS).flat_map(|n| [joint(n), joint(n) + 0.5]).collect()
}

fn pose() -> Vec<u8> {
    npy("<f4", "(3, 15, 2)", &bytes(&values(), f32::to_le_bytes))
}

fn offset() -> Vec<u8> {
    npy("<i4", "(3,)", &bytes(&[0, 1, 3], i32::to_le_bytes))
}

fn label() -> Vec<u8> {
    npy("<U4", "(2,)", &utf32(&["walk", "sit"], 4))
}

#[test]
fn numbers_of_every_allowed_type_give_the_same_clips() {
    let expected = clips(&pose(), &offset(), &label()).unwrap();
    let shown: Vec<(&str, usize)> =
        expected.iter().map(|clip| (clip.label.as_str(), clip.bodies.len())).collect();
    assert_eq!(shown, [("walk", 1), ("sit", 2)]);
    // Nose, left shoulder and right ankle on the last frame.
    let last = expected[1].bodies[1];
    let places = [0, 1, 12].map(|joint| (last[joint].x, last[joint].y));
    assert_eq!(places, [(202.0, 202.5), (204.0, 204.5), (213.0, 213.5)]);

    let wide: Vec<f64> = values().into_iter().map(f64::from).collect();
    let poses = [
        npy("<f8", "(3, 15, 2)", &bytes(&wide, f64::to_le_bytes)),
        npy(">f4", "(3,15,2)", &bytes(&values(), f32::to_be_bytes)),
        raw(
            "{\"shape\": 0, 'shape': ( 3 , 15 , 2 ), 'descr': '<f4', 'fortran_order': False}",
            &bytes(&values(), f32::to_le_bytes),
        ),
    ];
    for pose in poses {
        assert_eq!(clips(&pose, &offset(), &label()), Ok(expected.clone()));
    }
    let offset = npy("<i8", "(3,)", &bytes(&[0, 1, 3], i64::to_le_bytes));
    let label = npy("<U9", "(2,)", &utf32(&["walk", "sit"], 9));
    assert_eq!(clips(&pose(), &offset, &label), Ok(expected));
}

#[test]
fn every_fault_is_named() {
    let floats = |shape: &str, count: usize| npy("<f4", shape, &vec![0; 4 * count]);
    let mut damaged = values();
    damaged[2 * JOINTS + 2 * 6 + 1] = f32::NAN;
    let mut endless = values();
    endless[0] = f32::INFINITY;
    let poses = [
        Vec::new(),
        b"\x93NUMPY\x01\x00\xff\xff{".to_vec(),
        b"\x93NUMPY\x09\x00\x01\x00{".to_vec(),
        raw("no dictionary", &[]),
        raw("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (1,)}", &[0; 4]),
        raw("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", &[0; 4]),
        raw("{'descr': '<f4', 'fortran_order': True, 'shape': (3, 15, 2)}", &[0; 360]),
        floats("(3, 15, 2)", 89),
        floats("(18446744073709551615, 15, 2)", 90),
        npy("|O", "(3, 15, 2)", &[0; 90]),
        npy("", "(3, 15, 2)", &[0; 90]),
        npy("<U9223372036854775807", "(3, 15, 2)", &[0; 90]),
        npy("<f2", "(3, 15, 2)", &[0; 180]),
        npy("<i4", "(3, 15, 2)", &[0; 360]),
        floats("(3, 17, 2)", 102),
        floats("(90,)", 90),
        npy("<f4", "(3, 15, 2)", &bytes(&damaged, f32::to_le_bytes)),
        npy("<f4", "(3, 15, 2)", &bytes(&endless, f32::to_le_bytes)),
    ];
    let integers = |shape: &str, values: &[i32]| npy("<i4", shape, &bytes(values, i32::to_le_bytes));
    let offsets = [
        integers("(2,)", &[0, 3]),
        integers("(3, 1)", &[0, 1, 3]),
        integers("(3,)", &[0, -1, 3]),
        integers("(3,)", &[0, 0, 3]),
        integers("(3,)", &[0, 4, 3]),
        integers("(3,)", &[1, 2, 3]),
        integers("(3,)", &[0, 1, 4]),
        npy("<f4", "(3,)", &[0; 12]),
    ];
    let labels = [
        npy("<U4", "(0,)", &[]),
        npy("<U0", "(2,)", &[]),
        npy("<U4", "(2,)", &utf32(&["walk", ""], 4)),
        npy("<U4", "(2, 1)", &utf32(&["walk", "sit"], 4)),
        npy("|S4", "(2,)", b"walksit\0"),
    ];
    let mut told: Vec<Fault> = Vec::new();
    told.extend(poses.iter().map(|pose| clips(pose, &offset(), &label()).unwrap_err()));
    told.extend(offsets.iter().map(|offset| clips(&pose(), offset, &label()).unwrap_err()));
    told.extend(labels.iter().map(|label| clips(&pose(), &offset(), label).unwrap_err()));
    let told: Vec<String> = told.into_iter().map(|(array, fault)| format!("{array} {fault}")).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    pose is not in NumPy's format
    pose is not in NumPy's format
    pose is not in NumPy's format
    pose has a header without descr
    pose has a structured dtype; it must be plain
    pose has a header without a shape
    pose is stored column by column; save numpy.ascontiguousarray of it
    pose is damaged: `<f4` values of 4 bytes in the shape [3, 15, 2] are not the 356 bytes that follow
    pose is damaged: `<f4` values of 4 bytes in the shape [18446744073709551615, 15, 2] are not the 360 bytes that follow
    pose has the dtype `|O`, which is none of numbers or texts
    pose has the dtype ``, which is none of numbers or texts
    pose has the dtype `<U9223372036854775807`, which is none of numbers or texts
    pose has the dtype `<f2`; it must be f32 or f64
    pose has the dtype `<i4`; it must be f32 or f64
    pose has the shape [3, 17, 2]; it must be [frames, 15, 2]
    pose has the shape [90]; it must be [frames, 15, 2]
    pose holds no number for joint 6 on frame 0 of clip 1
    pose holds no number for joint 0 on frame 0 of clip 0
    offset has the shape [2]; with 2 labels it must be [3]
    offset has the shape [3, 1]; with 2 labels it must be [3]
    offset holds a negative number
    offset gives clip 0 no frame: 0 follows 0
    offset gives clip 1 no frame: 3 follows 4
    offset goes from 1 to 3; `pose` has the frames from 0 to 3
    offset goes from 0 to 4; `pose` has the frames from 0 to 3
    offset has the dtype `<f4`; it must be i32 or i64
    label is empty: there is no clip
    label has the dtype `<U0`; it must be texts (<U...)
    label holds an empty text for clip 1
    label has the shape [2, 1]; it must be [clips]
    label has the dtype `|S4`; it must be texts (<U...)
    ");
}

#[test]
fn a_file_that_is_no_archive_of_them_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clips.npz");
    let told = || {
        let said = read(&path).err().map_or("nothing".to_owned(), |error| error.to_string());
        said.replace(&folder.path().display().to_string(), "<folder>")
    };
    let archive = |arrays: &[(&str, Vec<u8>)]| {
        let mut archive = ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in arrays {
            archive.start_file(*name, SimpleFileOptions::default()).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap();
    };
    let mut all = vec![told()];
    std::fs::write(&path, "").unwrap();
    all.push(told());
    std::fs::write(&path, pose()).unwrap();
    all.push(told());
    archive(&[("pose.npy", pose()), ("offset.npy", offset())]);
    all.push(told());
    archive(&[("pose.npy", pose()), ("offset.npy", offset()), ("label.npy", label())]);
    all.push(told());
    let mut whole = std::fs::read(&path).unwrap();
    // In the packed bytes of the first array.
    whole[60] ^= 0xff;
    std::fs::write(&path, &whole).unwrap();
    all.push(told());
    insta::assert_snapshot!(all.join("\n"), @"
    cannot read <folder>/clips.npz: No such file or directory (os error 2)
    <folder>/clips.npz is no npz file: invalid Zip archive: Could not find EOCD
    <folder>/clips.npz is no npz file: invalid Zip archive: Could not find EOCD
    <folder>/clips.npz: the array `label` is missing
    nothing
    <folder>/clips.npz: the array `pose` cannot be unpacked: corrupt deflate stream
    ");
}
