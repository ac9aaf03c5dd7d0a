use serde::Deserialize;

use crate::decode::{MAX_BYTES, MAX_DEPTH, Value, line_and_column};

/// The reason why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextError {
    /// The line and the column, from 1, where they are known.
    pub(crate) place: Option<(usize, usize)>,
    /// The expected syntax: JSON, YAML or TOML; none if that does not matter.
    pub(crate) syntax: Option<&'static str>,
    /// What is wrong, for people.
    pub(crate) reason: String,
}

impl TextError {
    /// Describes the error of a text, which `what` names.
    pub(crate) fn message(&self, what: &str) -> String {
        match self.syntax {
            Some(syntax) => format!("{what} cannot be read as {syntax}: {}", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// Reads bytes as UTF-8, up to the longest text and without a byte order mark.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, TextError> {
    let refused = |place, reason| TextError {
        place,
        syntax: None,
        reason,
    };
    if bytes.len() > MAX_BYTES {
        let reason = format!("the document has {} bytes, {MAX_BYTES} are allowed", bytes.len());
        return Err(refused(None, reason));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let place = line_and_column(&valid, valid.len());
            Err(refused(
                Some(place),
                "the document is not UTF-8; save it as UTF-8".into(),
            ))
        }
    }
}

/// Reads TOML 1.0. A date or time is a map with one key.
pub(crate) fn toml(text: &str) -> Result<Value<'_>, TextError> {
    toml::from_str(text).map_err(|error| TextError {
        place: error
            .span()
            .map(|span| line_and_column(text, span.start.min(text.len()))),
        syntax: Some("TOML"),
        reason: error.message().into(),
    })
}

/// Reads JSON (RFC 8259).
pub(crate) fn json(text: &str) -> Result<Value<'_>, TextError> {
    serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let message = error.to_string();
        TextError {
            place: (line > 0).then_some((line, column.max(1))),
            syntax: Some("JSON"),
            reason: with_advice(&message),
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
            let reason = "a second document begins here; a file holds one maze, so write each one to a separate file";
            return TextError {
                place,
                syntax: None,
                reason: reason.into(),
            };
        }
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default();
        let reason = beyond_limit(message).unwrap_or_else(|| with_advice(message));
        TextError {
            place,
            syntax: Some("YAML"),
            reason,
        }
    })
}

/// Says which limit a YAML document exceeds, if the message of the parser is about a limit.
fn beyond_limit(message: &str) -> Option<String> {
    let is_budget = message.contains("budget breached");
    if message.starts_with("recursion limit") || is_budget && message.contains("Depth") {
        return Some(format!("lists and maps are nested more than {MAX_DEPTH} levels deep"));
    }
    let is_alias = message.contains("alias") && message.contains("limit");
    if is_alias || is_budget && (message.contains("Anchor") || message.contains("Alias")) {
        return Some("its aliases (`*name`) repeat too many values; write fewer of them".into());
    }
    is_budget.then(|| "it has too many values".into())
}

/// Removes the place from the message of a parser, and says what to do about frequent mistakes.
fn with_advice(message: &str) -> String {
    let bare = message.rsplit_once(" at line ").map_or(message, |(before, _)| before);
    let advice = match bare {
        "trailing comma" => "remove the comma before the closing bracket",
        _ if bare.contains("tabs disallowed") => "indent with spaces, not with tabs",
        _ if bare.contains("mapping values are not allowed") => {
            "check the indentation, and write a text that contains `: ` in quotes"
        }
        _ => return bare.into(),
    };
    format!("{bare}; {advice}")
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
