//! The examples in the help of the commands.

use clap::Command;

use super::grammar;

/// Calls a function with each command and its name, such as `db unlock`.
fn each(command: &Command, name: &str, visit: &mut impl FnMut(&str, &Command)) {
    for subcommand in command.get_subcommands() {
        let name = format!("{name} {}", subcommand.get_name());
        visit(&name, subcommand);
        each(subcommand, &name, visit);
    }
}

/// Returns the grammar with the global flags in each command.
fn built() -> Command {
    let mut grammar = grammar();
    grammar.build();
    grammar
}

/// Returns the examples at the end of a command's long help.
fn examples(command: &Command) -> Vec<String> {
    let help = command.clone().render_long_help().to_string();
    let Some((_, examples)) = help.rsplit_once("Examples:\n") else {
        return Vec::new();
    };
    examples.lines().map(|line| line.trim().to_owned()).collect()
}

/// Splits a line into the commands of a shell, each into its words. Redirections end a command.
fn words(line: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    let mut word: Option<String> = None;
    let (mut quote, mut escaped, mut is_over) = (None, false, false);
    for character in line.chars().chain([' ']) {
        match (quote, character) {
            _ if escaped => {
                word.get_or_insert_default().push(character);
                escaped = false;
            }
            (None | Some('"'), '\\') => escaped = true,
            (Some(open), _) if open == character => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '|' | '&' | '>' | '<') => {
                word = None;
                is_over = true;
                if !words.is_empty() {
                    commands.push(std::mem::take(&mut words));
                }
                if matches!(character, '|' | '&') {
                    is_over = false;
                }
            }
            (None, ' ') => words.extend(word.take().filter(|_| !is_over)),
            _ => word.get_or_insert_default().push(character),
        }
    }
    assert!(quote.is_none(), "a quote is open: {line}");
    commands.push(words);
    commands.retain(|words| !words.is_empty());
    commands
}

#[test]
fn the_help_of_every_command_ends_with_examples_of_it() {
    let mut without = Vec::new();
    each(&built(), "decnet", &mut |name, command| {
        let examples = examples(command);
        if !examples.iter().any(|example| example.contains(name)) {
            without.push(name.to_owned());
        }
    });
    assert!(without.is_empty(), "no examples: {}", without.join(", "));
}

#[test]
fn every_example_is_a_valid_command_line() {
    let mut faults = Vec::new();
    each(&built(), "decnet", &mut |name, command| {
        for example in examples(command) {
            for words in words(&example).iter().filter(|words| words[0] == "decnet") {
                if let Err(error) = grammar().try_get_matches_from(words) {
                    faults.push(format!("{name}: {example}\n{error}"));
                }
            }
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_line_is_split_as_a_shell_does() {
    let line = r#"decnet a 'b "c' "d \"e" f\ g && cp "" x | decnet h > i"#;
    let expected: [&[&str]; 3] = [
        &["decnet", "a", "b \"c", "d \"e", "f g"],
        &["cp", "", "x"],
        &["decnet", "h"],
    ];
    assert_eq!(words(line), expected);
}
