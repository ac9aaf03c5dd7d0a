//! The programs of `awk` that scripts of intruders have: fields of some lines.

use super::{outcome::Own, shell::Shell};

/// Prints fields of the lines of the input, as `{print $2, $3}` and `NR==2 {print $1}` say. A program of another form prints nothing.
pub(super) fn run(shell: &mut Shell, arguments: &[&str], input: Option<&str>) -> Own {
    shell.status = 0;
    let separator = match arguments {
        ["-F", separator, ..] => Some(*separator),
        [first, ..] => first.strip_prefix("-F"),
        [] => None,
    };
    let program = arguments.iter().find(|argument| argument.contains("print"));
    let mut own = Own::default();
    let (Some(program), Some(input)) = (program, input) else {
        return own;
    };
    let Some((condition, action)) = program.split_once('{') else {
        return own;
    };
    let action = action.trim().trim_end_matches(['}', ';', ' ']);
    let Some(printed) = action.strip_prefix("print") else {
        return own;
    };
    let wanted: Option<usize> = condition
        .trim()
        .strip_prefix("FNR")
        .or_else(|| condition.trim().strip_prefix("NR"))
        .and_then(|rest| rest.trim().strip_prefix("==")?.trim().parse().ok());
    let items: Vec<&str> = printed.split(',').map(str::trim).collect();
    for (at, line) in input.lines().enumerate() {
        if wanted.is_some_and(|wanted| wanted != at + 1) {
            continue;
        }
        let fields: Vec<&str> = match separator {
            Some(separator) => line.split(separator).collect(),
            None => line.split_whitespace().collect(),
        };
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                own.output.push(' ');
            }
            own.output.push_str(value(item, line, &fields));
            if own.is_full() {
                return own;
            }
        }
        own.output.push('\n');
    }
    own
}

fn value<'a>(item: &'a str, line: &'a str, fields: &[&'a str]) -> &'a str {
    match item.strip_prefix('$') {
        None if item.is_empty() => line,
        None => item.trim_matches('"'),
        Some("0") => line,
        Some("NF") => fields.last().copied().unwrap_or_default(),
        Some(number) => {
            let at = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            at.and_then(|at| fields.get(at)).copied().unwrap_or_default()
        }
    }
}
