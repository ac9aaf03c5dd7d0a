//! Advice for command lines that are refused: files that are given without their flag, and values from the environment.

use std::{ffi::OsString, path::Path};

use clap::{
    Command, Error,
    builder::StyledStr,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Adds advice to an error, if there is some.
pub(super) fn added(mut error: Error, grammar: &Command, arguments: &[OsString]) -> Error {
    let Some(advice) = advice(&error, grammar, arguments) else {
        return error;
    };
    // The advice of clap would contradict it.
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand] {
        error.remove(kind);
    }
    let advice = ContextValue::StyledStrs(vec![StyledStr::from(advice)]);
    error.insert(ContextKind::Suggested, advice);
    error
}

fn advice(error: &Error, grammar: &Command, arguments: &[OsString]) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let argument = text(ContextKind::InvalidArg)?;
            let command = command(grammar, arguments)?;
            let takes_flag = command.get_arguments().any(|known| known.get_long() == Some("file"));
            let takes_file = command.get_positionals().any(|known| {
                let names = known.get_value_names().unwrap_or_default();
                names.iter().any(|name| name.contains("FILE"))
            });
            match argument {
                "-f" | "--file" if takes_file => {
                    Some(format!("`decnet {}` takes the file without a flag", command.get_name()))
                }
                file if takes_flag && Path::new(file).is_file() => Some(format!("`{file}` is a file: use `-f {file}`")),
                _ => None,
            }
        }
        ErrorKind::MissingRequiredArgument => {
            let command = command(grammar, arguments)?;
            let takes = |id: &str| command.get_arguments().any(|known| known.get_id() == id);
            (takes("topology") && takes("file")).then(|| "name a stored maze, or give a maze file with -f FILE".into())
        }
        ErrorKind::InvalidSubcommand => {
            let file = text(ContextKind::InvalidSubcommand)?;
            let is_file = Path::new(file).is_file();
            is_file.then(|| format!("`{file}` is a file: `decnet deploy -f {file}` deploys the maze in it"))
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let flag = text(ContextKind::InvalidArg)?.split([' ', '=']).next()?;
            let is_given = |argument: &OsString| {
                let argument = argument.to_string_lossy();
                argument == flag || argument.starts_with(&format!("{flag}="))
            };
            if arguments.iter().any(is_given) {
                return None;
            }
            let long = flag.strip_prefix("--")?;
            let command = command(grammar, arguments).unwrap_or(grammar);
            let mut known = command.get_arguments().chain(grammar.get_arguments());
            let variable = known.find(|known| known.get_long() == Some(long))?.get_env()?;
            let value = std::env::var_os(variable)?;
            let variable = variable.to_string_lossy();
            Some(if value.is_empty() {
                format!("the environment variable {variable} is empty: set it to a value, or unset it")
            } else {
                format!("the value comes from the environment variable {variable}")
            })
        }
        _ => None,
    }
}

/// Returns the command that the arguments name: the innermost one.
fn command<'g>(grammar: &'g Command, arguments: &[OsString]) -> Option<&'g Command> {
    let named = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    named.fold(None, |found, name| {
        found.unwrap_or(grammar).find_subcommand(name).or(found)
    })
}
