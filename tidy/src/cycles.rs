//! Circular imports between the files of a crate.

use std::collections::BTreeMap;

use petgraph::{algo::tarjan_scc, graph::DiGraph};
use syn::{Item, UseTree, Visibility};

use crate::{Breach, Source, imports};

/// Lists the files of a crate that import each other in a cycle: one breach for each import within it.
///
/// A re-export (`pub use`) is not an import. An import of a re-exported name counts as an import of the file that defines it.
pub fn cycles(krate: &str, sources: &[Source]) -> Vec<Breach> {
    let files = Files::new(krate, sources);
    let mut lines: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (from, source) in files.sources.iter().enumerate() {
        let re_exported = lines_of_uses(source, |visibility| !matches!(visibility, Visibility::Inherited));
        for import in imports(source) {
            if re_exported.contains(&import.line) {
                continue;
            }
            let Some(to) = files.find(source, &import.path) else {
                continue;
            };
            if to != from {
                lines.entry((from, to)).or_insert(import.line);
            }
        }
    }
    let graph = DiGraph::<(), (), usize>::from_edges(lines.keys());
    let mut breaches = Vec::new();
    for cycle in tarjan_scc(&graph).into_iter().filter(|cycle| cycle.len() > 1) {
        for ((from, to), line) in &lines {
            if cycle.contains(&(*from).into()) && cycle.contains(&(*to).into()) {
                let what = format!("an import of {} closes a cycle", files.sources[*to].path);
                breaches.push(files.sources[*from].breach(*line, what));
            }
        }
    }
    breaches
}

/// The files of one crate, and the names that each imports.
struct Files<'s> {
    krate: &'s str,
    sources: Vec<&'s Source>,
    by_module: BTreeMap<Vec<String>, usize>,
    names: Vec<BTreeMap<String, Vec<String>>>,
}

impl<'s> Files<'s> {
    fn new(krate: &'s str, sources: &'s [Source]) -> Self {
        let sources: Vec<&Source> = sources
            .iter()
            .filter(|source| source.krate == krate && !source.is_test)
            .collect();
        let mut by_module = BTreeMap::new();
        for (at, source) in sources.iter().enumerate() {
            // The root of a library comes before that of a program.
            by_module.entry(source.module.clone()).or_insert(at);
        }
        let mut files = Self {
            krate,
            names: Vec::new(),
            sources,
            by_module,
        };
        files.names = files.sources.iter().map(|source| imported_names(source)).collect();
        files
    }

    /// Returns the file that defines what a path in a file names, if it is one of the crate.
    fn find(&self, source: &Source, path: &[String]) -> Option<usize> {
        let own = self.by_module.get(&source.module)?;
        let imported = path.first().and_then(|first| self.names[*own].get(first));
        let path = match imported {
            Some(whole) if whole != path => &[whole, &path[1..]].concat(),
            _ => path,
        };
        let (mut at, mut rest) = self.resolve(source, path)?;
        // A name may come through several modules. A cycle of names does not compile.
        while let Some(further) = rest.first().and_then(|name| self.names[at].get(name)) {
            let Some((next, left)) = self.resolve(self.sources[at], further) else {
                break;
            };
            if next == at {
                break;
            }
            (at, rest) = (next, left);
        }
        Some(at)
    }

    /// Returns the file of the innermost module that a path names, and what the path names within it.
    fn resolve(&self, source: &Source, path: &[String]) -> Option<(usize, Vec<String>)> {
        let first = path.first()?;
        let own = [source.module.clone(), vec![first.clone()]].concat();
        let from_root = if first == self.krate {
            path[1..].to_vec()
        } else if self.by_module.contains_key(&own) {
            [&source.module, path].concat()
        } else {
            return None;
        };
        (0..=from_root.len()).rev().find_map(|length| {
            let at = self.by_module.get(&from_root[..length])?;
            Some((*at, from_root[length..].to_vec()))
        })
    }
}

/// Returns the names that the `use` items of a file bring in, each with its path as [`imports`] writes it.
fn imported_names(source: &Source) -> BTreeMap<String, Vec<String>> {
    let lines = lines_of_uses(source, |_| true);
    let named = imports(source)
        .into_iter()
        .filter(|import| lines.contains(&import.line));
    named
        .filter_map(|import| Some((import.path.last()?.clone(), import.path)))
        .collect()
}

/// Lists the lines on which the `use` items of a visibility name something.
fn lines_of_uses(source: &Source, wanted: impl Fn(&Visibility) -> bool) -> Vec<usize> {
    let mut lines = Vec::new();
    for item in &source.syntax.items {
        if let Item::Use(item) = item
            && wanted(&item.vis)
        {
            collect_lines(&item.tree, &mut lines);
        }
    }
    lines
}

fn collect_lines(tree: &UseTree, lines: &mut Vec<usize>) {
    match tree {
        UseTree::Path(part) => collect_lines(&part.tree, lines),
        UseTree::Group(group) => group.items.iter().for_each(|part| collect_lines(part, lines)),
        UseTree::Name(name) => lines.push(name.ident.span().start().line),
        UseTree::Rename(name) => lines.push(name.ident.span().start().line),
        UseTree::Glob(glob) => lines.push(syn::spanned::Spanned::span(glob).start().line),
    }
}
