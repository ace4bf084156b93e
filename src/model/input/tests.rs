//! Where pictures land on a tensor, and with which values.

use std::sync::Arc;

use super::*;
use crate::frame::{Colorimetry, ColourMatrix, PixelFormat};

/// A grey picture whose every pixel is `value`.
fn flat(width: u32, height: u32, value: u8) -> Image {
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    let luma = vec![value; (width * height) as usize];
    Image::new(PixelFormat::Gray8, (width, height), colorimetry, [width as usize, 0, 0], Arc::new(vec![luma]))
        .expect("a picture")
}

/// Red 255, green 100, blue 0 (within the rounding of YUV).
fn orange() -> Image {
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    let planes = [135, 52, 214].map(|value| vec![value; 4]).to_vec();
    Image::new(PixelFormat::Y444, (2, 2), colorimetry, [2; 3], Arc::new(planes)).expect("a picture")
}

fn floats(tensor: &InputTensor) -> &[f32] {
    match tensor.view().elements {
        Elements::F32(values) => values,
        other => panic!("a f32 tensor, found {other:?}"),
    }
}

#[test]
fn letterboxed_pictures_lie_where_the_manifest_says() {
    // Picture, alignment, and the rows and columns (from, to) that it covers of 8 x 8.
    let cases = [
        ((8, 4), Align::Center, (2, 6), (0, 8)),
        ((8, 4), Align::TopLeft, (0, 4), (0, 8)),
        ((4, 16), Align::Center, (0, 8), (3, 5)),
        ((2, 1), Align::Center, (2, 6), (0, 8)),
        ((1000, 1), Align::Center, (3, 4), (0, 8)),
        ((3, 3), Align::Center, (0, 8), (0, 8)),
    ];
    for ((width, height), align, rows, columns) in cases {
        let input = Input { resize: Resize::Letterbox { pad: 7, align }, ..Input::square(8) };
        let mut tensor = InputTensor::new(&input);
        let image = flat(width, height, 200);
        let placement = tensor.fill(&image, Region::whole(&image));
        for (index, &value) in floats(&tensor).iter().enumerate() {
            let (x, y) = (index % 8, index / 8 % 8);
            let inside = (rows.0..rows.1).contains(&y) && (columns.0..columns.1).contains(&x);
            assert_eq!(value, if inside { 200.0 } else { 7.0 }, "{width}x{height} {align:?} at {x},{y}");
        }
        let corners = [columns.0, rows.0, columns.1, rows.1].map(|v| v as f32);
        let whole = placement.to_image(corners);
        assert!((whole.x.abs() + whole.y.abs() + (whole.w - 1.0).abs() + (whole.h - 1.0).abs()) < 1e-6);
    }
}

#[test]
fn padding_is_renewed_when_the_shape_of_the_pictures_changes() {
    let mut tensor = InputTensor::new(&Input::square(4));
    for (width, height) in [(4, 2), (2, 4), (2, 4), (4, 2)] {
        let image = flat(width, height, 50);
        tensor.fill(&image, Region::whole(&image));
        let covered = floats(&tensor).iter().filter(|&&value| value == 50.0).count();
        assert_eq!(covered, 3 * 8, "{width}x{height}");
    }
}

#[test]
fn values_take_the_manifests_range_order_and_layout() {
    let base = Input { resize: Resize::Stretch, ..Input::square(1) };
    let unit = [1.0 / 255.0; 3];
    let cases = [
        (base.clone(), [255.0, 100.0, 0.0]),
        (Input { channels: Channels::Bgr, ..base.clone() }, [0.0, 100.0, 255.0]),
        (Input { scale: unit, ..base.clone() }, [1.0, 100.0 / 255.0, 0.0]),
        (Input { scale: [2.0, 1.0, 1.0], offset: [1.0, -100.0, 5.0], ..base.clone() }, [511.0, 0.0, 5.0]),
        (Input { layout: Layout::Nhwc, ..base.clone() }, [255.0, 100.0, 0.0]),
        (Input { layout: Layout::Nhwc, channels: Channels::Bgr, ..base }, [0.0, 100.0, 255.0]),
    ];
    let image = orange();
    for (input, expected) in cases {
        let mut tensor = InputTensor::new(&input);
        tensor.fill(&image, Region::whole(&image));
        for (found, expected) in floats(&tensor).iter().zip(expected) {
            let tolerance = 1.0 * input.scale[0];
            assert!((found - expected).abs() <= tolerance, "{input:?}: {found} for {expected}");
        }
    }
    let bytes = Input { element: InputType::U8, layout: Layout::Nhwc, ..Input::square(2) };
    let mut tensor = InputTensor::new(&bytes);
    tensor.fill(&image, Region::whole(&image));
    let Elements::U8(values) = tensor.view().elements else { panic!("a u8 tensor") };
    for pixel in values.chunks(3) {
        assert!(pixel[0] >= 254 && pixel[1].abs_diff(100) <= 1 && pixel[2] <= 1, "{pixel:?}");
    }
}

