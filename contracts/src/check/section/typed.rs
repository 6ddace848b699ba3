//! What a table of language 2 holds besides texts, numbers and names: lists of tables, lengths, days and conditions.
//! Must never decide what a value means.

use super::{Located, Section, open};
use crate::expression::content_at;
use crate::finding::Findings;
use crate::legal::{Civil, Length};

impl<'t> Section<'t> {
    /// The tables of a list, in the order of the text, if the key is there. Each begins where its brackets do.
    pub(in crate::check) fn tables(
        &mut self,
        key: &'static str,
        count_max: usize,
        findings: &mut Findings,
    ) -> Vec<Section<'t>> {
        let Some((name, value)) = self.find(key) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            let shown = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
            let message = format!("`{key}` is not a list of tables");
            findings.error(name.span().start, message, format!("write each as [[{shown}]]"));
            return Vec::new();
        };
        if let Some(first) = list.get(count_max) {
            let message = format!("`{key}` has more than {count_max} tables");
            findings.error(first.span().start, message, "take some out");
        }
        let mut tables = Vec::with_capacity(list.len().min(count_max));
        for item in list.iter().take(count_max) {
            if item.get_ref().as_table().is_some() {
                tables.extend(open(item.span().start, self.below(key), item, findings));
            } else {
                let message = format!("`{key}` of [{}] holds something that is no table", self.path);
                findings.error(item.span().start, message, "write it in braces: { KEY = VALUE, ... }");
            }
        }
        tables
    }

    /// A length such as `P14D`, if the key is there.
    pub(in crate::check) fn length(&mut self, key: &'static str, findings: &mut Findings) -> Option<Located<Length>> {
        let text = self.text(key, findings)?;
        self.length_of(&text, key, findings)
    }

    /// A text read as a length.
    pub(in crate::check) fn length_of(
        &self,
        text: &Located<String>,
        key: &str,
        findings: &mut Findings,
    ) -> Option<Located<Length>> {
        match Length::parse(&text.value) {
            Ok(value) => Some(Located { at: text.at, value }),
            Err(error) => {
                let message = format!("`{key}` of [{}] is no length", self.path);
                findings.error(text.at, message, error.to_string());
                None
            }
        }
    }

    /// A day, if the key is there: a TOML date without a time, as days since 1970-01-01.
    pub(in crate::check) fn day(&mut self, key: &'static str, findings: &mut Findings) -> Option<Located<i32>> {
        let (_, value) = self.find(key)?;
        let written = value.get_ref().as_datetime().filter(|written| written.time.is_none());
        let day = written
            .and_then(|written| written.date)
            .and_then(|date| Civil::new(i32::from(date.year), date.month, date.day))
            .and_then(Civil::day_number);
        match day {
            Some(day) => Some(Located { at: value.span().start, value: day }),
            None => self.wrong_type(key, "a day such as 2026-06-12, without quotes", value, findings),
        }
    }

    /// Whether the value of a key is a table.
    pub(in crate::check) fn is_table(&mut self, key: &'static str) -> bool {
        self.find(key).is_some_and(|(_, value)| value.get_ref().as_table().is_some())
    }

    /// The text of a condition, if the key is there, at the place where its first character stands.
    pub(in crate::check) fn condition(
        &mut self,
        key: &'static str,
        whole: &str,
        findings: &mut Findings,
    ) -> Option<Located<String>> {
        let quotes = self.text(key, findings)?;
        match content_at(whole, quotes.at, &quotes.value) {
            Some(at) => Some(Located { at, value: quotes.value }),
            None => {
                let message = format!("`{key}` of [{}] holds escapes, so no place in it could be named", self.path);
                findings.error(quotes.at, message, "write it in single quotes, days as date('2026-06-12')");
                None
            }
        }
    }
}
