//! What holds for the documents as text: links lead somewhere, reasons that are named exist. Reads files only.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Words in capitals that are no reasons: states of outcomes and the like.
const OTHER_WORDS: [&str; 5] = ["FINAL", "PENDING", "ACCEPTED", "HOME", "LOCKED"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("testnet lies in the workspace").to_path_buf()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// README.md and every page below docs.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![root().join("README.md")];
    for folder in ["docs", "docs/adr"] {
        let entries = fs::read_dir(root().join(folder)).expect("a folder").map(|entry| entry.expect("an entry").path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    pages.sort();
    assert!(pages.len() > 10, "only {pages:?}");
    pages
}

/// The anchor that a heading gets: lower case, without signs, hyphens for spaces.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The text without what stands between fences.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = page.parent().expect("a folder").to_path_buf();
        for link in prose(&read(&page)).split("](").skip(1).filter_map(|rest| rest.split(')').next().map(str::to_owned))
        {
            if link.contains("://") {
                continue;
            }
            let (file, wanted) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            let there = target.exists()
                && wanted.is_none_or(|wanted| {
                    read(&target).lines().any(|line| line.starts_with('#') && anchor(line) == wanted)
                });
            if !there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
}

/// What an integrator is told to switch on must be in the catalogue.
#[test]
fn reasons_that_are_named_are_in_the_catalogue() {
    let catalogue = read(&root().join("docs/ERRORS.md"));
    let known: BTreeSet<&str> = catalogue.split('`').skip(1).step_by(2).collect();
    let mut unknown = Vec::new();
    for name in ["docs/SIGNING.md", "docs/INTEGRATION.md", "docs/integrator/laufzettel_client/outbox.py"] {
        let text = read(&root().join(name));
        let quotes: &[char] = if name.ends_with(".py") { &['"'] } else { &['`'] };
        let text = if name.ends_with(".py") { text } else { prose(&text) };
        let words = text.split(quotes).skip(1).step_by(2).filter(|word| {
            word.len() > 3 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !word.starts_with('_')
        });
        unknown.extend(
            words
                .filter(|word| !known.contains(word) && !OTHER_WORDS.contains(word))
                .map(|word| format!("{name}: {word}")),
        );
    }
    assert!(unknown.is_empty(), "no such reasons:\n  {}", unknown.join("\n  "));
}
