//! Reads one table of the file, key by key, and collects what is wrong with it.
//!
//! serde stops at the first error; an installer wants all of them in one run, each with its line.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// The key, such as `camera[2].source`; empty when the text is no TOML.
    pub key: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(f, "line {}: {}", self.line, self.message),
            key => write!(f, "line {}: {key} {}", self.line, self.message),
        }
    }
}

/// Collects problems while a text is read.
pub(super) struct Report<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Report { text, problems: Vec::new() }
    }

    /// Notes a problem at a byte of the text.
    pub(super) fn add(&mut self, offset: usize, key: impl Into<String>, message: impl Into<String>) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = 1 + before.bytes().filter(|&b| b == b'\n').count();
        self.problems.push(Problem { line, key: visible(&key.into()), message: visible(&message.into()) });
    }

    /// Every problem, in the order of the file.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.line);
        self.problems
    }
}

/// One table of the file. Reading a key gives nothing when it is absent, or wrong, which is then noted.
pub(super) struct Section<'r, 'a, 't> {
    report: &'r mut Report<'t>,
    /// Absent tables read as empty ones.
    table: Option<&'a DeTable<'a>>,
    path: String,
    offset: usize,
    known: Vec<&'static str>,
}

impl<'r, 'a, 't> Section<'r, 'a, 't> {
    pub(super) fn root(report: &'r mut Report<'t>, table: &'a DeTable<'a>) -> Self {
        Section { report, table: Some(table), path: String::new(), offset: 0, known: Vec::new() }
    }

