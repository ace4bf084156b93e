//! What happens in a folder of clips: the table `truth.csv`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The name of the table.
const TABLE: &str = "truth.csv";

/// A clip and what happens in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Its name, as the table has it.
    pub name: String,
    /// Its file.
    pub file: PathBuf,
    /// What happens, in the order of time. Ranges may overlap: people do different things at a time.
    pub ranges: Vec<Range>,
}

/// Something that happens in a clip.
#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    /// When it begins, in seconds from the clip's first frame.
    pub from_s: f64,
    /// When it ends, likewise.
    pub to_s: f64,
    /// What somebody does.
    pub label: String,
}

/// Whether any of `ranges` speaks of a moment, in seconds from the clip's first frame.
pub(super) fn is_known(ranges: &[Range], at_s: f64) -> bool {
    ranges.iter().any(|range| (range.from_s..range.to_s).contains(&at_s))
}

/// For how long at least one of `ranges` holds between two moments, in seconds. They come in the order of their begins.
pub(super) fn covered_s<'a>(ranges: impl IntoIterator<Item = &'a Range>, from_s: f64, to_s: f64) -> f64 {
    let (mut covered_s, mut until_s) = (0.0, from_s);
    for range in ranges {
        covered_s += (range.to_s.min(to_s) - range.from_s.max(until_s)).max(0.0);
        until_s = until_s.max(range.to_s);
    }
    covered_s
}

/// Why the truth of a folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// The table cannot be opened, or is none.
    #[error("{}: {source}", table.display())]
    Table {
        /// Its file.
        table: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// A line of it makes no sense.
    #[error("{}:{line}: {reason}", table.display())]
    Line {
        /// Its file.
        table: PathBuf,
        /// Counted from 1, the header included.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// It has no line below its header.
    #[error("{}: it says nothing of any clip", table.display())]
    Empty {
        /// Its file.
        table: PathBuf,
    },
}

/// Reads `truth.csv` of a folder: a header with the columns `clip`, `from_s`, `to_s` and `label` in any order, and a line for
/// each thing that happens. Clips come in the order of their names.
///
/// # Errors
/// When the table cannot be read, a clip is not in the folder, or a range is none.
pub fn truth(folder: &Path) -> Result<Vec<Clip>, TruthError> {
    let table = folder.join(TABLE);
    let unreadable = |source| TruthError::Table { table: table.clone(), source };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(&table).map_err(unreadable)?;
    let header = reader.headers().map_err(unreadable)?;
    let place = |column: &str| {
        let reason = || TruthError::Line {
            table: table.clone(),
            line: 1,
            reason: format!("the column `{column}` is missing"),
        };
        header.iter().position(|name| name == column).ok_or_else(reason)
    };
    let [clip_at, from_at, to_at, label_at] =
        [place("clip")?, place("from_s")?, place("to_s")?, place("label")?];
    let mut ranges: BTreeMap<String, Vec<Range>> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(unreadable)?;
        let bad = |reason: String| TruthError::Line {
            table: table.clone(),
            line: record.position().map_or(0, csv::Position::line),
            reason,
        };
        let text = |at: usize| record.get(at).unwrap_or_default().to_owned();
        let number = |at: usize| {
            let text = text(at);
            text.parse::<f64>().map_err(|_| bad(format!("`{text}` is no number of seconds")))
        };
        let (clip, from_s, to_s, label) = (text(clip_at), number(from_at)?, number(to_at)?, text(label_at));
        if !(from_s >= 0.0 && to_s > from_s && to_s.is_finite()) {
            return Err(bad(format!("from {from_s} s to {to_s} s is no time")));
        }
        if label.is_empty() {
            return Err(bad("the label is missing".to_owned()));
        }
        if !ranges.contains_key(&clip) && !folder.join(&clip).is_file() {
            return Err(bad(format!("there is no clip `{clip}` in the folder")));
        }
        ranges.entry(clip).or_default().push(Range { from_s, to_s, label });
    }
    if ranges.is_empty() {
        return Err(TruthError::Empty { table });
    }
    let clip = |(name, mut ranges): (String, Vec<Range>)| {
        ranges.sort_by(|one, other| one.from_s.total_cmp(&other.from_s));
        Clip { file: folder.join(&name), name, ranges }
    };
    Ok(ranges.into_iter().map(clip).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_that_two_ranges_cover_counts_once() {
        let range = |from_s, to_s| Range { from_s, to_s, label: "walk".to_owned() };
        let ranges = [range(1.0, 4.0), range(2.0, 3.0), range(3.5, 5.0), range(8.0, 9.0)];
        for (from_s, to_s, expected) in
            [(0.0, f64::INFINITY, 5.0), (0.0, 1.0, 0.0), (2.5, 4.5, 2.0), (4.5, 8.5, 1.0), (6.0, 7.0, 0.0)]
        {
            assert_eq!(covered_s(&ranges, from_s, to_s), expected, "{from_s} to {to_s}");
        }
    }

    fn read(table: &str) -> Result<Vec<Clip>, String> {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.mp4", "b.mp4"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::write(folder.path().join(TABLE), table).unwrap();
        let place = format!("{}/", folder.path().display());
        truth(folder.path()).map_err(|error| error.to_string().replace(&place, ""))
    }

    #[test]
    fn the_truth_is_read_by_the_names_of_its_columns() {
        let table = "\u{feff}label,clip,to_s,from_s\r\nfallen, b.mp4 ,7.5,3\r\nfall,b.mp4,3,2.25\r\n\r\nwalk,a.mp4,4,0\r\n";
        let clips = read(table).unwrap();
        let told: Vec<_> = clips
            .iter()
            .flat_map(|clip| {
                clip.ranges.iter().map(|range| (&*clip.name, range.from_s, range.to_s, &*range.label))
            })
            .collect();
        assert_eq!(
            told,
            [("a.mp4", 0.0, 4.0, "walk"), ("b.mp4", 2.25, 3.0, "fall"), ("b.mp4", 3.0, 7.5, "fallen")]
        );
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_line() {
        const HEADER: &str = "clip,from_s,to_s,label\n";
        for (table, told) in [
            ("c.mp4,0,1,walk", "truth.csv:2: there is no clip `c.mp4` in the folder"),
            ("a.mp4,0,1,walk\na.mp4,2,1,walk", "truth.csv:3: from 2 s to 1 s is no time"),
            ("a.mp4,-1,1,walk", "truth.csv:2: from -1 s to 1 s is no time"),
            ("a.mp4,0,inf,walk", "truth.csv:2: from 0 s to inf s is no time"),
            ("a.mp4,0,1,", "truth.csv:2: the label is missing"),
            ("a.mp4,zero,1,walk", "truth.csv:2: `zero` is no number of seconds"),
            ("", "truth.csv: it says nothing of any clip"),
        ] {
            assert_eq!(read(&format!("{HEADER}{table}")), Err(told.to_owned()), "{table}");
        }
        let told = read("clip,from_s,label\na.mp4,0,walk").unwrap_err();
        assert_eq!(told, "truth.csv:1: the column `to_s` is missing");
        let told = read("clip,from_s,to_s,label\na.mp4,0,1\n").unwrap_err();
        assert!(told.contains("fields"), "{told}");
    }
}
