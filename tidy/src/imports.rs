use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, UseTree,
    spanned::Spanned,
    visit::{self, Visit},
};

use crate::Source;

/// One path to an item outside the module that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The path starting with the crate's name, without `crate`, `self` and `super`.
    pub path: Vec<String>,
    /// The line, from 1.
    pub line: usize,
}

/// Lists the paths that a file names outside its test code: in `use` lines, in code, and in the arguments of macros. Doc comments
/// do not count.
pub fn imports(source: &Source) -> Vec<Import> {
    let mut visitor = Visitor {
        source,
        inner: Vec::new(),
        found: Vec::new(),
    };
    if !source.is_test {
        visitor.visit_file(&source.syntax);
    }
    visitor.found
}

/// Returns whether an item is only for tests.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_string(),
            _ => return false,
        };
        text == "test"
    })
}

/// Returns the attributes of an item that `cfg` can exclude.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        _ => &[],
    }
}

struct Visitor<'s> {
    source: &'s Source,
    /// The modules that are written inside the file.
    inner: Vec<String>,
    found: Vec<Import>,
}

impl Visitor<'_> {
    fn add(&mut self, path: &[String], line: usize) {
        let mut here: Vec<String> = std::iter::once(self.source.krate.to_owned())
            .chain(self.source.module.iter().cloned())
            .chain(self.inner.iter().cloned())
            .collect();
        let mut names = path.iter().map(String::as_str).peekable();
        match names.peek().copied() {
            Some("crate") => {
                names.next();
                here.truncate(1);
            }
            Some("self") => {
                names.next();
            }
            Some("super") => {}
            _ => here.clear(),
        }
        while names.next_if_eq(&"super").is_some() {
            here.pop();
        }
        here.extend(names.map(Into::into));
        self.found.push(Import { path: here, line });
    }

    fn tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            UseTree::Path(part) => self.tree(&with(&part.ident), &part.tree),
            UseTree::Group(group) => group.items.iter().for_each(|part| self.tree(before, part)),
            UseTree::Name(name) if name.ident == "self" => self.add(before, name.span().start().line),
            UseTree::Name(name) => self.add(&with(&name.ident), name.span().start().line),
            UseTree::Rename(name) => self.add(&with(&name.ident), name.span().start().line),
            UseTree::Glob(glob) => self.add(before, glob.span().start().line),
        }
    }

    /// Finds paths in the arguments of a macro, which are only tokens.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while colon(at + 1) && colon(at + 2) {
                        let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else {
                            break;
                        };
                        path.push(next.to_string());
                        at += 3;
                    }
                    if path.len() > 1 {
                        self.add(&path, first.span().start().line);
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.inner.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inner.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.add(&names, path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }
}
