//! Elements of tensors on the wire, and whether there are as many as their shape says.
//!
//! Called by the two protocols. Raw elements are little-endian and row-major.

use bytes::Bytes;

use super::error::Fault;
use super::{Elements, Output, OwnedValues};

/// The elements of an input as raw bytes.
pub(super) fn raw_elements(elements: &Elements<'_>) -> Bytes {
    match elements {
        Elements::F32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        Elements::U8(values) => Bytes::copy_from_slice(values),
        Elements::I32(values) => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

/// Name, type and shape of an output, before its elements are read.
pub(super) struct Header {
    pub(super) name: String,
    pub(super) datatype: String,
    pub(super) shape: Vec<i64>,
}

impl Header {
    /// How many elements the shape takes.
    pub(super) fn count(&self) -> Result<usize, Fault> {
        let Header { name, shape, .. } = self;
        let mut count: usize = 1;
        for &size in shape {
            let size = usize::try_from(size)
                .map_err(|_| Fault::Answer(format!("the output `{name}` has the dimension {size}")))?;
            count = count
                .checked_mul(size)
                .ok_or_else(|| Fault::Answer(format!("the output `{name}` is too large for any memory")))?;
        }
        Ok(count)
    }

    /// The output with elements that are raw bytes.
    pub(super) fn with_raw(self, raw: &[u8]) -> Result<Output, Fault> {
        let values = match self.datatype.as_str() {
            "FP32" => OwnedValues::F32(parse(raw, f32::from_le_bytes)),
            "INT32" => OwnedValues::I32(parse(raw, i32::from_le_bytes)),
            "INT64" => OwnedValues::I64(parse(raw, i64::from_le_bytes)),
            _ => OwnedValues::Other(self.datatype.clone()),
        };
        let size = values.size_bytes();
        if size > 0 && !raw.len().is_multiple_of(size) {
            let Header { name, datatype, .. } = self;
            let count = raw.len();
            return Err(Fault::Answer(format!("the output `{name}` has {count} bytes of type {datatype}")));
        }
        self.with(values)
    }

    /// The output with these elements.
    pub(super) fn with(self, values: OwnedValues) -> Result<Output, Fault> {
        let (expected, found) = (self.count()?, values.len());
        let Header { name, shape, .. } = self;
        if found.is_some_and(|found| found != expected) {
            let found = found.unwrap_or_default();
            return Err(Fault::Answer(format!(
                "the output `{name}` has {found} elements; its shape {shape:?} takes {expected}"
            )));
        }
        Ok(Output { name, shape, values })
    }
}

impl OwnedValues {
    /// How many there are; `None` for those that are not kept.
    fn len(&self) -> Option<usize> {
        match self {
            OwnedValues::F32(values) => Some(values.len()),
            OwnedValues::I64(values) => Some(values.len()),
            OwnedValues::I32(values) => Some(values.len()),
            OwnedValues::Other(_) => None,
        }
    }

    /// The size of one; 0 for those that are not kept.
    fn size_bytes(&self) -> usize {
        match self {
            OwnedValues::F32(_) | OwnedValues::I32(_) => 4,
            OwnedValues::I64(_) => 8,
            OwnedValues::Other(_) => 0,
        }
    }
}

fn parse<T, const N: usize>(raw: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    let (whole, _) = raw.as_chunks::<N>();
    whole.iter().map(|&bytes| read(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(datatype: &str, shape: &[i64]) -> Header {
        Header { name: "x".to_owned(), datatype: datatype.to_owned(), shape: shape.to_vec() }
    }

    #[test]
    fn raw_elements_are_as_many_as_the_shape_says() {
        let four = [0, 0, 128, 63];
        for (datatype, shape, raw, expected) in [
            ("FP32", &[1, 1][..], &four[..], Ok(OwnedValues::F32(vec![1.0]))),
            ("FP32", &[], &four, Ok(OwnedValues::F32(vec![1.0]))),
            ("FP32", &[3, 0], &[], Ok(OwnedValues::F32(vec![]))),
            ("INT32", &[1], &four, Ok(OwnedValues::I32(vec![0x3F80_0000]))),
            ("INT64", &[1], &[254, 255, 255, 255, 255, 255, 255, 255], Ok(OwnedValues::I64(vec![-2]))),
            ("BYTES", &[7], &four, Ok(OwnedValues::Other("BYTES".to_owned()))),
            ("FP32", &[2], &four, Err("the output `x` has 1 elements; its shape [2] takes 2")),
            ("FP32", &[1], &four[..3], Err("the output `x` has 3 bytes of type FP32")),
            ("FP32", &[1, -1], &four, Err("the output `x` has the dimension -1")),
            ("FP32", &[i64::MAX, 4], &four, Err("the output `x` is too large for any memory")),
        ] {
            let found = header(datatype, shape).with_raw(raw).map(|output| output.values);
            assert_eq!(found, expected.map_err(|why| Fault::Answer(why.to_owned())), "{datatype} {shape:?}");
        }
    }

    #[test]
    fn inputs_are_little_endian() {
        for (elements, raw) in [
            (Elements::F32(&[1.0]), &[0, 0, 128, 63][..]),
            (Elements::U8(&[1, 2]), &[1, 2]),
            (Elements::I32(&[-2]), &[254, 255, 255, 255]),
        ] {
            assert_eq!(raw_elements(&elements), raw);
        }
    }
}
