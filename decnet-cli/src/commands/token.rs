use std::path::PathBuf;

use decnet_engine::{AccessScope, AccessToken, TokenFile};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{command_error::CommandError, context::Context, exit::Exit, store, table, text};

/// Manage the tokens of the HTTP API.
///
/// Only a digest of a token is stored, in a file beside the database. A running `decnet serve` sees each change at once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet token create ci --scope write\n  \
                        decnet token list")]
pub(crate) struct Arguments {
    /// The task.
    #[command(subcommand)]
    task: Task,
    /// The file of the tokens [default: beside the database].
    #[arg(long, global = true, value_name = "FILE")]
    tokens: Option<PathBuf>,
}

/// Tasks on tokens.
#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Make a token, and print it. It cannot be printed again.
    #[command(after_help = "Examples:\n  \
                        decnet token create ci --scope write")]
    Create {
        /// The name of its user, for the audit trail.
        name: String,
        /// What it allows: read; write, which also changes and deploys mazes; admin, which also reaps.
        #[arg(long, value_name = "SCOPE")]
        scope: AccessScope,
    },
    /// List the tokens.
    #[command(after_help = "Examples:\n  \
                        decnet token list")]
    List,
    /// Revoke a token. It is refused from now on.
    #[command(after_help = "Examples:\n  \
                        decnet token revoke 1f8b2c3d")]
    Revoke {
        /// Its id, as `decnet token list` prints it.
        id: String,
    },
}

/// Runs a task on tokens.
pub(crate) fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let file = file(context, arguments.tokens)?;
    match arguments.task {
        Task::Create { name, scope } => {
            let secret = file.create(&name, scope, Timestamp::now())?;
            context
                .output
                .either(&json!({ "token": secret, "name": name, "scope": scope }), || {
                    format!("{secret}\n")
                })?;
            context.output.note(format!(
                "a token of {name} with the scope {scope}; it is not shown again"
            ));
        }
        Task::List => list(context, &file.list()?)?,
        Task::Revoke { id } => {
            let revoked = file.revoke(&id)?;
            context.output.either(&shown(&revoked), || {
                format!("revoked {}  {}\n", revoked.id, revoked.name)
            })?;
        }
    }
    Ok(Exit::Done)
}

/// Returns the file of the tokens: as given, or beside the database.
pub(super) fn file(context: &Context, given: Option<PathBuf>) -> Result<TokenFile, CommandError> {
    if let Some(path) = given {
        return Ok(TokenFile::new(path));
    }
    Ok(TokenFile::new(store::companion(&context.globals, ".tokens")?))
}

fn list(context: &Context, tokens: &[AccessToken]) -> Result<(), CommandError> {
    if context.output.json {
        let tokens: Vec<_> = tokens.iter().map(shown).collect();
        return context.output.json(&json!({ "tokens": tokens }));
    }
    if tokens.is_empty() {
        context
            .output
            .note("no tokens; `decnet token create NAME --scope write` makes one");
        return Ok(());
    }
    let cells = |token: &AccessToken| {
        [
            token.id.clone(),
            token.name.clone(),
            token.scope.to_string(),
            text::time(token.created_at),
        ]
    };
    let rows = table::rows(["ID", "NAME", "SCOPE", "CREATED"], tokens.iter().map(cells));
    context.output.data(&rows)
}

/// Returns a token as JSON, without its digest.
fn shown(token: &AccessToken) -> Value {
    json!({ "id": token.id, "name": token.name, "scope": token.scope, "created_at": token.created_at })
}
