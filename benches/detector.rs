//! How long one frame takes in the detector, and where: `cargo bench --bench detector [-- <package folder>]`.
//!
//! A 768x576 I420 picture of noise, the medians of many runs, one thread.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use spotter::detect::Detector;
use spotter::frame::{Colorimetry, ColourMatrix, Image, PixelFormat, Region};
use spotter::model::{InputTensor, Package, Runtime, SessionOptions};

const RUNS: usize = 60;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("models/centernet-mobilenetv3-coco");
    // Cargo passes `--bench`.
    let folder =
        std::env::args().skip(1).find(|arg| !arg.starts_with("--")).map_or_else(default, PathBuf::from);
    let package = Package::open(&folder)?;
    let runtime = Runtime::load(None)?;
    let options = SessionOptions::on_cpu(1);
    let image = noise(768, 576)?;

    let mut tensor = InputTensor::new(&package.detect()?.input);
    let preprocess = median(|| {
        tensor.fill(&image, Region::whole(&image));
        Ok(())
    })?;
    let mut session = package.session(&runtime, &options)?;
    let inference = median(|| Ok(session.run(tensor.view()).map(drop)?))?;
    let mut detector = Detector::open(&package, &runtime, &options)?;
    let all = median(|| Ok(detector.detect(&image).map(drop)?))?;

    println!("{} on ONNX Runtime {}", package.reference().name, runtime.version());
    println!("  preprocess {preprocess:>10.2?}");
    println!("  inference  {inference:>10.2?}");
    println!(
        "  decode     {:>10.2?} (what is left of the whole)",
        all.saturating_sub(preprocess + inference)
    );
    println!("  whole      {all:>10.2?}");
    Ok(())
}

fn median(
    mut run: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut times = Vec::with_capacity(RUNS);
    run()?;
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[RUNS / 2])
}

/// The same noise every time.
fn noise(width: u32, height: u32) -> Result<Image, Box<dyn std::error::Error>> {
    let mut state = 1u32;
    let mut plane = |length: u32| -> Vec<u8> {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..length).map(|_| next()).collect()
    };
    let planes = vec![plane(width * height), plane(width * height / 4), plane(width * height / 4)];
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: false };
    let strides = [width, width / 2, width / 2].map(|stride| stride as usize);
    Ok(Image::new(PixelFormat::I420, (width, height), colorimetry, strides, Arc::new(planes))?)
}
