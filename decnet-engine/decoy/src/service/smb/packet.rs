//! The header and the answers of SMB 2 (MS-SMB2, section 2.2).

/// Commands (section 2.2.1.2).
pub(super) mod command {
    pub(crate) const NEGOTIATE: u16 = 0;
    pub(crate) const SESSION_SETUP: u16 = 1;
    pub(crate) const LOGOFF: u16 = 2;
    pub(crate) const TREE_CONNECT: u16 = 3;
    pub(crate) const TREE_DISCONNECT: u16 = 4;
    pub(crate) const CREATE: u16 = 5;
    pub(crate) const CLOSE: u16 = 6;
    pub(crate) const FLUSH: u16 = 7;
    pub(crate) const READ: u16 = 8;
    pub(crate) const WRITE: u16 = 9;
    pub(crate) const LOCK: u16 = 10;
    pub(crate) const IOCTL: u16 = 11;
    pub(crate) const CANCEL: u16 = 12;
    pub(crate) const ECHO: u16 = 13;
    pub(crate) const QUERY_DIRECTORY: u16 = 14;
    pub(crate) const QUERY_INFO: u16 = 16;
    pub(crate) const SET_INFO: u16 = 17;
}

/// Results (MS-ERREF, section 2.3).
pub(super) mod status {
    pub(crate) const MORE: u32 = 0xc000_0016;
    pub(crate) const INVALID_PARAMETER: u32 = 0xc000_000d;
    pub(crate) const NO_SUCH_FILE: u32 = 0xc000_000f;
    pub(crate) const INVALID_REQUEST: u32 = 0xc000_0010;
    pub(crate) const ACCESS_DENIED: u32 = 0xc000_0022;
    pub(crate) const NOT_FOUND: u32 = 0xc000_0034;
    pub(crate) const LOGON_FAILURE: u32 = 0xc000_006d;
    pub(crate) const INSUFFICIENT_RESOURCES: u32 = 0xc000_009a;
    pub(crate) const NOT_SUPPORTED: u32 = 0xc000_00bb;
    pub(crate) const NETWORK_NAME_DELETED: u32 = 0xc000_00c9;
    pub(crate) const BAD_NETWORK_NAME: u32 = 0xc000_00cc;
    pub(crate) const PIPE_EMPTY: u32 = 0xc000_00d9;
    pub(crate) const FILE_CLOSED: u32 = 0xc000_0128;
    pub(crate) const NO_REFERENCE: u32 = 0xc000_0225;
    pub(crate) const USER_SESSION_DELETED: u32 = 0xc000_0203;
}

/// The fields of a request's header that its answer needs.
#[derive(Debug, Clone, Default)]
pub(super) struct Header {
    pub(super) command: u16,
    pub(super) next: u32,
    pub(super) tree: u32,
    pub(super) session: u64,
    charge: u16,
    credits: u16,
    flags: u32,
    message: u64,
    process: u32,
}

impl Header {
    /// Reads the header. It is none if the bytes do not start with one.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let is_header = message.starts_with(b"\xfeSMB\x40\0") && message.len() >= 64;
        is_header.then_some(())?;
        Some(Self {
            charge: short(message, 6)?,
            command: short(message, 12)?,
            credits: short(message, 14)?,
            flags: long(message, 16)?,
            next: long(message, 20)?,
            message: wide(message, 24)?,
            process: long(message, 32)?,
            tree: long(message, 36)?,
            session: wide(message, 40)?,
        })
    }

    /// Returns whether the request continues the one before it in the same message.
    pub(super) fn is_related(&self) -> bool {
        self.flags & 4 != 0
    }

    /// Returns the answer with its header.
    pub(super) fn answer(&self, response: &Response) -> Vec<u8> {
        let mut bytes = b"\xfeSMB\x40\0".to_vec();
        bytes.extend(self.charge.to_le_bytes());
        bytes.extend(response.status.to_le_bytes());
        bytes.extend(self.command.to_le_bytes());
        bytes.extend(self.credits.clamp(1, 512).to_le_bytes());
        bytes.extend((self.flags & 0x70 | 1).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.message.to_le_bytes());
        bytes.extend(self.process.to_le_bytes());
        bytes.extend(self.tree.to_le_bytes());
        bytes.extend(self.session.to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend_from_slice(&response.body);
        bytes
    }
}

/// An answer without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    status: u32,
    body: Vec<u8>,
}

