//! Reads one table of a definition's text: every key is asked for by name and type, and what was not asked for is a
//! finding. Must never decide what a value means; that is for the files beside this one.

mod typed;

use crate::finding::{Findings, quoted};
use crate::name::Code;
use std::collections::BTreeSet;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// Something read, and the byte offset where it stands.
#[derive(Debug, Clone)]
pub(super) struct Located<T> {
    pub(super) at: usize,
    pub(super) value: T,
}

/// A key's value with the key's own place.
type Member<'t> = (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>);

/// One table while it is read.
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    /// Where its header stands.
    pub(super) at: usize,
    /// How a message names it, such as `status.hearing_held`.
    pub(super) path: String,
    asked: BTreeSet<&'static str>,
}

impl<'t> Section<'t> {
    pub(super) fn new(table: &'t DeTable<'t>, at: usize, path: String) -> Self {
        Self { table, at, path, asked: BTreeSet::new() }
    }

    /// The table under a key, if there is one.
    pub(super) fn section(&mut self, key: &'static str, findings: &mut Findings) -> Option<Section<'t>> {
        let (name, value) = self.find(key)?;
        open(name.span().start, self.below(key), value, findings)
    }

    /// The tables under a key, each with its name, in the order of the text. A name that is no code is a finding.
    pub(super) fn named_sections(
        &mut self,
        key: &'static str,
        findings: &mut Findings,
    ) -> Vec<(Located<Code>, Section<'t>)> {
        let Some(all) = self.section(key, findings) else {
            return Vec::new();
        };
        all.members(findings)
    }

    /// Every member of this table as a section of its own.
    pub(super) fn members(&self, findings: &mut Findings) -> Vec<(Located<Code>, Section<'t>)> {
        let members = self.sorted();
        let mut sections = Vec::with_capacity(members.len());
        for (name, value) in members {
            let at = name.span().start;
            let code = code_at(at, name.get_ref(), findings);
            let section = open(at, self.below(&quoted(name.get_ref())), value, findings);
            if let (Some(code), Some(section)) = (code, section) {
                sections.push((code, section));
            }
        }
        sections
    }

    /// Every member of this table as a section of its own, whatever its name.
    pub(super) fn any_members(&self, findings: &mut Findings) -> Vec<(Located<String>, Section<'t>)> {
        let mut sections = Vec::new();
        for (name, value) in self.sorted() {
            let at = name.span().start;
            if let Some(section) = open(at, self.below(&quoted(name.get_ref())), value, findings) {
                sections.push((Located { at, value: name.get_ref().to_string() }, section));
            }
        }
        sections
    }

    /// Every member of this table as a name with a text.
    pub(super) fn text_members(&self, findings: &mut Findings) -> Vec<(Located<String>, Located<String>)> {
        let mut texts = Vec::new();
        for (name, value) in self.sorted() {
            let key = Located { at: name.span().start, value: name.get_ref().to_string() };
            match value.get_ref().as_str() {
                Some(text) => texts.push((key, Located { at: value.span().start, value: text.to_owned() })),
                None => drop(self.wrong_type::<()>(&quoted(&key.value), "a text in quotes", value, findings)),
            }
        }
        texts
    }

    /// The members in the order of the text.
    fn sorted(&self) -> Vec<Member<'t>> {
        let mut members: Vec<Member<'t>> = self.table.iter().collect();
        members.sort_by_key(|(name, _)| name.span().start);
        members
    }

    /// A text, if the key is there.
    pub(super) fn text(&mut self, key: &'static str, findings: &mut Findings) -> Option<Located<String>> {
        let (_, value) = self.find(key)?;
        let at = value.span().start;
        match value.get_ref().as_str() {
            Some(text) => Some(Located { at, value: text.to_owned() }),
            None => self.wrong_type(key, "a text in quotes", value, findings),
        }
    }

    /// A text that must be there, not blank and not too long.
    pub(super) fn required_text(
        &mut self,
        key: &'static str,
        characters_max: usize,
        findings: &mut Findings,
    ) -> Option<Located<String>> {
        if self.find(key).is_none() {
            self.missing(key, findings);
            return None;
        }
        let text = self.text(key, findings)?;
        if text.value.trim().is_empty() {
            findings.error(text.at, format!("`{key}` of [{}] is blank", self.path), "write it out");
            return None;
        }
        if text.value.chars().count() > characters_max {
            let message = format!("`{key}` of [{}] has more than {characters_max} characters", self.path);
            findings.error(text.at, message, "shorten it");
            return None;
        }
        Some(text)
    }

