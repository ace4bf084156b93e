//! One table of a manifest, read key by key: what is missing, wrong or unknown is noted with what is allowed.

use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::Problem;

/// A table and the problems found in it so far.
pub(super) struct Section<'p> {
    /// Empty for the top of the file.
    name: &'static str,
    table: Table,
    known: Vec<&'static str>,
    problems: &'p mut Vec<Problem>,
}

impl<'p> Section<'p> {
    pub fn new(name: &'static str, table: Table, problems: &'p mut Vec<Problem>) -> Self {
        Section { name, table, known: Vec::new(), problems }
    }

    /// The value of a key that must be there; `None` when a problem was noted.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        if !self.table.contains_key(key) {
            self.known.push(key);
            let key = self.full(key);
            self.problem(format!("`{key}` is missing: it is {allowed}"));
            return None;
        }
        self.optional(key, allowed, parse)
    }

    /// The value of a key that may be left out; `None` when it is, or when a problem was noted.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.table.remove(key)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            let key = self.full(key);
            self.problem(format!("`{key} = {}`: allowed is {allowed}", short(&value)));
        }
        parsed
    }

    /// The value of a key, `default` when it is left out; `None` when a problem was noted.
    pub fn optional_or<T>(
        &mut self,
        key: &'static str,
        default: T,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        if self.table.contains_key(key) {
            return self.optional(key, allowed, parse);
        }
        self.known.push(key);
        Some(default)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, key: &'static str, options: &[(&str, T)]) -> Option<T> {
        self.required(key, &words(options), |value| pick(value, options))
    }

    /// One of a few words, the first one when the key is left out.
    pub fn choice_or_first<T: Copy>(&mut self, key: &'static str, options: &[(&str, T)]) -> Option<T> {
        if self.table.contains_key(key) {
            return self.choice(key, options);
        }
        self.known.push(key);
        options.first().map(|(_, first)| *first)
    }

    /// A table that must be there.
    pub fn table(&mut self, key: &'static str) -> Option<Table> {
        self.required(key, &format!("the section [{key}]"), |value| value.as_table().cloned())
    }

    /// A table that may be left out.
    pub fn optional_table(&mut self, key: &'static str) -> Option<Table> {
        self.optional(key, &format!("the section [{key}]"), |value| value.as_table().cloned())
    }

    /// Notes a problem.
    pub fn problem(&mut self, text: String) {
        self.problems.push(Problem(text));
    }

    /// Notes every key that nothing has asked for.
    pub fn finish(self) {
        for key in self.table.keys() {
            let (key, known) = (self.full(key), self.known.join(", "));
            self.problems.push(Problem(format!("`{key}` is no key of a manifest: allowed here are {known}")));
        }
    }

    /// The key with its section.
    fn full(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// A text with something in it.
pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A finite number, written with or without a decimal point.
pub(super) fn number(value: &Value) -> Option<f32> {
    let number = value.as_float().or_else(|| value.as_integer().map(|n| n as f64))? as f32;
    number.is_finite().then_some(number)
}

/// Exactly `N` numbers.
pub(super) fn numbers<const N: usize>(value: &Value) -> Option<[f32; N]> {
    let numbers: Option<Vec<f32>> = value.as_array()?.iter().map(number).collect();
    numbers?.try_into().ok()
}

/// Texts, at least one.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    let texts: Option<Vec<String>> = value.as_array()?.iter().map(text).collect();
    texts.filter(|texts| !texts.is_empty())
}

/// A whole number of `range`.
pub(super) fn whole(range: RangeInclusive<u32>) -> impl Fn(&Value) -> Option<u32> {
    move |value| u32::try_from(value.as_integer()?).ok().filter(|n| range.contains(n))
}

/// A number of `range`.
pub(super) fn within(range: RangeInclusive<f32>) -> impl Fn(&Value) -> Option<f32> {
    move |value| number(value).filter(|n| range.contains(n))
}

fn pick<T: Copy>(value: &Value, options: &[(&str, T)]) -> Option<T> {
    let word = value.as_str()?;
    options.iter().find(|(name, _)| *name == word).map(|(_, option)| *option)
}

fn words<T>(options: &[(&str, T)]) -> String {
    let words: Vec<String> = options.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    words.join(", ")
}

/// A value as TOML writes it, on one line and cut where it is long.
fn short(value: &Value) -> String {
    let text = value.to_string().replace('\n', " ");
    if text.chars().count() > 60 { text.chars().take(57).chain("...".chars()).collect() } else { text }
}
