//! The negotiation of a dialect, with SMB 1 clients too.

use jiff::Timestamp;

use super::{
    super::{
        context::Context,
        dialogue::Turn,
        event::Event,
        wire::{ntlm::file_time, spnego},
    },
    packet::{Header, Response, long, short, status},
};

/// The dialects of a server and its id.
#[derive(Debug)]
pub(super) struct Dialects {
    /// In the order of their number.
    offered: Vec<u16>,
    is_windows: bool,
    guid: [u8; 16],
    salt: [u8; 32],
    chosen: u16,
}

/// The dialect number of a server that answers a client of SMB 1.
const ANY: u16 = 0x02ff;

impl Dialects {
    pub(super) fn new(context: &Context, computer: &str) -> Self {
        let is_windows = context.persona().is_windows();
        let names = context
            .fields()
            .options("dialects")
            .unwrap_or_else(|| vec!["SMB2", "SMB3"]);
        let mut offered = Vec::new();
        if names.contains(&"SMB2") {
            offered.extend([0x0202, 0x0210]);
        }
        if names.contains(&"SMB3") {
            offered.extend([0x0300, 0x0302, 0x0311]);
        }
        // The id of Samba is its name.
        let name = computer.to_lowercase().into_bytes();
        let of_name = std::array::from_fn(|place| name.get(place).copied().unwrap_or_default());
        Self {
            offered,
            is_windows,
            guid: if is_windows {
                context.stable("smb guid")
            } else {
                of_name
            },
            salt: context.fresh("smb salt"),
            chosen: 0,
        }
    }

    /// Returns whether the server speaks SMB 2 or 3 at all.
    pub(super) fn is_new(&self) -> bool {
        !self.offered.is_empty()
    }

    /// Answers to a message of SMB 1, which is a negotiation. The answer is none if the server closes the connection.
    pub(super) fn old(&mut self, message: &[u8], turn: &mut Turn) -> Option<Vec<u8>> {
        let names = message.get(35..).unwrap_or_default();
        let names: Vec<_> = names
            .split(|byte| *byte == 0)
            .filter_map(|name| name.strip_prefix(b"\x02"))
            .collect();
        if message.get(4) != Some(&0x72) || names.is_empty() || self.chosen != 0 {
            turn.report(Event::probe("smb 1", message));
            return None;
        }
        turn.report(Event::request("negotiate", names.join(&b", "[..]).as_slice()));
        let dialect = if names.contains(&&b"SMB 2.???"[..]) {
            ANY
        } else if names.contains(&&b"SMB 2.002"[..]) && self.offered.contains(&0x0202) {
            0x0202
        } else {
            0
        };
        if dialect != 0 && self.is_new() {
            let header = Header::default();
            return Some(header.answer(&self.answer(dialect, turn.now(), &[])));
        }
        if self.is_windows {
            return None;
        }
        // Samba answers in SMB 1 that it knows none of the dialects.
        let mut answer = b"\xffSMBr\0\0\0\0\x88\x03\x40".to_vec();
        answer.extend([0; 12]);
        answer.extend(message.get(24..32).unwrap_or(&[0; 8]));
        answer.extend(b"\x01\xff\xff\0\0");
        Some(answer)
    }

    /// Answers to a negotiation (MS-SMB2, section 2.2.3). The answer is none if the server closes the connection.
    pub(super) fn negotiate(&mut self, request: &[u8], now: Timestamp) -> Option<Response> {
        if self.chosen != 0 && self.chosen != ANY {
            return None;
        }
        let count = usize::from(short(request, 66)?);
        let wanted: Vec<u16> = (0..count.min(64))
            .map_while(|number| short(request, 100 + 2 * number))
            .collect();
        if wanted.is_empty() {
            return Some(Response::error(status::INVALID_PARAMETER));
        }
        let Some(chosen) = self.offered.iter().rev().find(|dialect| wanted.contains(dialect)) else {
            return Some(Response::error(status::NOT_SUPPORTED));
        };
        Some(self.answer(*chosen, now, request))
    }

