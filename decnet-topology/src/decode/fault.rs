use crate::{
    decode::{Fault, Problem},
    finding::{Code, Finding, Target},
    spelling,
};

impl From<Fault> for Finding {
    fn from(fault: Fault) -> Self {
        let Fault { path, place, problem } = fault;
        let (line, column) = place.unzip();
        let whole = |path: &str| if path.is_empty() { "the document" } else { path }.to_owned();
        let (code, message) = match problem {
            Problem::Found { mut finding } => {
                if let Target::Document {
                    line: at, column: to, ..
                } = &mut finding.target
                {
                    (*at, *to) = (line, column);
                }
                return finding.at(place.map(Into::into));
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
                expected,
                found,
                found_type,
            } => {
                // If a number is expected and given, its value is wrong.
                let is_number = found_type == "a number" && expected.contains("number");
                let found = if is_number { found } else { found_type.to_owned() };
                let message = format!("{} must be {expected}, not {found}", whole(&path));
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
        Self::new(code, Target::Document { path, line, column }, message).at(place.map(Into::into))
    }
}
