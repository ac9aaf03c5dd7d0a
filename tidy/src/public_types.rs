//! The paths to the public types of the libraries.

use std::collections::BTreeMap;

use syn::{Item, UseTree, Visibility, spanned::Spanned};

use crate::{Breach, Source};

/// The crates for embedding.
const LIBRARIES: [&str; 2] = ["decnet_topology", "decnet_engine"];

/// Namespaces whose types stay in them.
const NAMESPACES: [&str; 2] = ["testing", "simulated"];

/// No two public types of the libraries have the same name.
pub fn have_own_names(sources: &[Source]) -> Vec<Breach> {
    let mut first: BTreeMap<String, &'static str> = BTreeMap::new();
    let mut breaches = Vec::new();
    for source in roots(sources) {
        for (name, line) in exports(source) {
            match first.get(&name) {
                Some(krate) => breaches.push(source.breach(line, format!("`{krate}` also has a public type `{name}`"))),
                None => drop(first.insert(name, source.krate)),
            }
        }
    }
    breaches
}

/// A public module of a library has no public types: they are at the crate root, and have no other path.
pub fn are_at_the_root(sources: &[Source]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for root in roots(sources) {
        for module in public_modules(root) {
            let is_it = |source: &&Source| source.krate == root.krate && source.module == [module.clone()];
            for source in sources.iter().filter(is_it) {
                let types = source.syntax.items.iter().filter_map(public_type);
                let types = types.chain(exports(source));
                breaches.extend(types.map(|(name, line)| {
                    source.breach(
                        line,
                        format!("`{name}` has a path in the public module `{module}`: export it at the root only"),
                    )
                }));
            }
        }
    }
    breaches
}

fn roots(sources: &[Source]) -> impl Iterator<Item = &Source> {
    let is_root = |source: &&Source| source.path.ends_with("src/lib.rs") && LIBRARIES.contains(&source.krate);
    sources.iter().filter(is_root)
}

fn public_modules(root: &Source) -> Vec<String> {
    let modules = root.syntax.items.iter().filter_map(|item| match item {
        Item::Mod(item) if is_public(&item.vis) => Some(item.ident.to_string()),
        _ => None,
    });
    modules.filter(|name| !NAMESPACES.contains(&name.as_str())).collect()
}

/// Returns the name and the line of a public type or trait.
fn public_type(item: &Item) -> Option<(String, usize)> {
    let (visibility, name) = match item {
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        Item::Type(item) => (&item.vis, &item.ident),
        Item::Union(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    is_public(visibility).then(|| (name.to_string(), name.span().start().line))
}

/// Lists the types that a file exports with `pub use`, with their lines. Constants and functions do not count.
fn exports(source: &Source) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    for item in &source.syntax.items {
        if let Item::Use(item) = item
            && is_public(&item.vis)
        {
            leaves(&item.tree, &mut names);
        }
    }
    names.retain(|(name, _)| is_type(name));
    names
}

fn leaves(tree: &UseTree, names: &mut Vec<(String, usize)>) {
    match tree {
        UseTree::Path(path) => leaves(&path.tree, names),
        UseTree::Name(name) => names.push((name.ident.to_string(), name.ident.span().start().line)),
        UseTree::Rename(rename) => names.push((rename.rename.to_string(), rename.rename.span().start().line)),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, names)),
        UseTree::Glob(glob) => names.push(("Glob".into(), glob.span().start().line)),
    }
}

fn is_type(name: &str) -> bool {
    name.starts_with(char::is_uppercase) && name.contains(char::is_lowercase)
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
