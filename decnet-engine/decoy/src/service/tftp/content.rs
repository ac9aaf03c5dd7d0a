//! The content of files: short, the same each time, and in the form that the name promises.

use super::super::context::Context;

/// Returns the content of a file. With the four bytes of its header, it is not longer than twice the shortest request for it.
pub(super) fn of(context: &Context, name: &str) -> Vec<u8> {
    const MODE_AND_HEADER: usize = 14;
    let limit = name.trim_start_matches('/').len() * 2 + MODE_AND_HEADER;
    let lower = name.to_ascii_lowercase();
    let has = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
    let hostname = &context.persona().hostname;
    if has(&["cfg", "conf", "config", "confg", "txt", "default", ".ini"]) {
        let number = u32::from_le_bytes(context.stable(&format!("tftp {name}")));
        let lines = [
            format!("hostname {hostname}\n"),
            format!("enable password {:06x}\n", number & 0x00ff_ffff),
            "ip http server\n".into(),
            "end\n".into(),
        ];
        return fitting(&lines, limit);
    }
    if has(&[".xml"]) {
        return fitting(&["<config/>\n".into()], limit);
    }
    let random: [u8; 128] = context.stable(&format!("tftp {name}"));
    random.get(..limit.min(64)).unwrap_or_default().to_vec()
}

/// Returns the lines that fit together.
fn fitting(lines: &[String], limit: usize) -> Vec<u8> {
    let mut content = Vec::new();
    for line in lines {
        if content.len() + line.len() <= limit {
            content.extend(line.bytes());
        }
    }
    content
}
