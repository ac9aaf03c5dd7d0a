use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use decnet_topology::{StoredTopology, Syntax, Topology, document::print_topology};
use similar::{ChangeTag, TextDiff};

/// Returns the difference of two mazes as files, as a unified diff. `name` is the name of the new one.
pub fn describe_difference(stored: &StoredTopology, wanted: &Topology, name: &str) -> String {
    let old = print_topology(&stored.row, &stored.topology, Syntax::Yaml);
    let new = print_topology(&stored.row, wanted, Syntax::Yaml);
    unified("stored", &old, name, &new)
}

/// How long to search for the shortest difference.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Returns the different lines, `-` for the first text and `+` for the second, with three lines of context.
fn unified(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    let diff = TextDiff::configure()
        .deadline(Instant::now() + TIMEOUT)
        .diff_lines(old, new);
    let mut text = format!("--- {old_name}\n+++ {new_name}\n");
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        let _ = writeln!(text, "{}", hunk.header());
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let _ = writeln!(text, "{sign}{}", change.value().trim_end_matches('\n'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_differences_and_their_context_are_shown() {
        let old = "a\nb\nc\nd\ne\nf\ng\n";
        let new = "a\nb\nc\nd\nE\nf\ng\n";
        let diff = super::unified("stored", old, "file", new);
        assert_eq!(
            diff,
            "--- stored\n+++ file\n@@ -2,6 +2,6 @@\n b\n c\n d\n-e\n+E\n f\n g\n"
        );
    }
}
