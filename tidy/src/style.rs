//! The style of a file.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemFn,
    visit::{self, Visit},
};

use crate::{
    Breach, Source,
    imports::{attributes, is_for_tests},
};

/// The maximum number of lines of a file.
pub const LINES: usize = 500;
/// The maximum number of lines of code in a `mod.rs`, without docs and blank lines.
pub const MODULE_LINES: usize = 250;
/// Words in names that carry no meaning.
const EMPTY_WORDS: [&str; 10] = [
    "util",
    "utils",
    "utilities",
    "helper",
    "helpers",
    "common",
    "manager",
    "managers",
    "misc",
    "stuff",
];
/// Macros that mark unfinished code.
const UNDONE: [&str; 3] = ["todo", "unimplemented", "dbg"];
/// The reason why a test is ignored by default.
const NEEDS_DOCKER: &str = "needs Docker";
/// The reason why a test of the map is.
const NEEDS_CHROMIUM: &str = "needs Chromium";
/// The reason why a child process in the form of a test is ignored.
const IS_RUN_BY_OTHERS: &str = "is the child process of other tests";

/// A file has at most [`LINES`] lines.
pub fn is_short(source: &Source) -> Vec<Breach> {
    let lines = source.text.lines().count();
    let long = lines > LINES;
    long.then(|| source.breach(0, format!("{lines} lines: split it into two named files")))
        .into_iter()
        .collect()
}

/// Names of modules and types carry meaning.
pub fn has_meaningful_names(source: &Source) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for name in &source.module {
        if words(name).any(|word| EMPTY_WORDS.contains(&word.as_str())) {
            breaches.push(source.breach(0, format!("`{name}` does not describe its content")));
        }
    }
    let mut visitor = Names(Vec::new());
    visitor.visit_file(&source.syntax);
    for ident in visitor.0 {
        let name = ident.to_string();
        if words(&name).any(|word| EMPTY_WORDS.contains(&word.as_str())) {
            let line = ident.span().start().line;
            breaches.push(source.breach(line, format!("`{name}` does not describe the type")));
        }
    }
    breaches
}

/// Splits `TopologyManager` and `topology_manager` into their words, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut spaced = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() {
            spaced.push(' ');
        }
        spaced.extend(letter.to_lowercase());
    }
    let words: Vec<String> = spaced.split([' ', '_']).map(Into::into).collect();
    words.into_iter()
}

struct Names(Vec<syn::Ident>);

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        self.0.extend(match item {
            Item::Struct(item) => Some(item.ident.clone()),
            Item::Enum(item) => Some(item.ident.clone()),
            Item::Trait(item) => Some(item.ident.clone()),
            Item::Type(item) => Some(item.ident.clone()),
            Item::Mod(item) => Some(item.ident.clone()),
            _ => None,
        });
        visit::visit_item(self, item);
    }
}

/// The root of a library has only docs, modules and re-exports; a `mod.rs` has little more.
pub fn has_its_code_in_modules(source: &Source) -> Vec<Breach> {
    if source.path.ends_with("src/lib.rs") && !source.is_test {
        let other =
            source.syntax.items.iter().find(|item| {
                !matches!(item, Item::Mod(_) | Item::Use(_) | Item::ExternCrate(_)) && !is_doc_carrier(item)
            });
        return other
            .map(|item| source.breach(line_of(item), "a lib.rs has only docs, modules and re-exports"))
            .into_iter()
            .collect();
    }
    let code = source
        .text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"));
    let lines = code.count();
    let full = source.path.ends_with("/mod.rs") && lines > MODULE_LINES;
    full.then(|| {
        source.breach(
            0,
            format!("{lines} lines of code in a mod.rs: move them to a named file"),
        )
    })
    .into_iter()
    .collect()
}

/// Returns whether an item may be in the root: a constant, or a carrier of other documents' doctests.
fn is_doc_carrier(item: &Item) -> bool {
    matches!(item, Item::Const(_))
        || matches!(item, Item::Struct(item) if item.attrs.iter().any(|attribute| cfg_says(attribute, "doctest")))
}