    fn answer(&mut self, dialect: u16, now: Timestamp, request: &[u8]) -> Response {
        self.chosen = dialect;
        let token = spnego::offer(self.is_windows);
        let size: u32 = if dialect == 0x0202 { 0x1_0000 } else { 0x80_0000 };
        let contexts = if dialect == 0x0311 {
            self.contexts(request)
        } else {
            Vec::new()
        };
        let mut body = vec![65, 0, 1, 0];
        body.extend(dialect.to_le_bytes());
        body.extend(u16::try_from(contexts.len()).unwrap_or_default().to_le_bytes());
        body.extend(self.guid);
        for number in [self.capabilities(), size, size, size] {
            body.extend(number.to_le_bytes());
        }
        body.extend(file_time(now).to_le_bytes());
        body.extend([0; 8]);
        body.extend(128_u16.to_le_bytes());
        body.extend(u16::try_from(token.len()).unwrap_or_default().to_le_bytes());
        let place = (128 + token.len()).next_multiple_of(8);
        let place = u32::try_from(place).unwrap_or_default();
        // Samba leaves this field empty, Windows leaves old bytes in it.
        body.extend(if contexts.is_empty() {
            [0; 4]
        } else {
            place.to_le_bytes()
        });
        body.extend(token);
        for context in contexts {
            body.resize(body.len().next_multiple_of(8), 0);
            body.extend(context);
        }
        Response::new(0, body)
    }

    fn capabilities(&self) -> u32 {
        match (self.chosen, self.is_windows) {
            (0x0202, _) => 0x01,
            (ANY | 0x0210, _) => 0x07,
            (_, true) => 0x2f,
            (_, false) => 0x0f,
        }
    }

    /// Returns the contexts of SMB 3.1.1: the hash, and a cipher and a signature that the client knows.
    fn contexts(&self, request: &[u8]) -> Vec<Vec<u8>> {
        let context = |kind: u16, data: &[u8]| {
            let length = u16::try_from(data.len()).unwrap_or_default();
            [&kind.to_le_bytes()[..], &length.to_le_bytes(), &[0; 4], data].concat()
        };
        let mut contexts = vec![context(1, &[&[1, 0, 32, 0, 1, 0][..], &self.salt].concat())];
        for (kind, preferred) in [(2, [2, 1, 4, 3]), (8, [2, 1, 0, 0])] {
            let offered = offered(request, kind);
            // Windows has known signatures as a choice since build 20348.
            let chosen = preferred.iter().find(|number| offered.contains(number));
            if let Some(chosen) = chosen.filter(|_| kind == 2 || !self.is_windows) {
                contexts.push(context(kind, &[1, 0, *chosen, 0]));
            }
        }
        contexts
    }

    /// Returns what a client compares with the negotiation.
    pub(super) fn validation(&self) -> Vec<u8> {
        [
            &self.capabilities().to_le_bytes()[..],
            &self.guid,
            &[1, 0],
            &self.chosen.to_le_bytes(),
        ]
        .concat()
    }
}

/// Returns the numbers that a client offers in a context. They are all below 256.
fn offered(request: &[u8], kind: u16) -> Vec<u8> {
    let mut at = long(request, 92)
        .and_then(|at| usize::try_from(at).ok())
        .unwrap_or(usize::MAX);
    for _ in 0..8 {
        let (Some(found), Some(length)) = (short(request, at), short(request, at.saturating_add(2))) else {
            break;
        };
        let start = at.saturating_add(8);
        if found == kind {
            let numbers = request
                .get(start.saturating_add(2)..start.saturating_add(length.into()))
                .unwrap_or_default();
            return numbers.iter().step_by(2).copied().collect();
        }
        at = start
            .saturating_add(length.into())
            .checked_next_multiple_of(8)
            .unwrap_or(usize::MAX);
    }
    Vec::new()
}
