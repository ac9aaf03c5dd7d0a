use serde::Deserialize;

use crate::decode::{MAX_BYTES, MAX_DEPTH, Value};

/// The reason why a text is not JSON or YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextError {
    /// The line and the column, from 1, where they are known.
    pub(crate) place: Option<(usize, usize)>,
    /// What is wrong, for people.
    pub(crate) message: String,
}

/// Reads JSON (RFC 8259).
pub(crate) fn json(text: &str) -> Result<Value<'_>, TextError> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        let bare = message.rsplit_once(" at line ").map_or(&*message, |(before, _)| before);
        TextError {
            place: (line > 0).then_some((line, column.max(1))),
            message: format!("the document cannot be read as JSON: {bare}"),
        }
    })
}

/// Reads one YAML 1.2 document.
pub(crate) fn yaml(text: &str) -> Result<Value<'_>, TextError> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            // The length of the text limits these; aliases have limits of their own.
            max_events: MAX_BYTES,
            max_nodes: MAX_BYTES,
            max_total_scalar_bytes: MAX_BYTES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            // A thousand deckies may share one list of services.
            enforce_alias_anchor_ratio: false,
        },
        emit_comments: false,
        // Both entries are then in the tree.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        Value::deserialize(deserializer)
    });
    read.map_err(|error| {
        let place = error.location().and_then(|location| {
            let line = usize::try_from(location.line()).ok().filter(|line| *line > 0)?;
            Some((line, usize::try_from(location.column()).ok()?.max(1)))
        });
        if is_second_document(&error) {
            let message = "a second document begins here; a file holds one maze, so write each one to a separate file";
            return TextError {
                place,
                message: message.into(),
            };
        }
        let message = error.to_string();
        let bare = message.lines().next().unwrap_or_default();
        TextError {
            place,
            message: format!("the document cannot be read as YAML: {bare}"),
        }
    })
}

fn is_second_document(error: &serde_saphyr::Error) -> bool {
    use serde_saphyr::{Error, budget::BudgetBreach};
    matches!(
        error.without_snippet(),
        Error::MultipleDocuments { .. }
            | Error::Budget {
                breach: BudgetBreach::Documents { .. },
                ..
            }
    )
}
