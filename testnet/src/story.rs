//! `testnet story NAME`: acceptance stories over real processes. Each tells step by step what was seen, at which node, at
//! which height and how long after the call that caused it; a story is sound only where every step held.

pub(crate) mod corrections;

/// The stories, with what each is about.
pub(crate) const STORIES: [(&str, &str); 1] = [(
    "corrections",
    "what a report brought is withdrawn with it and comes back with it; a deviation silences nothing; an idle network wakes",
)];