fn cfg_says(attribute: &Attribute, what: &str) -> bool {
    matches!(&attribute.meta, syn::Meta::List(list) if list.path.is_ident("cfg") && list.tokens.to_string() == what)
}

fn line_of(item: &Item) -> usize {
    syn::spanned::Spanned::span(item).start().line
}

/// No code is unfinished, and only tests unwrap.
pub fn is_done(source: &Source) -> Vec<Breach> {
    let mut visitor = Undone {
        source,
        in_test: source.is_test || source.path.contains("/benches/"),
        breaches: Vec::new(),
    };
    visitor.visit_file(&source.syntax);
    visitor.breaches
}

struct Undone<'s> {
    source: &'s Source,
    in_test: bool,
    breaches: Vec<Breach>,
}

impl Undone<'_> {
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            let is =
                |at: usize, sign| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == sign);
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "unwrap" && at > 0 && is(at - 1, '.') && !self.in_test => {
                    self.unwraps(ident);
                }
                TokenTree::Ident(ident) if is(at + 1, '!') => self.marks(ident),
                _ => {}
            }
        }
    }

    fn unwraps(&mut self, ident: &syn::Ident) {
        let line = ident.span().start().line;
        self.breaches.push(self.source.breach(line, "`unwrap()` is for tests"));
    }

    fn marks(&mut self, ident: &syn::Ident) {
        if UNDONE.iter().any(|undone| ident == undone) {
            let line = ident.span().start().line;
            self.breaches
                .push(self.source.breach(line, format!("`{ident}!` is unfinished code")));
        }
    }
}

impl<'ast> Visit<'ast> for Undone<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        let before = self.in_test;
        let is_test = matches!(item, Item::Fn(function) if is_test(function));
        self.in_test |= is_test || is_for_tests(attributes(item));
        visit::visit_item(self, item);
        self.in_test = before;
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "unwrap" && call.args.is_empty() && !self.in_test {
            self.unwraps(&call.method);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(last) = call.path.segments.last() {
            self.marks(&last.ident);
        }
        self.tokens(call.tokens.clone());
    }
}

fn is_test(function: &ItemFn) -> bool {
    function.attrs.iter().any(|attribute| {
        attribute
            .path()
            .segments
            .last()
            .is_some_and(|last| last.ident == "test")
    })
}

/// A test that is ignored by default states that it needs Docker, and every test in a module `docker` of an integration test is
/// ignored. The test command recognizes them by this.
pub fn marks_docker_tests(source: &Source) -> Vec<Breach> {
    let mut visitor = Ignored {
        source,
        modules: source.path.split(['/', '.']).map(Into::into).collect(),
        breaches: Vec::new(),
    };
    visitor.visit_file(&source.syntax);
    visitor.breaches
}

struct Ignored<'s> {
    source: &'s Source,
    modules: Vec<String>,
    breaches: Vec<Breach>,
}

impl<'ast> Visit<'ast> for Ignored<'_> {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.modules.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        let ignore = function
            .attrs
            .iter()
            .find(|attribute| attribute.path().is_ident("ignore"));
        let line = function.sig.ident.span().start().line;
        let reason = ignore.and_then(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) => match &pair.value {
                syn::Expr::Lit(literal) => match &literal.lit {
                    syn::Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        });
        let is_known =
            reason.is_some_and(|reason| [NEEDS_DOCKER, NEEDS_CHROMIUM, IS_RUN_BY_OTHERS].contains(&reason.as_str()));
        if ignore.is_some() && !is_known {
            self.breaches.push(self.source.breach(
                line,
                format!("the only reasons to ignore a test are `{NEEDS_DOCKER}` and `{NEEDS_CHROMIUM}`"),
            ));
        }
        let is_outside = !self.modules.iter().any(|name| name == "src");
        let on_docker = is_outside && self.modules.iter().any(|name| name == "docker");
        if on_docker && is_test(function) && ignore.is_none() {
            let what = format!("a test in a module `docker` must have #[ignore = \"{NEEDS_DOCKER}\"]");
            self.breaches.push(self.source.breach(line, what));
        }
    }
}
