use crate::{
    decode::{self, At, Diagnostics, TextError, Value, line_and_column},
    document::{DocumentError, FORMAT, Syntax, maze},
    finding::{Code, Finding},
    model::Draft,
};

/// Reads a maze file.
///
/// Unreadable parts are in [`Draft::findings`], the rest is in the draft. A LAN with an invalid subnet has none. An attachment
/// with an invalid address has none. Attachments to unknown LANs, repeated attachments, and LANs and deckies without a name are
/// dropped. An attachment names its LAN without regard to case; if two LANs have that name, it means the first.
///
/// [`validate`](crate::validate::validate()) checks that names are valid and unique, because drafts that are built in code may
/// have such faults as well.
///
/// # Errors
///
/// One finding: `DOC_SYNTAX` if the text is not UTF-8, is not JSON or YAML, is too long or too deep, or has too many values;
/// `DOC_FORMAT` if it is not a `decnet.topology/1` document.
pub fn parse(text: impl AsRef<[u8]>, syntax: Syntax) -> Result<Draft, DocumentError> {
    let refused = |place, message: String| DocumentError::new(Code::DocSyntax, place, message);
    let unreadable = |error: TextError| refused(error.place, error.message("the document"));
    let text = decode::utf8(text.as_ref()).map_err(unreadable)?;
    if text.trim().is_empty() {
        let message = format!("the document is empty; it starts with `format: {FORMAT}`");
        return Err(refused(None, message));
    }
    read(text, &tree(text, syntax).map_err(unreadable)?)
}

/// Reads the values of a text.
pub(crate) fn tree(text: &str, syntax: Syntax) -> Result<Value<'_>, TextError> {
    match syntax {
        Syntax::Json => decode::json(text),
        Syntax::Auto if looks_like_json(text) => decode::json(text),
        Syntax::Yaml | Syntax::Auto => decode::yaml(text),
    }
}

/// Reads a maze file that is a JSON value; its findings have no lines and columns.
///
/// ```
/// use decnet_topology::document;
///
/// let value = serde_json::json!({"format": "decnet.topology/1", "name": "corp", "lans": [{"name": "dmz"}], "deckies": []});
/// let draft = document::from_value(&value)?;
/// assert_eq!(document::to_value(&draft), value);
/// # Ok::<(), decnet_topology::DocumentError>(())
/// ```
///
/// # Errors
///
/// Those of [`parse`].
pub fn from_value(value: &serde_json::Value) -> Result<Draft, DocumentError> {
    let tree = Value::from_json(value)
        .map_err(|error| DocumentError::new(Code::DocSyntax, None, format!("the document has {error}")))?;
    read("", &tree)
}

fn looks_like_json(text: &str) -> bool {
    let mut characters = text.chars().filter(|character| !character.is_ascii_whitespace());
    match characters.next() {
        Some('{') => matches!(characters.next(), Some('"' | '}') | None),
        Some('[') => matches!(characters.next(), Some('"' | '{' | '[' | ']') | None),
        _ => false,
    }
}

fn read(text: &str, tree: &Value<'_>) -> Result<Draft, DocumentError> {
    check_format(text, tree)?;
    let diagnostics = Diagnostics::new(text);
    let mut draft = maze::draft(At::root(&diagnostics, tree)).unwrap_or_default();
    let (faults, more) = diagnostics.finish();
    draft.findings.extend(faults.into_iter().map(Finding::from).chain(more));
    Ok(draft)
}

/// Refuses what is not a document of this format.
fn check_format(text: &str, tree: &Value<'_>) -> Result<(), DocumentError> {
    let refused = |place, message: String| Err(DocumentError::new(Code::DocFormat, place, message));
    let Value::Map(entries) = tree else {
        let message = format!("the document must be a map that starts with `format: {FORMAT}`");
        return refused(None, message);
    };
    match entries.iter().find(|(key, _)| key == "format") {
        Some((_, Value::Text(format))) if format == FORMAT => Ok(()),
        Some((key, found)) => {
            let at = if let Value::Text(text) = found { text } else { key };
            let offset = Diagnostics::new(text).offset_of(at);
            let place = offset.map(|offset| line_and_column(text, offset));
            refused(place, format!("`format` is {found}, but this program reads `{FORMAT}`"))
        }
        None => {
            let message = format!("the document has no `format`; add `format: {FORMAT}` if it is a maze file");
            refused(None, message)
        }
    }
}
