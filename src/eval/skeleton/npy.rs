//! NumPy's array format: a header that says what follows, and the values
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
//!
//! As much of it as [`super::clips`] needs: numbers and texts, row by row.

/// An array whose values were not looked at yet.
pub(super) struct Array<'b> {
    /// As the file has it, such as `<f4`.
    pub(super) dtype: &'b str,
    pub(super) shape: Vec<usize>,
    kind: char,
    /// Bytes of one value.
    size: usize,
    big_endian: bool,
    values: &'b [u8],
}

impl<'b> Array<'b> {
    /// Reads the header of a whole npy file.
    ///
    /// # Errors
    /// With the end of a sentence that begins with the array's name.
    pub(super) fn open(file: &'b [u8]) -> Result<Self, String> {
        let (header, values) = split(file).ok_or("is not in NumPy's format")?;
        let bad = |what: &str| format!("has a header without {what}");
        let dtype = value_of(header, "descr").ok_or_else(|| bad("descr"))?;
        let dtype = text(dtype).ok_or("has a structured dtype; it must be plain")?;
        let columns_first = value_of(header, "fortran_order").ok_or_else(|| bad("fortran_order"))?;
        let columns_first = columns_first.starts_with("True");
        let shape = value_of(header, "shape").and_then(shape).ok_or_else(|| bad("a shape"))?;
        if columns_first && shape.len() > 1 {
            return Err("is stored column by column; save numpy.ascontiguousarray of it".to_owned());
        }
        let unknown =
            || format!("has the dtype `{}`, which is none of numbers or texts", dtype.escape_debug());
        let mut letters = dtype.chars();
        let (order, kind) = letters.next().zip(letters.next()).ok_or_else(unknown)?;
        let count: usize = letters.as_str().parse().map_err(|_| unknown())?;
        // Texts are in UTF-32.
        let size = count.checked_mul(if kind == 'U' { 4 } else { 1 }).ok_or_else(unknown)?;
        let bytes = shape.iter().try_fold(size, |bytes, &length| bytes.checked_mul(length));
        if bytes != Some(values.len()) {
            return Err(format!(
                "is damaged: `{}` values of {} bytes in the shape {} are not the {} bytes that follow",
                dtype.escape_debug(),
                size,
                shown(&shape),
                values.len()
            ));
        }
        Ok(Array { dtype, shape, kind, size, big_endian: order == '>', values })
    }

    /// The values of an array of floats, f32 or f64.
    pub(super) fn floats(&self) -> Option<Vec<f32>> {
        match (self.kind, self.size) {
            ('f', 4) => Some(self.each(f32::from_le_bytes)),
            ('f', 8) => Some(self.each(|bytes| f64::from_le_bytes(bytes) as f32)),
            _ => None,
        }
    }

    /// The values of an array of whole numbers, i32 or i64.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        match (self.kind, self.size) {
            ('i', 4) => Some(self.each(|bytes| i64::from(i32::from_le_bytes(bytes)))),
            ('i', 8) => Some(self.each(i64::from_le_bytes)),
            _ => None,
        }
    }

    /// The values of an array of texts, with U+FFFD for what is no letter.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        if self.kind != 'U' || self.size == 0 {
            return None;
        }
        let text = |bytes: &[u8]| -> String {
            let letters = self.values_in(bytes, u32::from_le_bytes);
            // Short texts are filled up with zeros.
            let letters = letters.into_iter().take_while(|&letter| letter != 0);
            letters.map(|letter| char::from_u32(letter).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        };
        Some(self.values.chunks_exact(self.size).map(text).collect())
    }

    fn each<const N: usize, T>(&self, read: impl Fn([u8; N]) -> T) -> Vec<T> {
        self.values_in(self.values, read)
    }

    /// `read` takes each value's bytes, lowest first.
    fn values_in<const N: usize, T>(&self, bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
        let (values, _) = bytes.as_chunks::<N>();
        let ordered = |value: &[u8; N]| {
            let mut value = *value;
            if self.big_endian {
                value.reverse();
            }
            value
        };
        values.iter().map(|value| read(ordered(value))).collect()
    }
}

/// A shape as Python writes it.
pub(super) fn shown(shape: &[usize]) -> String {
    let lengths: Vec<String> = shape.iter().map(usize::to_string).collect();
    format!("[{}]", lengths.join(", "))
}

/// The header's text and the bytes after it.
fn split(file: &[u8]) -> Option<(&str, &[u8])> {
    let (version, rest) = file.strip_prefix(b"\x93NUMPY")?.split_first_chunk::<2>()?;
    let (length, rest) = match version[0] {
        1 => rest.split_first_chunk::<2>().map(|(n, rest)| (usize::from(u16::from_le_bytes(*n)), rest))?,
        2 | 3 => rest
            .split_first_chunk::<4>()
            .and_then(|(n, rest)| Some((usize::try_from(u32::from_le_bytes(*n)).ok()?, rest)))?,
        _ => return None,
    };
    let (header, values) = rest.split_at_checked(length)?;
    Some((str::from_utf8(header).ok()?, values))
}

/// What stands after a key of the header, which is a Python dictionary, up to the header's end.
fn value_of<'h>(header: &'h str, key: &str) -> Option<&'h str> {
    let at = header.find(&format!("'{key}'"))?;
    Some(header[at + key.len() + 2..].trim_start().strip_prefix(':')?.trim_start())
}

/// The text in quotes that `value` begins with.
fn text(value: &str) -> Option<&str> {
    Some(value.strip_prefix('\'')?.split_once('\'')?.0)
}

/// The numbers in brackets that `value` begins with.
fn shape(value: &str) -> Option<Vec<usize>> {
    let (lengths, _) = value.strip_prefix('(')?.split_once(')')?;
    let lengths = lengths.split(',').map(str::trim).filter(|length| !length.is_empty());
    lengths.map(|length| length.parse().ok()).collect()
}