    /// One of a few words that must be there.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        findings: &mut Findings,
    ) -> Option<T> {
        if self.find(key).is_none() {
            self.missing(key, findings);
            return None;
        }
        let text = self.text(key, findings)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let message = format!("`{key}` of [{}] cannot be \"{}\"", self.path, quoted(&text.value));
            findings.error(text.at, message, format!("write one of {}", known.join(", ")));
        }
        found
    }

    /// Yes or no; absent is no.
    pub(super) fn flag(&mut self, key: &'static str, findings: &mut Findings) -> bool {
        let Some((_, value)) = self.find(key) else {
            return false;
        };
        let flag = value.get_ref().as_bool();
        flag.or_else(|| self.wrong_type(key, "true or false", value, findings)).unwrap_or(false)
    }

    /// An integer, if the key is there.
    pub(super) fn integer(&mut self, key: &'static str, findings: &mut Findings) -> Option<Located<i64>> {
        let (_, value) = self.find(key)?;
        let integer = value.get_ref().as_integer();
        match integer.and_then(|digits| i64::from_str_radix(digits.as_str(), digits.radix()).ok()) {
            Some(integer) => Some(Located { at: value.span().start, value: integer }),
            None => self.wrong_type(key, "an integer of 64 bits", value, findings),
        }
    }

    /// A list of names, if the key is there; a name given twice is a finding.
    pub(super) fn names(
        &mut self,
        key: &'static str,
        count_max: usize,
        findings: &mut Findings,
    ) -> Option<Located<Vec<Located<String>>>> {
        let (_, value) = self.find(key)?;
        let at = value.span().start;
        let Some(list) = value.get_ref().as_array() else {
            return self.wrong_type(key, "a list of names", value, findings);
        };
        if list.len() > count_max {
            let message = format!("`{key}` of [{}] has more than {count_max} names", self.path);
            findings.error(at, message, "shorten it");
        }
        let mut seen = BTreeSet::new();
        let mut names = Vec::new();
        for item in list.iter().take(count_max) {
            let at = item.span().start;
            let Some(name) = item.get_ref().as_str() else {
                self.wrong_type::<()>(key, "a list of names", item, findings);
                continue;
            };
            if seen.insert(name) {
                names.push(Located { at, value: name.to_owned() });
            } else {
                let message = format!("`{}` stands twice in `{key}` of [{}]", quoted(name), self.path);
                findings.error(at, message, "take one out");
            }
        }
        Some(Located { at, value: names })
    }

    /// Where a key stands, if it is there.
    pub(super) fn place(&mut self, key: &'static str) -> Option<usize> {
        self.find(key).map(|(name, _)| name.span().start)
    }

    /// Says that a key is not in language 1, if it is there.
    pub(super) fn refuse(&mut self, key: &'static str, shown: &str, findings: &mut Findings) {
        if let Some(at) = self.place(key) {
            let message = format!("`{shown}` is not in language version 1");
            findings.error(at, message, "write language = 2 at the top");
        }
    }

    /// A key that must be there is not.
    pub(super) fn missing(&self, key: &str, findings: &mut Findings) {
        let (message, fix) = match self.path.as_str() {
            "" => (format!("`{key}` is missing"), format!("write `{key}` at the top")),
            path => (format!("[{path}] has no `{key}`"), format!("add `{key}`")),
        };
        findings.error(self.at, message, fix);
    }

    /// Ends the reading: keys nobody asked for are unknown.
    pub(super) fn finish(self, findings: &mut Findings) {
        for name in self.table.keys() {
            if !self.asked.contains(name.get_ref().as_ref()) {
                let place = if self.path.is_empty() { "at the top".to_owned() } else { format!("in [{}]", self.path) };
                let message = format!("unknown key `{}` {place}", quoted(name.get_ref()));
                let asked = self.asked.iter().copied();
                findings.misnamed(name.span().start, message, name.get_ref(), asked, "take it out");
            }
        }
    }

    fn find(&mut self, key: &'static str) -> Option<Member<'t>> {
        self.asked.insert(key);
        self.table.get_key_value(key)
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong_type<T>(
        &self,
        key: &str,
        wanted: &str,
        value: &Spanned<DeValue<'t>>,
        findings: &mut Findings,
    ) -> Option<T> {
        let at = value.span().start;
        let place = if self.path.is_empty() { String::new() } else { format!(" of [{}]", self.path) };
        let message = format!("`{key}`{place} is not {wanted}");
        findings.error(at, message, format!("write {wanted}"));
        None
    }
}

/// A code at a place, or a finding.
pub(super) fn code_at(at: usize, text: &str, findings: &mut Findings) -> Option<Located<Code>> {
    match Code::new(text) {
        Ok(value) => Some(Located { at, value }),
        Err(error) => {
            findings.error(at, format!("`{}` is no code", quoted(text)), format!("a code {error}"));
            None
        }
    }
}

fn open<'t>(at: usize, path: String, value: &'t Spanned<DeValue<'t>>, findings: &mut Findings) -> Option<Section<'t>> {
    match value.get_ref().as_table() {
        Some(table) => Some(Section::new(table, at, path)),
        None => {
            findings.error(at, format!("`{path}` is not a table"), format!("write it as [{path}]"));
            None
        }
    }
}
