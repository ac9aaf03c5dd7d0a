//! Which modules may import which.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, UseTree};

use crate::{Breach, Source, imports};

/// The modules of a crate from bottom to top: each may import only modules in lower layers.
#[derive(Debug, Clone, Copy)]
pub struct Layers {
    /// The crate, as paths name it.
    pub krate: &'static str,
    /// The layers. A module without a layer is a breach.
    pub layers: &'static [&'static [&'static str]],
    /// Exceptions: a module, and one that it may import in addition.
    pub exceptions: &'static [(&'static str, &'static str)],
}

impl Layers {
    /// Lists the imports that point up or sideways, and the modules without a layer.
    pub fn check(&self, sources: &[Source]) -> Vec<Breach> {
        let own: Vec<&Source> = sources.iter().filter(|source| source.krate == self.krate).collect();
        let exported = exports(&own);
        let mut breaches = Vec::new();
        for source in own {
            // The root has only docs and re-exports; another rule checks it.
            let Some(from) = source.module.first() else { continue };
            if source.is_test {
                continue;
            }
            let Some(layer) = self.layer(from) else {
                breaches.push(source.breach(0, format!("module `{from}` has no layer; add it to the rules")));
                continue;
            };
            for import in imports(source) {
                let [krate, first, ..] = &import.path[..] else { continue };
                if krate != self.krate {
                    continue;
                }
                let to = exported.get(first).unwrap_or(first);
                let Some(below) = self.layer(to) else { continue };
                let allowed = below < layer || self.exceptions.contains(&(from.as_str(), to.as_str()));
                if to != from && !allowed {
                    breaches.push(source.breach(import.line, format!("`{from}` may not import `{to}`")));
                }
            }
        }
        breaches.sort();
        breaches.dedup();
        breaches
    }

    fn layer(&self, module: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.contains(&module))
    }
}

/// Returns the names that the root of a crate re-exports, and their modules.
fn exports(sources: &[&Source]) -> BTreeMap<String, String> {
    fn leaves(tree: &UseTree, module: Option<&str>, found: &mut BTreeMap<String, String>) {
        let mut leaf = |name: &syn::Ident| {
            if let Some(module) = module {
                found.insert(name.to_string(), module.to_owned());
            }
        };
        match tree {
            UseTree::Path(part) => {
                let ident = part.ident.to_string();
                let first = if ident == "crate" || ident == "self" {
                    None
                } else {
                    Some(ident.as_str())
                };
                leaves(&part.tree, module.or(first), found);
            }
            UseTree::Group(group) => group.items.iter().for_each(|part| leaves(part, module, found)),
            UseTree::Name(name) => leaf(&name.ident),
            UseTree::Rename(name) => leaf(&name.rename),
            UseTree::Glob(_) => {}
        }
    }
    let mut found = BTreeMap::new();
    for root in sources.iter().filter(|source| source.path.ends_with("src/lib.rs")) {
        for item in &root.syntax.items {
            if let Item::Use(item) = item {
                leaves(&item.tree, None, &mut found);
            }
        }
    }
    found
}

/// A crate that only some files may name.
#[derive(Debug, Clone, Copy)]
pub struct Confined {
    /// The crate, as paths name it.
    pub krate: &'static str,
    /// The files and folders that may name it, from the root of the workspace and without `.rs`, the main one first.
    pub to: &'static [&'static str],
}

impl Confined {
    /// Lists the other places that name the crate, including tests.
    pub fn check(&self, sources: &[Source]) -> Vec<Breach> {
        let mut breaches = BTreeSet::new();
        for source in sources {
            let stem = source.path.trim_end_matches(".rs");
            let inside = |place: &&str| {
                stem.strip_prefix(*place)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            if self.to.iter().any(inside) {
                continue;
            }
            let mut whole = source.clone();
            whole.is_test = false;
            for import in imports(&whole) {
                if import.path.first().is_some_and(|first| first == self.krate) {
                    breaches
                        .insert(source.breach(import.line, format!("only {} may use `{}`", self.to[0], self.krate)));
                }
            }
        }
        breaches.into_iter().collect()
    }
}