impl Response {
    pub(super) fn new(status: u32, body: Vec<u8>) -> Self {
        Self { status, body }
    }

    /// An error.
    pub(super) fn error(status: u32) -> Self {
        Self::new(status, [&[9, 0][..], &[0; 7]].concat())
    }

    /// An answer that only has its size.
    pub(super) fn short(status: u32, size: u16) -> Self {
        Self::new(status, [size.to_le_bytes(), [0; 2]].concat())
    }

    /// The answer to a login.
    pub(super) fn session(status: u32, flags: u16, token: &[u8]) -> Self {
        let head = [9, flags, 72, u16::try_from(token.len()).unwrap_or_default()];
        Self::new(status, [&head.map(u16::to_le_bytes).concat(), token].concat())
    }

    /// The answer to a request that opens a pipe or a folder.
    pub(super) fn created(id: u64, attributes: u8) -> Self {
        let mut body = vec![89, 0, 0, 0, 1, 0, 0, 0];
        body.extend([0; 48]);
        body.extend([attributes, 0, 0, 0, 0, 0, 0, 0]);
        body.extend(handle(id));
        body.extend([0; 8]);
        Self::new(0, body)
    }

    /// Bytes that were read.
    pub(super) fn read(data: &[u8]) -> Self {
        let length = u32::try_from(data.len()).unwrap_or_default();
        Self::new(0, [&[17, 0, 80, 0][..], &length.to_le_bytes(), &[0; 8], data].concat())
    }

    /// The number of bytes that were written.
    pub(super) fn written(count: usize) -> Self {
        let count = u32::try_from(count).unwrap_or_default();
        Self::new(0, [&[17, 0, 0, 0][..], &count.to_le_bytes(), &[0; 8]].concat())
    }

    /// Information.
    pub(super) fn info(data: &[u8]) -> Self {
        let length = u32::try_from(data.len()).unwrap_or_default();
        Self::new(0, [&[9, 0, 72, 0][..], &length.to_le_bytes(), data].concat())
    }

    /// The output of a control code.
    pub(super) fn control(code: u32, id: u64, output: &[u8]) -> Self {
        let mut body = vec![49, 0, 0, 0];
        body.extend(code.to_le_bytes());
        body.extend(if id == u64::MAX { [0xff; 16] } else { handle(id) });
        let length = u32::try_from(output.len()).unwrap_or_default();
        for number in [112, 0, 112, length, 0, 0] {
            body.extend(number.to_le_bytes());
        }
        body.extend_from_slice(output);
        Self::new(0, body)
    }
}

/// Returns the 16 bytes that name an open file.
fn handle(id: u64) -> [u8; 16] {
    let [persistent, volatile] = [id & 0xffff_ffff, id.rotate_left(32)].map(u64::to_le_bytes);
    std::array::from_fn(|place| *persistent.get(place).or(volatile.get(place % 8)).unwrap_or(&0))
}

/// Returns the number of the open file that a request names at a place of its body.
pub(super) fn file(request: &[u8], place: usize) -> Option<u64> {
    let [low, high] = [wide(request, 64 + place)?, wide(request, 72 + place)?];
    let id = high.rotate_left(32);
    (id & 0xffff_ffff == low).then_some(id)
}

/// Returns a part of a request. Its place in the request and its length are numbers of `size` bytes at `at`.
pub(super) fn block(request: &[u8], at: usize, size: usize) -> Option<&[u8]> {
    let (start, length) = if size == 2 {
        (short(request, at)?.into(), short(request, at + 2)?.into())
    } else {
        (long(request, at)?, long(request, at + 4)?)
    };
    let (start, length) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
    if length == 0 {
        return Some(&[]);
    }
    request.get(start..start.checked_add(length)?)
}

pub(super) fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn wide(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Returns a message with its length before it.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or_default() & 0x1_ffff;
    [&length.to_be_bytes(), message].concat()
}

/// Returns a `NetBIOS` name (RFC 1001, section 14.1): 32 letters from A to P after their number, without spaces at the end.
pub(super) fn netbios_name(bytes: &[u8]) -> Option<String> {
    let letters = bytes.strip_prefix(b" ")?.get(..30)?;
    let half = |letter: u8| letter.checked_sub(b'A').filter(|half| *half < 16);
    let name = letters
        .chunks_exact(2)
        .map(|pair| Some(half(*pair.first()?)? << 4 | half(*pair.get(1)?)?));
    let name = name.collect::<Option<Vec<u8>>>()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}
