use std::collections::{BTreeSet, HashMap};

use serde::de::DeserializeSeed;

use crate::{
    document::{
        DocumentError, FORMAT, MAX_BYTES, MAX_DEPTH, Syntax,
        place::{Path, Place, Reading, line_and_column},
        shapes::{Document, RawAttachment, RawDocument},
    },
    finding::{Code, Finding, Target},
    model::{Draft, DraftAttachment, DraftDecky, DraftLan},
    name::CaseInsensitive,
    spelling,
};

/// Reads a maze file.
///
/// What could not be read is in [`Draft::findings`], the rest in the draft: a LAN whose subnet is no subnet has none, an
/// attachment whose address is none is a membership without address, one to an unknown LAN and the second of two to the
/// same LAN are dropped, and so is a LAN or decky without a name. An attachment names its LAN without regard to case; of
/// two LANs of one name, it means the first.
///
/// Whether names are names and stand there once is not asked here but by [`validate`](crate::validate::validate()), as a
/// draft made by hand may have such faults as well.
///
/// # Errors
///
/// One finding: `DOC_SYNTAX` if the text is not UTF-8, no JSON or YAML, too long or too deep; `DOC_FORMAT` if it is no
/// `decnet.topology/1` document.
pub fn parse(text: impl AsRef<[u8]>, syntax: Syntax) -> Result<Draft, DocumentError> {
    let bytes = text.as_ref();
    let refused = |place, message: String| Err(DocumentError::new(Code::DocSyntax, place, message));
    if bytes.len() > MAX_BYTES {
        let message = format!("the document has {} bytes, {MAX_BYTES} are allowed", bytes.len());
        return refused(None, message);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let place = line_and_column(&valid, valid.len());
            return refused(Some(place), "the document is not UTF-8; save it as UTF-8".into());
        }
    };
    if text.trim().is_empty() {
        return refused(
            None,
            format!("the document is empty; it starts with `format: {FORMAT}`"),
        );
    }
    let reading = Reading::new(text);
    let place = Place {
        reading: &reading,
        path: &Path::Root,
    };
    let read = match syntax {
        Syntax::Json => json(text, place),
        Syntax::Auto if looks_like_json(text) => json(text, place),
        Syntax::Yaml | Syntax::Auto => yaml(text, place),
    };
    match read {
        Ok(Some(raw)) => {
            let draft = join(raw, &reading);
            Ok(Draft {
                findings: reading.into_findings(),
                ..draft
            })
        }
        Ok(None) => {
            let message = format!("the document must be a map that starts with `format: {FORMAT}`");
            Err(DocumentError::new(Code::DocFormat, None, message))
        }
        Err((at, message)) => match reading.take_fatal() {
            Some((code, offset, message)) => {
                let at = offset.map(|offset| line_and_column(text, offset)).or(at);
                Err(DocumentError::new(code, at, message))
            }
            None => refused(at, message),
        },
    }
}

/// Of so many LANs at most one is guessed that may have been meant.
const HINTED: usize = 100;

type Read<'de> = Result<Option<RawDocument<'de>>, (Option<(usize, usize)>, String)>;

fn looks_like_json(text: &str) -> bool {
    let mut characters = text.chars().filter(|character| !character.is_ascii_whitespace());
    match characters.next() {
        Some('{') => matches!(characters.next(), Some('"' | '}') | None),
        Some('[') => matches!(characters.next(), Some('"' | '{' | '[' | ']') | None),
        _ => false,
    }
}

fn json<'de>(text: &'de str, place: Place<'_>) -> Read<'de> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read = place.read(Document).deserialize(&mut deserializer);
    read.and_then(|read| deserializer.end().map(|()| read))
        .map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let message = error.to_string();
            let bare = message.rsplit_once(" at line ").map_or(&*message, |(before, _)| before);
            let place = (line > 0).then_some((line, column.max(1)));
            (place, format!("the document is no JSON: {bare}"))
        })
}

