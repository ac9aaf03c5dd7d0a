use crate::{
    decode::{self, At, Diagnostics, Fault, Problem, TextError, Value, line_and_column},
    document::{DocumentError, FORMAT, MAX_BYTES, Syntax, maze},
    finding::{Code, Finding, Target},
    model::Draft,
    spelling,
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
    let bytes = text.as_ref();
    let refused = |place, message: String| DocumentError::new(Code::DocSyntax, place, message);
    if bytes.len() > MAX_BYTES {
        let message = format!("the document has {} bytes, {MAX_BYTES} are allowed", bytes.len());
        return Err(refused(None, message));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let place = line_and_column(&valid, valid.len());
            return Err(refused(
                Some(place),
                "the document is not UTF-8; save it as UTF-8".into(),
            ));
        }
    };
    if text.trim().is_empty() {
        let message = format!("the document is empty; it starts with `format: {FORMAT}`");
        return Err(refused(None, message));
    }
    let tree = match syntax {
        Syntax::Json => decode::json(text),
        Syntax::Auto if looks_like_json(text) => decode::json(text),
        Syntax::Yaml | Syntax::Auto => decode::yaml(text),
    };
    let tree = tree.map_err(|TextError { place, message }| refused(place, message))?;
    read(text, &tree)
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

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Self {
        let Fault { path, place, problem } = fault;
        let (line, column) = place.unzip();
        let whole = |path: &str| if path.is_empty() { "the document" } else { path }.to_owned();
        let (code, message) = match problem {
            Problem::Found { mut finding } => {
                match (&mut finding.target, line) {
                    (
                        Target::Document {
                            line: at, column: to, ..
                        },
                        _,
                    ) => (*at, *to) = (line, column),
                    (_, Some(line)) => finding.message = format!("{} (line {line})", finding.message),
                    _ => {}
                }
                return finding;
            }
            Problem::UnknownKey { parent, key, known, .. } => {
                let hint = spelling::hint(&key, known.iter().copied());
                let message = format!("{} has no key `{key}`{hint}", whole(&parent));
                (Code::DocUnknownKey, message)
            }
            Problem::DoubledKey { parent, key } => {
                let message = format!("`{key}` occurs twice in {}; remove one", whole(&parent));
                (Code::DocUnknownKey, message)
            }
            Problem::MissingKey { parent, key, .. } => {
                (Code::DocType, format!("{} has no `{key}`; add it", whole(&parent)))
            }
            Problem::WrongType {
                expected, found_type, ..
            } => {
                let message = format!("{} must be {expected}, not {found_type}", whole(&path));
                (Code::DocType, message)
            }
            Problem::UnknownWord { word, known } => {
                let message = format!("{} is `{word}`, not one of {}", whole(&path), known.join(", "));
                (Code::DocType, message)
            }
            Problem::Name { text, source } => (Code::NameInvalid, format!("`{text}` is not a valid name: {source}")),
            Problem::Subnet { source } => (Code::SubnetMalformed, source.to_string()),
            Problem::Address { text } => (Code::IpMalformed, format!("`{text}` is not an IPv4 address")),
            Problem::Other { message } => (Code::DocType, format!("{} {message}", whole(&path))),
        };
        Self::new(code, Target::Document { path, line, column }, message)
    }
}
