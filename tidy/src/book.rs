//! The pages for people: each is in the table of contents of the book, and each link leads somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use crate::{Breach, source::walk, workspace_root};

/// The table of contents of the book.
pub const SUMMARY: &str = "docs/SUMMARY.md";

/// The pages of the workspace, by their paths from its root.
pub type Pages = BTreeMap<String, String>;

/// A link of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link<'a> {
    line: usize,
    target: &'a str,
}

/// Reads all pages: the Markdown files of the workspace.
///
/// # Panics
///
/// If a page cannot be read.
pub fn workspace_pages() -> Pages {
    let root = workspace_root();
    let mut paths = Vec::new();
    walk(
        &root,
        &|path| path.extension().is_some_and(|extension| extension == "md"),
        &mut paths,
    );
    let pages = paths.iter().map(|path| {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (
            path.strip_prefix(&root).unwrap_or(path).to_string_lossy().into_owned(),
            text,
        )
    });
    pages.collect()
}

/// Lists the pages below `docs/` that the table of contents does not have, and those that it has more than once.
pub fn pages_outside_of_the_summary(pages: &Pages) -> Vec<Breach> {
    let summary = pages.get(SUMMARY).map(String::as_str).unwrap_or_default();
    let mut listed = BTreeSet::new();
    let mut breaches = Vec::new();
    for Link { line, target } in links(summary) {
        if !listed.insert(resolved(SUMMARY, target)) {
            breaches.push(breach(SUMMARY, line, format!("`{target}` is listed more than once")));
        }
    }
    let docs = pages
        .keys()
        .filter(|path| path.starts_with("docs/") && *path != SUMMARY);
    let missing = docs.filter(|path| !listed.contains(*path));
    breaches.extend(missing.map(|path| breach(path, 0, format!("it is not in {SUMMARY}"))));
    breaches
}

/// Lists the links to files that do not exist, and to headings that their page does not have. `exists` says whether a path from the root exists.
pub fn dead_links(pages: &Pages, exists: &dyn Fn(&str) -> bool) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (path, text) in pages {
        for Link { line, target } in links(text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target
                .split_once('#')
                .map_or((target, None), |(file, heading)| (file, Some(heading)));
            let to = if file.is_empty() {
                path.clone()
            } else {
                resolved(path, file)
            };
            let page = pages.get(&to);
            if page.is_none() && !exists(&to) {
                breaches.push(breach(path, line, format!("`{target}` does not exist")));
            } else if let (Some(heading), Some(page)) = (heading, page)
                && !headings(page).contains(heading)
            {
                breaches.push(breach(path, line, format!("`{target}`: {to} has no such heading")));
            }
        }
    }
    breaches
}

fn breach(path: &str, line: usize, what: String) -> Breach {
    Breach {
        path: path.into(),
        line,
        what,
    }
}

/// Returns the path from the root that a link of a page means.
fn resolved(page: &str, target: &str) -> String {
    let mut path = PathBuf::new();
    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}

/// Returns the lines outside of blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        (!in_block && !is_fence).then_some((number, line))
    })
}

/// Returns the links outside of blocks and code: `[text](target)`.
fn links(text: &str) -> Vec<Link<'_>> {
    let mut links = Vec::new();
    for (line, text) in prose(text) {
        let mut start = 0;
        while let Some(at) = text[start..].find("](").map(|at| start + at + 2) {
            let Some(end) = text[at..].find(')').map(|end| at + end) else {
                break;
            };
            // An odd number of backquotes before it: the link is within code. The text of a link may be code.
            let is_code = text[..at].matches('`').count() % 2 == 1;
            if !is_code {
                let target = text[at..end].split_whitespace().next().unwrap_or_default();
                links.push(Link { line, target });
            }
            start = end;
        }
    }
    links
}

/// Returns the names of the headings, as GitHub and mdBook make them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (_, line) in prose(text) {
        let title = line.trim_start_matches('#');
        if title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let name: String = title
            .trim()
            .chars()
            .filter_map(|character| match character {
                ' ' => Some('-'),
                '-' | '_' => Some(character),
                _ if character.is_alphanumeric() => Some(character.to_ascii_lowercase()),
                _ => None,
            })
            .collect();
        names.insert(name);
    }
    names
}
