//! The commands of Linux that show files, or work on the text of others.

use std::fmt::Write as _;

use super::{
    files::tree,
    node::Node,
    outcome::{MOST_OUTPUT, Own, complaint, failed},
    shell::Shell,
};

/// Changes the working directory.
pub(super) fn cd(shell: &mut Shell, arguments: &[&str]) -> Own {
    let target = arguments.first().copied().unwrap_or("~");
    let path = shell.resolve(target);
    match tree(shell).get(&path) {
        Some(Node::Directory) => {
            shell.directory = path;
            Own::default()
        }
        found => {
            let cause = found.map_or("No such file or directory", |_| "Not a directory");
            let message = format!("{}cd: {target}: {cause}\n", complaint(shell));
            failed(shell, 1, message)
        }
    }
}

/// The maximum number of files that one command lists.
const MOST_TARGETS: usize = 1000;

/// Lists directories.
pub(super) fn ls(shell: &mut Shell, arguments: &[&str]) -> Own {
    let tree = tree(shell);
    let flags: String = arguments.iter().filter(|word| word.starts_with('-')).copied().collect();
    let mut targets: Vec<&str> = arguments
        .iter()
        .filter(|word| !word.starts_with('-'))
        .copied()
        .collect();
    if targets.is_empty() {
        targets.push(".");
    }
    let mut own = Own::default();
    for target in targets.into_iter().take(MOST_TARGETS) {
        if own.is_full() {
            break;
        }
        let path = shell.resolve(target);
        let Some(node) = tree.get(&path) else {
            let _ = writeln!(own.errors, "ls: cannot access '{target}': No such file or directory");
            shell.status = 2;
            continue;
        };
        let folder = if path == "/" {
            "/".to_owned()
        } else {
            format!("{path}/")
        };
        let mut entries: Vec<(&str, &Node)> = tree
            .iter()
            .filter_map(|(path, node)| Some((path.strip_prefix(&folder)?, node)))
            .filter(|(name, _)| !name.is_empty() && !name.contains('/'))
            .filter(|(name, _)| !name.starts_with('.') || flags.contains(['a', 'A']))
            .collect();
        if *node != Node::Directory {
            entries = vec![(target, node)];
        } else if flags.contains('a') {
            entries.splice(0..0, [(".", &Node::Directory), ("..", &Node::Directory)]);
        }
        if flags.contains('l') {
            own.output.push_str("total 24\n");
            for (name, node) in entries {
                let inside = match name {
                    "." => folder.clone(),
                    ".." => "/".into(),
                    name => format!("{folder}{name}/"),
                };
                let folders = tree.iter().filter(|(path, node)| {
                    let below = path.strip_prefix(&inside);
                    **node == Node::Directory && below.is_some_and(|name| !name.is_empty() && !name.contains('/'))
                });
                let line = long(name, node, 2 + folders.count(), &shell.host.installed);
                own.output.push_str(&line);
            }
        } else if !entries.is_empty() {
            let names: Vec<&str> = entries.into_iter().map(|(name, _)| name).collect();
            let between = if shell.is_interactive { "  " } else { "\n" };
            let _ = writeln!(own.output, "{}", names.join(between));
        }
    }
    own
}

/// Creates or removes the files of `touch`, `mkdir` and `rm`.
pub(super) fn touch(shell: &mut Shell, name: &str, arguments: &[&str]) {
    let known = tree(shell);
    for target in arguments.iter().filter(|word| !word.starts_with('-')) {
        let path = shell.resolve(target);
        match name {
            "touch" if !known.contains_key(&path) => shell.create(&path, Node::File(String::new())),
            "mkdir" if !known.contains_key(&path) => shell.create(&path, Node::Directory),
            "rm" | "rmdir" => {
                let inside = format!("{path}/");
                shell.created.retain(|own, _| *own != path && !own.starts_with(&inside));
            }
            _ => {}
        }
    }
}

fn long(name: &str, node: &Node, links: usize, installed: &str) -> String {
    let (mode, links, size) = match node {
        Node::Directory if name == ".ssh" => ("drwx------", links, 4096),
        Node::Directory if name == "tmp" => ("drwxrwxrwt", links, 4096),
        Node::Directory => ("drwxr-xr-x", links, 4096),
        Node::File(text) => ("-rw-r--r--", 1, text.len()),
        Node::Secret(text) => ("-rw-r-----", 1, text.len()),
        Node::Binary(size) => ("-rwxr-xr-x", 1, *size),
    };
    format!("{mode} {links:>2} root root {size:>7} {installed} {name}\n")
}

/// Answers to commands that read files or their input.
pub(super) fn text(shell: &mut Shell, name: &str, arguments: &[&str], input: Option<&str>, file: Option<&str>) -> Own {
    let mut own = Own::default();
    let (flags, mut names): (Vec<&str>, Vec<&str>) = arguments.iter().partition(|word| word.starts_with('-'));
    let pattern = (name.ends_with("grep") && !names.is_empty()).then(|| names.remove(0).to_owned());
    // `head -n 5` and `head -5`.
    let mut count = flags
        .iter()
        .find_map(|flag| flag.trim_start_matches(['-', 'n']).parse::<usize>().ok());
    if count.is_none() && flags.contains(&"-n") && !names.is_empty() {
        count = names.remove(0).parse().ok();
    }
    let mut content = String::new();
    if names.is_empty() || name == "tee" {
        match (input, file.or(names.first().copied())) {
            (Some(input), _) => content.push_str(input),
            (None, Some(file)) => own.upload = Some(file.to_owned()),
            (None, None) => {}
        }
    } else {
        let tree = tree(shell);
        for target in names {
            if content.len() > MOST_OUTPUT || own.is_full() {
                break;
            }
            let refused = match tree.get(&shell.resolve(target)) {
                Some(Node::File(text)) => {
                    content.push_str(text);
                    continue;
                }
                Some(Node::Secret(text)) if shell.user == "root" => {
                    content.push_str(text);
                    continue;
                }
                Some(Node::Directory) => "Is a directory",
                Some(_) => "Permission denied",
                None => "No such file or directory",
            };
            let _ = writeln!(own.errors, "{name}: {target}: {refused}");
            shell.status = 1;
        }
    }
    let lines: Vec<&str> = content.lines().collect();
    let chosen: Vec<&str> = match name {
        "head" => lines.into_iter().take(count.unwrap_or(10)).collect(),
        "tail" => {
            let skipped = lines.len().saturating_sub(count.unwrap_or(10));
            lines.into_iter().skip(skipped).collect()
        }
        "sort" => {
            let mut lines = lines;
            lines.sort_unstable();
            lines
        }
        "uniq" => {
            let mut lines = lines;
            lines.dedup();
            lines
        }
        "wc" => {
            own.output = format!("{}\n", lines.len());
            return own;
        }
        _ => {
            let is_inverted = flags.contains(&"-v");
            let matches = |line: &&str| {
                pattern
                    .as_ref()
                    .is_none_or(|pattern| line.contains(pattern) != is_inverted)
            };
            lines.into_iter().filter(matches).collect()
        }
    };
    if pattern.is_some() && chosen.is_empty() {
        shell.status = 1;
    }
    for line in chosen {
        own.output.push_str(line);
        own.output.push('\n');
    }
    own
}
