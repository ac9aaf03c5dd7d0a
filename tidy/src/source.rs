use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::Breach;

/// The packages whose source is checked: the folder, and the name of the crate in paths.
const PACKAGES: [(&str, &str); 8] = [
    ("decnet-topology", "decnet_topology"),
    ("decnet-engine", "decnet_engine"),
    ("decnet-engine/decoy", "decnet_decoy"),
    ("decnet-cli", "decnet_cli"),
    ("decnet-py", "decnet_py"),
    ("examples", "decnet_examples"),
    ("benches", "decnet_benches"),
    ("tidy", "decnet_tidy"),
];

/// One file of Rust.
#[derive(Clone)]
pub struct Source {
    /// The file, from the root of the workspace.
    pub path: String,
    /// The crate, as paths name it.
    pub krate: &'static str,
    /// The module of the file, below the crate.
    pub module: Vec<String>,
    /// Whether all of it is test code.
    pub is_test: bool,
    /// The content.
    pub text: String,
    /// The parsed content.
    pub syntax: syn::File,
}

impl Source {
    /// Parses a file. `path` determines its crate and module.
    ///
    /// # Panics
    ///
    /// If the path is not in a package of the workspace, or the text is not Rust.
    pub fn new(path: &str, text: impl Into<String>) -> Self {
        let text = text.into();
        let packages = PACKAGES.iter().filter(|(folder, _)| within(path, folder).is_some());
        let (folder, krate) = packages
            .max_by_key(|(folder, _)| folder.len())
            .unwrap_or_else(|| panic!("{path} is not in a package"));
        let inside = within(path, folder).unwrap_or_default();
        let module = inside.strip_prefix("src/").map(module).unwrap_or_default();
        let is_test =
            !inside.starts_with("src/") || module.iter().any(|name| name == "tests") || *krate == "decnet_tidy";
        let syntax = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self {
            path: path.into(),
            krate,
            module,
            is_test,
            text,
            syntax,
        }
    }

    /// Reports a breach at a line.
    pub fn breach(&self, line: usize, what: impl Into<String>) -> Breach {
        Breach {
            path: self.path.clone(),
            line,
            what: what.into(),
        }
    }
}

fn within<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// Returns the module of a path such as `plan/diff.rs` or `plan/mod.rs`.
fn module(inside: &str) -> Vec<String> {
    let stem = inside.trim_end_matches(".rs");
    let mut names: Vec<String> = stem.split('/').map(Into::into).collect();
    if matches!(names.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// Returns the root of the workspace in which this crate was built.
pub fn workspace_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// Reads all Rust of the workspace, in order of path.
///
/// # Panics
///
/// If a file cannot be read, or is not Rust.
pub fn workspace_sources() -> Vec<Source> {
    let root = workspace_root();
    let mut paths = Vec::new();
    for (folder, _) in PACKAGES {
        walk(&root.join(folder), &is_rust, &mut paths);
    }
    paths.sort();
    paths.dedup();
    let sources = paths.iter().map(|path| {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let relative = path.strip_prefix(&root).unwrap_or(path);
        Source::new(&relative.to_string_lossy(), text)
    });
    sources.collect()
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// Lists the files below a folder that are wanted, without build output and hidden folders.
pub(crate) fn walk(folder: &Path, is_wanted: &dyn Fn(&Path) -> bool, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let skipped = name.to_string_lossy().starts_with("target") || name.to_string_lossy().starts_with('.');
        if path.is_dir() && !skipped {
            walk(&path, is_wanted, paths);
        } else if path.is_file() && is_wanted(&path) {
            paths.push(path);
        }
    }
}
