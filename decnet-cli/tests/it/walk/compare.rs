//! Compares what a command prints with what a page shows.

use std::sync::LazyLock;

use regex::Regex;

/// What differs from run to run, and the constant that stands for it.
static VARIABLE: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
        (r"decnet_t_[0-9a-f]{8}", "decnet_t_<id>"),
        (r"\b[0-9a-f]{8,16}-[0-9a-f]+(-[0-9]+)?\b", "<session>"),
        (r"\b[0-9a-f]{64}\b", "<digest>"),
        (r"\b[0-9a-f]{12}\b", "<digest>"),
        (r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|UTC))?", "<time>"),
        (r"\b\d+(\.\d+)? ?(ms|s|min)\b", "<duration>"),
        // An image that another maze uses exists already.
        (r"\b\d+ changes?\b", "<n> changes"),
        // Each address of the host is probed, and other networks on Docker add addresses.
        (r"\b\d+ probes\b", "<n> probes"),
        (r"\bVNI \d+", "VNI <n>"),
        // A host without power does not answer, or a host between says that there is none.
        (r"tcp connect error: .*", "tcp connect error: <reason>"),
        (r"/tmp/[^ '\x22`]*", "<path>"),
        // White space between columns depends on the longest cell.
        (r" {2,}", "  "),
    ]
    .map(|(pattern, constant)| (Regex::new(pattern).expect("a pattern"), constant))
    .into()
});

/// Replaces what differs from run to run.
fn normal(line: &str) -> String {
    let mut line = line.trim_end().to_owned();
    for (pattern, constant) in VARIABLE.iter() {
        line = pattern.replace_all(&line, *constant).into_owned();
    }
    line
}

/// Returns whether the printed lines are the shown ones. A shown line `...` stands for any number of lines.
pub(crate) fn matches(shown: &[String], printed: &str) -> bool {
    let shown: Vec<_> = shown.iter().map(|line| normal(line)).collect();
    let printed: Vec<_> = printed.trim_end().lines().map(normal).collect();
    lines_match(&shown, &printed)
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "..." => (0..=printed.len()).any(|from| lines_match(rest, &printed[from..])),
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| line == first && lines_match(rest, others)),
    }
}

#[test]
fn dots_stand_for_any_number_of_lines_and_ids_and_times_are_alike() {
    let shown = |text: &str| text.lines().map(ToOwned::to_owned).collect::<Vec<_>>();
    let maze = "corp (2454cb39-8425-47f3-8b39-0510b041cd77) is active: 25 changes";
    let other = "corp (00000000-8425-47f3-8b39-0510b041cd77) is active: 1 change\n";
    assert!(matches(&shown(maze), other));
    assert!(matches(&shown(&format!("...\n{maze}")), &format!("a\nb\n{other}")));
    assert!(matches(&shown(&format!("...\n{maze}")), other));
    assert!(!matches(&shown(maze), &format!("a\n{other}")));
    assert!(!matches(&shown("corp is failed"), "corp is active"));
    assert!(!matches(&[], "text"));
    assert!(matches(&[], "\n"));
    let log = "2026-11-27 08:16:58.020Z  corp/web-01/ssh  172.20.0.1  session.open";
    assert!(matches(&shown(log), &log.replace("08:16:58.020", "23:59:00.1")));
}
