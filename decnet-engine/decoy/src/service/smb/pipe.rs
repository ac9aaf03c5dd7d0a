//! The pipe `srvsvc`: DCE/RPC (C706) with the list of shares (MS-SRVS).

use super::{
    super::{context::Context, dialogue::Turn, event::Event, wire::ntlm::utf16},
    packet::{long, short},
    shares::Shares,
};

/// The syntax NDR, version 2.
const NDR: [u8; 20] = [
    0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0,
];

/// The maximum number of bytes of a fragment.
const MOST_BYTES: u16 = 4280;

/// The error of an operation that an interface does not have.
const NO_OPERATION: u32 = 0x1c01_0002;

/// An open pipe.
#[derive(Debug)]
pub(super) struct Pipe {
    output: Vec<u8>,
    group: u32,
    is_windows: bool,
}

impl Pipe {
    pub(super) fn new(context: &Context) -> Self {
        Self {
            output: Vec::new(),
            group: u32::from(u16::from_le_bytes(context.fresh("rpc group"))) | 0x1000,
            is_windows: context.persona().is_windows(),
        }
    }

    /// Takes the answers that wait.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Answers to a fragment. Bytes that are none have no answer.
    pub(super) fn write(&mut self, fragment: &[u8], shares: &Shares, turn: &mut Turn) {
        let Some(&[5, _, kind, ..]) = fragment.first_chunk::<4>() else {
            turn.report(Event::probe("not dce/rpc", fragment));
            return;
        };
        let call = long(fragment, 12).unwrap_or_default();
        self.output = match kind {
            11 | 14 => packet(kind + 1, call, &self.bind(fragment)),
            0 => match short(fragment, 22) {
                Some(15) => {
                    turn.report(Event::request("srvsvc", "NetrShareEnum"));
                    let body = list(fragment.get(24..).unwrap_or_default(), shares);
                    let length = u32::try_from(body.len()).unwrap_or_default();
                    packet(2, call, &[&length.to_le_bytes()[..], &[0; 4], &body].concat())
                }
                operation => {
                    turn.report(Event::request(
                        "srvsvc",
                        format!("operation {}", operation.unwrap_or_default()),
                    ));
                    let head = [[32, 0, 0, 0], [0; 4]].concat();
                    packet(3, call, &[&head[..], &NO_OPERATION.to_le_bytes(), &[0; 4]].concat())
                }
            },
            _ => return,
        };
    }

    /// Accepts the contexts with the syntax NDR.
    fn bind(&self, fragment: &[u8]) -> Vec<u8> {
        let size = MOST_BYTES.to_le_bytes();
        let mut body = [size, size].concat();
        body.extend(self.group.to_le_bytes());
        let name: &[u8] = if self.is_windows {
            b"\\PIPE\\srvsvc\0"
        } else {
            b"\\pipe\\srvsvc\0"
        };
        body.extend(u16::try_from(name.len()).unwrap_or_default().to_le_bytes());
        body.extend_from_slice(name);
        body.resize(body.len().next_multiple_of(4), 0);
        let count = fragment.get(24).copied().unwrap_or_default().min(8);
        body.extend([count, 0, 0, 0]);
        let mut at = 28;
        for _ in 0..count {
            let syntaxes = usize::from(fragment.get(at + 2).copied().unwrap_or_default());
            let end = at + 24 + 20 * syntaxes;
            let offered = fragment.get(at + 24..end).unwrap_or_default();
            if offered.chunks_exact(20).any(|syntax| syntax == NDR) {
                body.extend([0; 4]);
                body.extend(NDR);
            } else {
                body.extend([2, 0, 2, 0]);
                body.extend([0; 20]);
            }
            at = end;
        }
        body
    }
}

/// Returns a fragment. `body` is what follows the length of the login, which is none.
fn packet(kind: u8, call: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![5, 0, kind, 3, 0x10, 0, 0, 0];
    bytes.extend(u16::try_from(16 + body.len()).unwrap_or_default().to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(call.to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Returns the answer to `NetrShareEnum` (MS-SRVS, section 3.1.4.8). `arguments` are a name and the level.
fn list(arguments: &[u8], shares: &Shares) -> Vec<u8> {
    let level = match long(arguments, 0) {
        Some(0) => long(arguments, 4),
        _ => long(arguments, 12).and_then(|length| {
            let length = usize::try_from(length)
                .ok()?
                .checked_mul(2)?
                .checked_next_multiple_of(4)?;
            long(arguments, length.checked_add(16)?)
        }),
    };
    let level = level.unwrap_or(u32::MAX);
    let has_remarks = level == 1;
    let mut numbers: Vec<u32> = vec![level, level];
    if level > 1 {
        // Other levels are for administrators.
        numbers.extend([0, 0, 0, 5]);
        return numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    }
    let count = u32::try_from(shares.all.len()).unwrap_or_default();
    let mut pointer = 0x0002_0008;
    let mut next = || {
        pointer += 4;
        pointer
    };
    numbers.extend([next(), count, next(), count]);
    for share in &shares.all {
        numbers.push(next());
        if has_remarks {
            numbers.extend([share.kind, next()]);
        }
    }
    let mut body: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    for share in &shares.all {
        for text in [Some(&share.name), has_remarks.then_some(&share.remark)]
            .into_iter()
            .flatten()
        {
            let text = utf16(&format!("{text}\0"));
            let length = u32::try_from(text.len() / 2).unwrap_or_default();
            for number in [length, 0, length] {
                body.extend(number.to_le_bytes());
            }
            body.extend(text);
            body.resize(body.len().next_multiple_of(4), 0);
        }
    }
    for number in [count, next(), 0, 0] {
        body.extend(number.to_le_bytes());
    }
    body
}