#[test]
fn what_of_a_region_lies_outside_is_padding() {
    // A ramp of 8 x 8: the value of a pixel is 10 times its column and 100 more in the lower half.
    let luma: Vec<u8> = (0..8).flat_map(|y| (0..8).map(move |x| x * 10 + y / 4 * 100)).collect();
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    let image = Image::new(PixelFormat::Gray8, (8, 8), colorimetry, [8, 0, 0], Arc::new(vec![luma]))
        .expect("a picture");
    let region = |x, y, side| Region { x, y, w: side, h: side };
    let pad = 255.0;
    // A region, and two rows of the tensor of 4 x 4: the first and the last.
    let cases = [
        (region(0.0, 0.0, 4.0), [0.0, 10.0, 20.0, 30.0], [0.0, 10.0, 20.0, 30.0]),
        (region(-2.0, 2.0, 4.0), [pad, pad, 0.0, 10.0], [pad, pad, 100.0, 110.0]),
        (region(6.0, -1.0, 4.0), [pad; 4], [60.0, 70.0, pad, pad]),
        (region(5.0, 5.0, 4.0), [150.0, 160.0, 170.0, pad], [pad; 4]),
        // A pixel that is only in part inside is outside.
        (region(-0.5, 0.0, 4.0), [pad, 5.0, 15.0, 25.0], [pad, 5.0, 15.0, 25.0]),
        (region(-8.0, 0.0, 4.0), [pad; 4], [pad; 4]),
        (region(3.0, 3.0, 0.0), [pad; 4], [pad; 4]),
        (region(f64::NAN, 3.0, 4.0), [pad; 4], [pad; 4]),
        (region(0.0, 0.0, f64::INFINITY), [pad; 4], [pad; 4]),
        (region(0.0, 0.0, 4.0), [0.0, 10.0, 20.0, 30.0], [0.0, 10.0, 20.0, 30.0]),
    ];
    let resize = Resize::Letterbox { pad: 255, align: Align::Center };
    let mut tensor = InputTensor::new(&Input { resize, ..Input::square(4) });
    for (region, first, last) in cases {
        let placement = tensor.fill(&image, region);
        let red = &floats(&tensor)[..16];
        assert_eq!((&red[..4], &red[12..]), (&first[..], &last[..]), "{region:?}");
        if region.w == 4.0 && region.x.is_finite() {
            let corner = placement.point(4.0, 0.0);
            assert_eq!((corner.x * 8.0, corner.y * 8.0), ((region.x + 4.0) as f32, region.y as f32));
        }
    }
}

#[test]
fn a_crop_keeps_the_middle() {
    // The value of a pixel is its column.
    let luma: Vec<u8> = (0..4).flat_map(|_| 0..12).collect();
    let colorimetry = Colorimetry { matrix: ColourMatrix::Bt601, full_range: true };
    let image = Image::new(PixelFormat::Gray8, (12, 4), colorimetry, [12, 0, 0], Arc::new(vec![luma]))
        .expect("a picture");
    let mut tensor = InputTensor::new(&Input { resize: Resize::Crop, ..Input::square(4) });
    let placement = tensor.fill(&image, Region::whole(&image));
    assert_eq!(floats(&tensor)[..4], [4.0, 5.0, 6.0, 7.0]);
    assert_eq!(placement.point(0.0, 0.0), Point { x: 4.0 / 12.0, y: 0.0 });
}
