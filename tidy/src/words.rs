//! Words that the texts of this workspace do not use, and what to write instead.

use std::fs;

use crate::{Breach, source::walk, workspace_root};

/// The words, and their replacements. A space also matches an underscore, so that names of tests are checked.
pub const REPLACED: [(&str, &str); 37] = [
    ("ailment", "drift"),
    ("ails", "is unhealthy"),
    ("anew", "again"),
    ("as it should be", "matches"),
    ("call off", "cancel"),
    ("called off", "cancelled"),
    ("for ever", "always"),
    ("given back", "released"),
    ("give_back", "release"),
    ("glance", "list"),
    ("has_pending", "has_unfinished"),
    ("held to the", "validated against the"),
    ("is no error", "is not an error"),
    ("is no name", "is not a valid name"),
    ("is told", "is reported"),
    ("leaves with", "exits with status"),
    ("less than nothing", "negative"),
    ("loadout", "workload"),
    ("look_through", "check"),
    ("made anew", "recreated"),
    ("meddle", "tamper"),
    ("meddling", "tampering"),
    ("mended", "fixed"),
    ("mending", "repair"),
    ("of ones own", "custom"),
    ("patience", "timeout"),
    ("so many times", "this many times"),
    ("stands twice", "occurs twice"),
    ("teller", "reporter"),
    ("tells", "reports"),
    ("that are no more", "that were deleted"),
    ("thrice", "three times"),
    ("told", "reported"),
    ("unintelligible", "unexpected"),
    ("what ails", "drift"),
    ("whoever", "a caller"),
    ("without a word", "without warnings"),
];

/// Names of libraries that contain one of the words, with the library.
const NAMES_OF_LIBRARIES: [(&str, &str); 1] = [("has_pending_data", "russh")];

/// Files that may name the words: the history of changes, and the rule itself with its test.
const EXEMPT: [&str; 4] = [
    "CHANGELOG.md",
    "Cargo.lock",
    "tidy/src/words.rs",
    "tidy/tests/it/words.rs",
];

/// Lists the replaced words in a text.
pub fn replaced_words(path: &str, text: &str) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut line = line.to_lowercase();
        for (name, library) in NAMES_OF_LIBRARIES {
            line = line.replace(name, library);
        }
        let spaced = line.replace('_', " ");
        for (word, instead) in REPLACED {
            let line = if word.contains('_') { &line } else { &spaced };
            if has_word(line, word) {
                breaches.push(Breach {
                    path: path.to_owned(),
                    line: at + 1,
                    what: format!("`{word}`: write `{instead}`"),
                });
            }
        }
    }
    breaches
}

/// Returns whether a text has a word, and not only as a part of a longer word.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

/// Lists the replaced words in all text files of the workspace.
pub fn replaced_words_in_workspace() -> Vec<Breach> {
    let root = workspace_root();
    let mut paths = Vec::new();
    walk(&root, &|_| true, &mut paths);
    paths.sort();
    let texts = paths.iter().filter_map(|path| {
        let relative = path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned();
        // Other files than texts are not UTF-8.
        let text = fs::read_to_string(path).ok()?;
        (!EXEMPT.contains(&relative.as_str())).then_some((relative, text))
    });
    texts.flat_map(|(path, text)| replaced_words(&path, &text)).collect()
}