    /// The table under `key`; an empty one when it is absent.
    pub(super) fn child(&mut self, key: &'static str) -> Section<'_, 'a, 't> {
        let value = self.get(key);
        let offset = value.map_or(self.offset, |value| value.span().start);
        let table = value.and_then(|value| self.expect(key, value, "a table", DeValue::as_table));
        Section { path: self.key(key), report: self.report, table, offset, known: Vec::new() }
    }

    /// Calls `read` with each table of the array of tables under `key`.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, 'a, 't>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let expected = "a list of tables, each begun by a line with its name in double brackets";
        let Some(items) = self.expect(key, value, expected, DeValue::as_array) else { return Vec::new() };
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{}[{}]", self.key(key), index + 1);
            let offset = item.span().start;
            let Some(table) = item.get_ref().as_table() else {
                self.report.add(offset, path, format!("is {}; it must be a table", a(item.get_ref())));
                continue;
            };
            let mut section =
                Section { report: self.report, table: Some(table), path, offset, known: Vec::new() };
            found.extend(read(&mut section));
            section.finish();
        }
        found
    }

    /// Calls `read` with the name and the table of every entry of the table under `key`, whose names are the user's.
    pub(super) fn named<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&str, &mut Section<'_, 'a, 't>) -> T,
    ) -> Vec<(String, T)> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let Some(entries) = self.expect(key, value, "a table", DeValue::as_table) else { return Vec::new() };
        let mut found = Vec::new();
        for (name, entry) in entries {
            let name = name.get_ref().as_ref();
            let path = format!("{}.{name}", self.key(key));
            let offset = entry.span().start;
            let Some(table) = entry.get_ref().as_table() else {
                self.report.add(offset, path, format!("is {}; it must be a table", a(entry.get_ref())));
                continue;
            };
            let mut section =
                Section { report: self.report, table: Some(table), path, offset, known: Vec::new() };
            found.push((name.to_owned(), read(name, &mut section)));
            section.finish();
        }
        found
    }

    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        self.expect(key, value, "a text in quotes", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let value = self.get(key)?;
        self.expect(key, value, "true or false", DeValue::as_bool)
    }

    pub(super) fn integer(&mut self, key: &'static str, allowed: RangeInclusive<i64>) -> Option<i64> {
        let value = self.get(key)?;
        let expected = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        let read = |value: &DeValue<'_>| number(value).and_then(|n: i64| allowed.contains(&n).then_some(n));
        self.expect(key, value, &expected, read)
    }

    pub(super) fn number(&mut self, key: &'static str, allowed: RangeInclusive<f64>) -> Option<f64> {
        let value = self.get(key)?;
        let expected = format!("a number from {} to {}", allowed.start(), allowed.end());
        let read = |value: &DeValue<'_>| number(value).and_then(|n: f64| allowed.contains(&n).then_some(n));
        self.expect(key, value, &expected, read)
    }

    /// A number, or this word instead of one, which gives `Some(None)`.
    pub(super) fn number_or(
        &mut self,
        key: &'static str,
        allowed: RangeInclusive<f64>,
        word: &str,
    ) -> Option<Option<f64>> {
        let value = self.get(key)?;
        let expected = format!("a number from {} to {}, or \"{word}\"", allowed.start(), allowed.end());
        self.expect(key, value, &expected, |value| match value.as_str() {
            Some(text) => (text == word).then_some(None),
            None => number(value).and_then(|n: f64| allowed.contains(&n).then_some(Some(n))),
        })
    }

    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        let value = self.get(key)?;
        self.expect(key, value, "a list of texts in quotes", |value| {
            value.as_array()?.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        })
    }

    /// A point: a list of x and y.
    pub(super) fn point(&mut self, key: &'static str) -> Option<[f64; 2]> {
        let value = self.get(key)?;
        self.expect(key, value, "a point, such as [0.2, 0.6]", point)
    }

    /// A list of points.
    pub(super) fn points(&mut self, key: &'static str) -> Option<Vec<[f64; 2]>> {
        let value = self.get(key)?;
        let expected = "a list of points, such as [[0.1, 0.5], [0.9, 0.5], [0.5, 1]]";
        self.expect(key, value, expected, |value| {
            value.as_array()?.iter().map(|item| point(item.get_ref())).collect()
        })
    }

    /// Reads a text and makes something of it; its error is the problem's message.
    pub(super) fn parsed<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.string(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(key, error.to_string());
                None
            }
        }
    }

    /// Every entry of the table under `key`, whose names are the user's: texts, whole numbers, true and false, as texts.
    pub(super) fn values(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let Some(value) = self.get(key) else { return BTreeMap::new() };
        let Some(entries) = self.expect(key, value, "a table", DeValue::as_table) else {
            return BTreeMap::new();
        };
        let mut found = BTreeMap::new();
        for (name, entry) in entries {
            let name = name.get_ref().as_ref();
            if name.is_empty() || name.contains('\0') {
                let message = "is no key: it must be a text with something in it, and without NUL";
                self.report.add(entry.span().start, format!("{}.{name}", self.key(key)), message);
                continue;
            }
            let text = match entry.get_ref() {
                DeValue::String(text) => (!text.contains('\0')).then(|| text.as_ref().to_owned()),
                DeValue::Boolean(flag) => Some(flag.to_string()),
                value => number(value).map(|number: i64| number.to_string()),
            };
            match text {
                Some(text) => drop(found.insert(name.to_owned(), text)),
                None => {
                    let message = format!(
                        "is {}; it must be a text in quotes without NUL, a whole number, true or false",
                        a(entry.get_ref())
                    );
                    self.report.add(entry.span().start, format!("{}.{name}", self.key(key)), message);
                }
            }
        }
        found
    }

    /// Whether the key is there and a table.
    pub(super) fn is_table(&self, key: &str) -> bool {
        let value = self.table.and_then(|table| table.get(key));
        value.is_some_and(|value| value.get_ref().as_table().is_some())
    }

    /// The text under `key`, when it is one; the key counts as asked for only once something reads it.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        self.table?.get(key)?.get_ref().as_str()
    }

    /// Whether the key is there, right or wrong.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// Whether the key is absent or an empty list.
    pub(super) fn is_empty(&self, key: &str) -> bool {
        let value = self.table.and_then(|table| table.get(key));
        value.is_none_or(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
    }

    /// Notes a problem with `key`, at its line, or at the table's when it is absent.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        let offset =
            self.table.and_then(|table| table.get(key)).map_or(self.offset, |value| value.span().start);
        self.report.add(offset, self.key(key), message);
    }

    /// Notes every key that nothing asked for.
    pub(super) fn finish(self) {
        for (key, _) in self.table.into_iter().flatten() {
            if !self.known.contains(&key.get_ref().as_ref()) {
                let message = format!("is unknown; allowed here: {}", self.known.join(", "));
                self.report.add(key.span().start, self.key(key.get_ref()), message);
            }
        }
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.known.push(key);
        self.table?.get(key)
    }

    fn expect<'v, T>(
        &mut self,
        key: &str,
        value: &'v Spanned<DeValue<'a>>,
        expected: &str,
        read: impl FnOnce(&'v DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        let found = read(value.get_ref());
        if found.is_none() {
            let message = format!("is {}; it must be {expected}", a(value.get_ref()));
            self.report.add(value.span().start, self.key(key), message);
        }
        found
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A number of the file, in any of TOML's spellings that the target type reads.
fn number<T: std::str::FromStr>(value: &DeValue<'_>) -> Option<T> {
    match value {
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str().parse().ok(),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    }
}

/// A list of two numbers.
fn point(value: &DeValue<'_>) -> Option<[f64; 2]> {
    let coordinates: Option<Vec<f64>> =
        value.as_array()?.iter().map(|coordinate| number(coordinate.get_ref())).collect();
    coordinates?.try_into().ok()
}

/// A text that somebody else wrote, on one line: its control characters are shown and not obeyed.
pub fn visible(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// The value in a few words, for a message.
fn a(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", text.chars().take(60).collect::<String>()),
        DeValue::Integer(integer) => integer.as_str().to_owned(),
        DeValue::Float(float) => float.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
