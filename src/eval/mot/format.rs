//! The MOTChallenge text format: one box per line, `frame,id,left,top,width,height,score`, and world coordinates that
//! nothing here needs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// A box in pixels, origin top left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PixelBox {
    /// Left edge.
    pub left: f64,
    /// Top edge.
    pub top: f64,
    /// Width, at least zero.
    pub width: f64,
    /// Height, at least zero.
    pub height: f64,
}

impl PixelBox {
    /// Intersection over union, 0..=1; zero for two boxes without area.
    pub fn iou(&self, other: &PixelBox) -> f64 {
        let width = (self.left + self.width).min(other.left + other.width) - self.left.max(other.left);
        let height = (self.top + self.height).min(other.top + other.height) - self.top.max(other.top);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let shared = width * height;
        shared / (self.width * self.height + other.width * other.height - shared)
    }
}

/// One line: a box on a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Number of the frame, from 1.
    pub frame: u32,
    /// Whose box it is; negative for a detection that is nobody's yet.
    pub id: i64,
    /// Where.
    pub bbox: PixelBox,
    /// A detection's score; in a truth file 0 for a box to be ignored and 1 for any other.
    pub score: f64,
}

/// A line that is not in the format.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FormatError {
    /// Too few fields.
    #[error("line {line}: {found} fields, but a box has frame,id,left,top,width,height,score")]
    Fields {
        /// Line number, from 1.
        line: usize,
        /// How many fields it has.
        found: usize,
    },
    /// A field that is no number, or not one that can be.
    #[error("line {line}: {field} is `{value}`, but {allowed}")]
    Value {
        /// Line number, from 1.
        line: usize,
        /// Which field.
        field: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: &'static str,
    },
    /// One thing has two boxes on a frame.
    #[error("line {line}: id {id} has a second box on frame {frame}")]
    Repeated {
        /// Line number, from 1.
        line: usize,
        /// The id.
        id: i64,
        /// The frame.
        frame: u32,
    },
}

/// Reads a whole file. Empty lines are skipped.
///
/// # Errors
/// At the first line that has fewer than seven fields, a field that is no number, a frame below 1, a negative size, or
/// the second box of an id on a frame.
pub fn parse(text: &str) -> Result<Vec<Row>, FormatError> {
    let mut rows = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, content) in text.lines().enumerate() {
        let line = index + 1;
        if content.trim().is_empty() {
            continue;
        }
        let fields: Vec<&str> = content.split(',').map(str::trim).collect();
        if fields.len() < 7 {
            return Err(FormatError::Fields { line, found: fields.len() });
        }
        let field = |index: usize, field| Field { line, field, value: fields[index] };
        let row = Row {
            frame: field(0, "frame").frame()?,
            id: field(1, "id").id()?,
            bbox: PixelBox {
                left: field(2, "left").number()?,
                top: field(3, "top").number()?,
                width: field(4, "width").size()?,
                height: field(5, "height").size()?,
            },
            score: field(6, "score").number()?,
        };
        if row.id >= 0 && !seen.insert((row.frame, row.id)) {
            return Err(FormatError::Repeated { line, id: row.id, frame: row.frame });
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Writes rows as the MOTChallenge wants the results of a tracker, by frame and id.
pub fn write(rows: &[Row]) -> String {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| (row.frame, row.id));
    let mut text = String::new();
    for Row { frame, id, bbox: PixelBox { left, top, width, height }, score } in rows {
        writeln!(text, "{frame},{id},{left:.2},{top:.2},{width:.2},{height:.2},{score:.3},-1,-1,-1")
            .expect("a String takes everything");
    }
    text
}

/// One field of a line.
struct Field<'a> {
    line: usize,
    field: &'static str,
    value: &'a str,
}

impl Field<'_> {
    fn frame(&self) -> Result<u32, FormatError> {
        let frame = self.value.parse().ok().filter(|frame| *frame >= 1);
        frame.ok_or_else(|| self.error("frames are whole numbers from 1"))
    }

    fn id(&self) -> Result<i64, FormatError> {
        self.value.parse().map_err(|_| self.error("ids are whole numbers"))
    }

    fn number(&self) -> Result<f64, FormatError> {
        let number = self.value.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.error("it must be a number"))
    }

    fn size(&self) -> Result<f64, FormatError> {
        let size = self.number()?;
        if size >= 0.0 { Ok(size) } else { Err(self.error("a size is not negative")) }
    }

    fn error(&self, allowed: &'static str) -> FormatError {
        FormatError::Value { line: self.line, field: self.field, value: self.value.to_owned(), allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let text = "1,3,10.50,20.00,30.00,40.00,0.750,-1,-1,-1\n2,3,11.00,20.00,30.00,40.00,1.000,-1,-1,-1\n";
        let rows = parse(text).expect("good");
        assert_eq!(rows[0].bbox, PixelBox { left: 10.5, top: 20.0, width: 30.0, height: 40.0 });
        assert_eq!((rows[0].frame, rows[0].id, rows[0].score), (1, 3, 0.75));
        assert_eq!(write(&rows), text);
        assert_eq!(write(&[rows[1], rows[0]]), text);
    }

    #[test]
    fn accepts_the_variants_in_circulation() {
        let rows = parse("1,-1,5,6,7,8,0.5\n\n1, -1, 5, 6, 7, 8, 0.5, 4.1, 5.5, 0\r\n").expect("good");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0], rows[1]);
    }

    #[test]
    fn names_line_field_and_value() {
        let good = "1,1,0,0,5,5,1\n";
        let cases = [
            ("1,1,0,0,5,5", "line 2: 6 fields, but a box has frame,id,left,top,width,height,score"),
            ("0,1,0,0,5,5,1", "line 2: frame is `0`, but frames are whole numbers from 1"),
            ("2,x,0,0,5,5,1", "line 2: id is `x`, but ids are whole numbers"),
            ("2,1,NaN,0,5,5,1", "line 2: left is `NaN`, but it must be a number"),
            ("2,1,0,0,-5,5,1", "line 2: width is `-5`, but a size is not negative"),
            ("1,1,0,0,5,5,1", "line 2: id 1 has a second box on frame 1"),
        ];
        for (bad, expected) in cases {
            let error = parse(&format!("{good}{bad}\n")).expect_err(bad);
            assert_eq!(error.to_string(), expected);
        }
    }
}
