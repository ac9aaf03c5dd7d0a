//! Messages of the visitor: LOGIN7, batches and remote procedure calls.

use super::super::wire::cursor::Cursor;

/// A login.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    /// The version of TDS.
    pub(super) version: u32,
    pub(super) is_integrated: bool,
    pub(super) host: String,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) application: String,
    pub(super) library: String,
    pub(super) database: String,
}

fn text(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or('\u{fffd}'))
        .collect()
}

impl Login {
    /// Reads LOGIN7 (MS-TDS, 2.2.6.4).
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(message);
        cursor.u32_le()?;
        let version = cursor.u32_le()?;
        cursor.bytes(16)?;
        let flags = cursor.bytes(4)?;
        cursor.bytes(8)?;
        let mut next = || {
            let (offset, length) = (usize::from(cursor.u16_le()?), usize::from(cursor.u16_le()?));
            message.get(offset..offset + length * 2)
        };
        let (host, user, password, application) = (next()?, next()?, next()?, next()?);
        // The server, and a field for extensions.
        next()?;
        let _ = next();
        let (library, _language, database) = (next()?, next()?, next()?);
        // Each byte was turned by four bits and XORed.
        let password: Vec<u8> = password.iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect();
        Some(Self {
            version,
            is_integrated: flags.get(1).is_some_and(|flags| flags & 0x80 != 0),
            host: text(host),
            user: text(user),
            password: text(&password),
            application: text(application),
            library: text(library),
            database: text(database),
        })
    }
}

/// Returns what follows the headers that TDS 7.2 brought.
fn body(message: &[u8], version: u32) -> &[u8] {
    let headers = message
        .first_chunk()
        .map(|length| u32::from_le_bytes(*length))
        .filter(|_| version >= 0x7200_0000);
    let headers = headers.and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    message.get(headers..).unwrap_or_default()
}

/// Returns the text of a batch.
pub(super) fn batch(message: &[u8], version: u32) -> String {
    text(body(message, version))
}

/// Returns the statement of `sp_executesql`, or the name of another procedure.
pub(super) fn procedure(message: &[u8], version: u32) -> String {
    let mut cursor = Cursor::new(body(message, version));
    called(&mut cursor).unwrap_or_default()
}

fn called(cursor: &mut Cursor) -> Option<String> {
    let length = cursor.u16_le()?;
    let name = if length == 0xffff {
        let names = [
            "sp_cursor",
            "sp_cursoropen",
            "sp_cursorprepare",
            "sp_cursorexecute",
            "sp_cursorprepexec",
            "sp_cursorunprepare",
            "sp_cursorfetch",
            "sp_cursoroption",
            "sp_cursorclose",
            "sp_executesql",
            "sp_prepare",
            "sp_execute",
            "sp_prepexec",
            "sp_prepexecrpc",
            "sp_unprepare",
        ];
        let id = usize::from(cursor.u16_le()?);
        (*names.get(id.checked_sub(1)?)?).to_owned()
    } else {
        text(cursor.bytes(usize::from(length) * 2)?)
    };
    if !name.eq_ignore_ascii_case("sp_executesql") {
        return Some(name);
    }
    cursor.u16_le()?;
    let length = cursor.u8()?;
    cursor.bytes(usize::from(length) * 2 + 1)?;
    let statement = match cursor.u8()? {
        0xe7 => {
            cursor.bytes(7)?;
            let length = cursor.u16_le()?;
            cursor.bytes(length.into())?
        }
        0x63 => {
            cursor.bytes(9)?;
            let length = usize::try_from(cursor.u32_le()?).ok()?;
            cursor.bytes(length)?
        }
        _ => return Some(name),
    };
    Some(text(statement))
}
