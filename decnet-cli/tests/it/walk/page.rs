//! The pages for users, and the commands in them.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The kinds of blocks that a page may have. Commands are in blocks of the kind `console`.
const KINDS: [&str; 10] = [
    "",
    "console",
    "json",
    "mermaid",
    "python",
    "rust",
    "rust,ignore",
    "text",
    "toml",
    "yaml",
];

/// A page: the README, or a file below `docs/`.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) name: String,
    text: String,
}

/// A command of a page, and what the page shows below it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) line: usize,
    /// The command is for root: its prompt is `#`.
    pub(crate) as_root: bool,
    pub(crate) command: String,
    pub(crate) shown: Vec<String>,
}

/// A block between fences.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    pub(crate) kind: &'a str,
    /// The number of its first line in the page.
    pub(crate) line: usize,
    pub(crate) text: String,
}

/// Returns the root of the repository.
pub(crate) fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), ".."].iter().collect()
}

/// Returns the README and all pages in `docs/`, by name.
pub(crate) fn pages() -> Vec<Page> {
    let entries = fs::read_dir(root().join("docs")).expect("the folder of the pages");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
    let mut names: Vec<_> = names
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    names.push("README.md".into());
    names.sort();
    names.iter().map(|name| Page::read(name)).collect()
}

impl Page {
    /// Reads a page.
    pub(crate) fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            name: name.into(),
            text,
        }
    }

    /// Returns the blocks between fences.
    #[track_caller]
    pub(crate) fn blocks(&self) -> Vec<Block<'_>> {
        let mut blocks = Vec::new();
        let mut open: Option<Block<'_>> = None;
        for (number, line) in self.text.lines().enumerate() {
            match (line.strip_prefix("```"), open.take()) {
                (Some(kind), None) => {
                    assert!(
                        KINDS.contains(&kind),
                        "{}:{}: write commands in a block `console`; `{kind}` is not known",
                        self.name,
                        number + 1
                    );
                    open = Some(Block {
                        kind,
                        line: number + 2,
                        text: String::new(),
                    });
                }
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block has no end", self.name);
        blocks
    }

    /// Returns the commands of the blocks `console`, in order. A line that ends with a backslash continues in the next one.
    #[track_caller]
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for block in self.blocks().iter().filter(|block| block.kind == "console") {
            let start = steps.len();
            let mut lines = block.text.lines().zip(block.line..);
            while let Some((line, number)) = lines.next() {
                let prompt = line
                    .split_at_checked(2)
                    .filter(|(prompt, _)| ["$ ", "# "].contains(prompt));
                if let Some((prompt, command)) = prompt {
                    let mut command = command.to_owned();
                    while command.ends_with('\\') {
                        let (next, _) = lines.next().expect("a continued line");
                        command.push('\n');
                        command.push_str(next);
                    }
                    steps.push(Step {
                        line: number,
                        as_root: prompt == "# ",
                        command,
                        shown: Vec::new(),
                    });
                } else {
                    assert!(
                        steps.len() > start,
                        "{}:{number}: a block starts with a command",
                        self.name
                    );
                    steps.last_mut().expect("a command").shown.push(line.to_owned());
                }
            }
        }
        steps
    }

    /// Returns the code within lines, with the number of the line, outside of blocks.
    pub(crate) fn spans(&self) -> Vec<(usize, &str)> {
        let mut in_block = false;
        let mut spans = Vec::new();
        for (line, number) in self.text.lines().zip(1..) {
            if line.starts_with("```") {
                in_block = !in_block;
            } else if !in_block {
                spans.extend(line.split('`').skip(1).step_by(2).map(|span| (number, span)));
            }
        }
        spans
    }

    /// Returns whether the page has this text.
    pub(crate) fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }
}

#[test]
fn a_page_is_read_into_commands_and_what_it_shows() {
    let text = "Text.\n\n```console\n$ one | \\\n    two # why\nfirst\n...\n$ three\n# four\n```\n\n`a` and `b c`\n";
    let page = Page {
        name: "page.md".into(),
        text: text.into(),
    };
    let steps = page.steps();
    let seen: Vec<_> = steps
        .iter()
        .map(|step| (step.line, step.as_root, step.command.as_str(), step.shown.join("|")))
        .collect();
    assert_eq!(
        seen,
        [
            (4, false, "one | \\\n    two # why", "first|...".to_owned()),
            (8, false, "three", String::new()),
            (9, true, "four", String::new()),
        ]
    );
    assert_eq!(page.spans(), [(12, "a"), (12, "b c")]);
}
