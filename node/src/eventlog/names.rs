//! Names for the ledger made of a log's words: every activity becomes a status code, every group an authority id and a
//! role code. The same words give the same names whatever their order in the log; a word that is a code already stays
//! as it is, so that a log in the ledger's own words replays against a definition written by hand.
//! Must never give two words one name.

mod letters;

use super::EventLog;
use letters::folded;
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a code.
const CODE_LENGTH_MAX: usize = 48;
/// Characters of an authority or process id.
const ID_LENGTH_MAX: usize = 32;

/// The names of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The authority that it becomes.
    pub authority: String,
    /// The role in which that authority reports.
    pub role: String,
}

/// All names that a log needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    statuses: BTreeMap<String, String>,
    groups: BTreeMap<Option<String>, Group>,
}

impl Names {
    /// Makes the names for a log.
    pub fn of(log: &EventLog) -> Self {
        let events = || log.cases.iter().flat_map(|case| &case.events);
        let activities: BTreeSet<&str> = events().map(|event| event.activity.as_str()).collect();
        let groups: BTreeSet<Option<&str>> = events().map(|event| event.group.as_deref()).collect();
        let named: BTreeSet<&str> = groups.iter().copied().flatten().collect();
        let nameless = groups.contains(&None);

        let statuses = Unique::new('_', CODE_LENGTH_MAX, "status").names(&activities);
        let mut authorities = Unique::new('-', ID_LENGTH_MAX, "group");
        let mut roles = Unique::new('_', CODE_LENGTH_MAX, "group");
        let mut all = BTreeMap::new();
        if nameless {
            // First come: these two must not depend on what other groups are called.
            let group = Group { authority: authorities.take("no-group"), role: roles.take("no_group") };
            all.insert(None, group);
        }
        let (authorities, roles) = (authorities.names(&named), roles.names(&named));
        for (name, authority) in authorities {
            let role = roles.get(&name).cloned().unwrap_or_default();
            all.insert(Some(name), Group { authority, role });
        }
        Self { statuses, groups: all }
    }

    /// The status code of an activity.
    pub fn status(&self, activity: &str) -> Option<&str> {
        self.statuses.get(activity).map(String::as_str)
    }

    /// The names of a group, or of events without one.
    pub fn group(&self, group: Option<&str>) -> Option<&Group> {
        self.groups.get(&group.map(str::to_owned))
    }

    /// All activities with their codes, by activity.
    pub fn statuses(&self) -> impl Iterator<Item = (&str, &str)> {
        self.statuses.iter().map(|(activity, code)| (activity.as_str(), code.as_str()))
    }

    /// All groups with their names, events without a group first.
    pub fn groups(&self) -> impl Iterator<Item = (Option<&str>, &Group)> {
        self.groups.iter().map(|(name, group)| (name.as_deref(), group))
    }
}

/// An authority or process id made of a text, such as the name of a log's file.
pub fn id_of(text: &str) -> String {
    Unique::new('-', ID_LENGTH_MAX, "log").take(text)
}

/// Makes names of one kind, no two alike.
struct Unique {
    separator: char,
    length_max: usize,
    /// Stands before, or in place of, a word that cannot begin a name.
    noun: &'static str,
    taken: BTreeSet<String>,
}

impl Unique {
    fn new(separator: char, length_max: usize, noun: &'static str) -> Self {
        Self { separator, length_max, noun, taken: BTreeSet::new() }
    }

    fn names(mut self, words: &BTreeSet<&str>) -> BTreeMap<String, String> {
        let (exact, other): (Vec<&str>, Vec<&str>) = words.iter().copied().partition(|word| self.slug(word) == *word);
        exact.into_iter().chain(other).map(|word| (word.to_owned(), self.take(word))).collect()
    }

    fn take(&mut self, word: &str) -> String {
        let slug = self.slug(word);
        let mut name = slug.clone();
        let mut count = 1_usize;
        while !self.taken.insert(name.clone()) {
            count += 1;
            let suffix = format!("{}{count}", self.separator);
            let stem = self.cut(&slug, self.length_max.saturating_sub(suffix.len()));
            name = format!("{stem}{suffix}");
        }
        name
    }

    /// The name that a word has if no other wants it.
    fn slug(&self, word: &str) -> String {
        if self.is_name(word) {
            return word.to_owned();
        }
        let mut slug = String::new();
        for sign in word.chars().flat_map(|sign| folded(sign).chars()) {
            if sign.is_ascii_alphanumeric() {
                slug.push(sign.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with(self.separator) {
                slug.push(self.separator);
            }
        }
        let slug = slug.trim_end_matches(self.separator);
        let begins = slug.starts_with(|first: char| first.is_ascii_lowercase());
        if begins && slug.len() >= self.length_min() {
            return self.cut(slug, self.length_max).to_owned();
        }
        let parts = [self.noun, slug];
        let joined = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        self.cut(&joined.join(&self.separator.to_string()), self.length_max).to_owned()
    }

    fn is_name(&self, word: &str) -> bool {
        let sign = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == self.separator;
        let begins = word.starts_with(|first: char| first.is_ascii_lowercase());
        begins && word.chars().all(sign) && (self.length_min()..=self.length_max).contains(&word.len())
    }

    /// An id has at least two characters; a code may have one.
    fn length_min(&self) -> usize {
        if self.separator == '_' { 1 } else { 2 }
    }

    /// The first characters of a name, which are all ASCII, without a separator at the end.
    fn cut<'n>(&self, name: &'n str, length_max: usize) -> &'n str {
        name.get(..length_max).unwrap_or(name).trim_end_matches(self.separator)
    }
}

#[cfg(test)]
mod tests;