fn yaml<'de>(text: &'de str, place: Place<'_>) -> Read<'de> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            // The length of the text bounds these; aliases have bounds of their own.
            max_events: MAX_BYTES,
            max_nodes: MAX_BYTES,
            max_total_scalar_bytes: MAX_BYTES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            // One anchor for the services of a thousand deckies is well meant.
            enforce_alias_anchor_ratio: false,
        },
        emit_comments: false,
        // Both stand in the draft's findings then.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    };
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options, |deserializer| {
        place.read(Document).deserialize(deserializer)
    });
    read.map_err(|error| {
        let at = error.location().and_then(|location| {
            let line = usize::try_from(location.line()).ok().filter(|line| *line > 0)?;
            Some((line, usize::try_from(location.column()).ok()?.max(1)))
        });
        if is_second_document(&error) {
            let message = "a second document begins here; a file holds one maze, so write each to a file of its own";
            return (at, message.into());
        }
        let message = error.to_string();
        let bare = message.lines().next().unwrap_or_default();
        (at, format!("the document is no YAML: {bare}"))
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

/// Joins attachments to the LANs that they name.
fn join(raw: RawDocument<'_>, reading: &Reading<'_>) -> Draft {
    let RawDocument {
        header,
        lans,
        mut deckies,
        attachments,
    } = raw;
    let mut places = Places::new(&lans);
    for own in attachments.chunk_by(|one, other| one.decky == other.decky) {
        join_decky(&mut deckies[own[0].decky], own, &lans, &mut places, reading);
    }
    Draft {
        header,
        lans,
        deckies,
        findings: Vec::new(),
    }
}

fn join_decky(
    decky: &mut DraftDecky,
    attachments: &[RawAttachment<'_>],
    lans: &[DraftLan],
    places: &mut Places<'_>,
    reading: &Reading<'_>,
) {
    decky.attachments.reserve_exact(attachments.len());
    let mut taken = Taken::default();
    for (at, attachment) in attachments.iter().enumerate() {
        let note = |code, message| {
            let target = Target::Attachment {
                decky: decky.name.clone(),
                lan: attachment.lan.to_string(),
            };
            reading.note(attachment.offset, Finding::new(code, target, message));
        };
        if let Some(text) = &attachment.bad_ip {
            let message = format!(
                "`{text}` is no IPv4 address of the form 10.0.0.2 (decky `{}`, LAN `{}`)",
                decky.name, attachment.lan
            );
            note(Code::IpMalformed, message);
        }
        let name = &*attachment.lan;
        let Some(lan) = (if at == 0 { places.home(name) } else { places.find(name) }) else {
            if reading.counts_only(Code::IpUnknownLan) {
                continue;
            }
            let known = lans.iter().take(HINTED);
            let hint = spelling::hint(&attachment.lan, known.map(|lan| lan.name.as_str()));
            let message = format!(
                "decky `{}` is attached to LAN `{}`, which is not there{hint}; add the LAN or drop the attachment",
                decky.name, attachment.lan
            );
            note(Code::IpUnknownLan, message);
            continue;
        };
        if taken.insert(lan) {
            let ip = attachment.ip;
            decky.attachments.push(DraftAttachment { lan, ip });
        } else {
            let message = format!(
                "decky `{}` is attached to LAN `{}` more than once; remove one attachment",
                decky.name, lans[lan].name
            );
            note(Code::AttachmentDup, message);
        }
    }
}

/// Finds LANs by their names.
struct Places<'l> {
    lans: &'l [DraftLan],
    by_name: HashMap<CaseInsensitive<'l>, usize>,
    /// The last home: deckies stand LAN by LAN as a rule.
    last: usize,
}

impl<'l> Places<'l> {
    fn new(lans: &'l [DraftLan]) -> Self {
        let mut by_name = HashMap::with_capacity(lans.len());
        for (at, lan) in lans.iter().enumerate() {
            by_name.entry(CaseInsensitive(&lan.name)).or_insert(at);
        }
        Self { lans, by_name, last: 0 }
    }

    /// Returns the place of the LAN of that name; of several, the first.
    fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&CaseInsensitive(name)).copied()
    }

    /// Finds the LAN that is some decky's home.
    fn home(&mut self, name: &str) -> Option<usize> {
        let are_distinct = self.by_name.len() == self.lans.len();
        let is_named = |place: &usize| self.lans.get(*place).is_some_and(|lan| lan.name == name);
        let near = [self.last, self.last + 1]
            .into_iter()
            .filter(|_| are_distinct)
            .find(is_named);
        let found = near.or_else(|| self.find(name))?;
        self.last = found;
        Some(found)
    }
}

/// The LANs that a decky is attached to: few as a rule, but a document may have very many.
#[derive(Default)]
struct Taken {
    few: [Option<usize>; 4],
    more: BTreeSet<usize>,
}

impl Taken {
    /// Takes a LAN, and tells whether it was free.
    fn insert(&mut self, lan: usize) -> bool {
        for place in &mut self.few {
            match place {
                None => {
                    *place = Some(lan);
                    return true;
                }
                Some(taken) if *taken == lan => return false,
                Some(_) => {}
            }
        }
        self.more.insert(lan)
    }
}
