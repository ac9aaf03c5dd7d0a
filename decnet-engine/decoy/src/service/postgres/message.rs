//! Messages of the frontend/backend protocol.

/// An error with its place in the source of PostgreSQL 15.18.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    code: &'static str,
    pub(super) text: String,
    /// The position in the query, from 1.
    position: Option<usize>,
    hint: &'static str,
    file: &'static str,
    line: u32,
    routine: &'static str,
}

impl Fault {
    pub(super) fn at(code: &'static str, text: &str, file: &'static str, line: u32, routine: &'static str) -> Self {
        Self {
            code,
            text: text.into(),
            position: None,
            hint: "",
            file,
            line,
            routine,
        }
    }

    pub(super) fn position(self, position: usize) -> Self {
        Self {
            position: Some(position),
            ..self
        }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    /// Returns the message for a server of a version.
    pub(super) fn encode(&self, severity: &str, version: &str) -> Vec<u8> {
        let position = self.position.map_or(String::new(), |position| format!("P{position}\0"));
        let hint = if self.hint.is_empty() {
            String::new()
        } else {
            format!("H{}\0", self.hint)
        };
        let line = line(self.file, self.line, version);
        let fields = format!(
            "S{severity}\0V{severity}\0C{}\0M{}\0{hint}{position}F{}\0L{line}\0R{}\0\0",
            self.code, self.text, self.file, self.routine
        );
        message(b'E', fields.as_bytes())
    }
}

/// Returns the line in the source of a version. Those of `ProcessStartupPacket` are known from public fingerprints.
fn line(file: &str, line: u32, version: &str) -> u32 {
    if file != "postmaster.c" {
        return line;
    }
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let unsupported = match (numbers.next().unwrap_or(15), numbers.next().unwrap_or(0)) {
        (..=11, _) => 2050,
        (12, _) => 2119,
        (13, _) => 2133,
        (14, _) => 2138,
        (15, 11..) => 2222,
        _ => 2195,
    };
    (line + unsupported).saturating_sub(2222)
}

/// Returns a message with its type and length.
pub(super) fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[kind], &length.to_be_bytes()[..], body].concat()
}

/// Returns `ReadyForQuery` with the state of the transaction.
pub(super) fn ready(transaction: u8) -> Vec<u8> {
    message(b'Z', &[transaction])
}
