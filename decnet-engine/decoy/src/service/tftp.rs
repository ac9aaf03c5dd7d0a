//! TFTP (RFC 1350, RFC 2347 to 2349), as tftpd-hpa of Debian 12 answers, in lockstep from one port.
//!
//! A datagram gets at most twice its size, because its sender may be forged. A request for a file is short, so files are short
//! too: one block that fits. Options of such a request are not answered, as servers without them do. Uploads have all options.

use sha2::{Digest, Sha256};

use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Event, File, Request},
};
use crate::protocol::Os;

mod content;
#[cfg(test)]
mod tests;

/// The kinds of packets.
const READ: u16 = 1;
const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OPTIONS: u16 = 6;

/// Error codes and the texts of tftpd-hpa.
const NOT_FOUND: (u16, &str) = (1, "File not found");
const ACCESS: (u16, &str) = (2, "Access violation");
const FULL: (u16, &str) = (3, "Disk full or allocation exceeded");
const ILLEGAL: (u16, &str) = (4, "Illegal TFTP operation");

/// The maximum size of an upload.
const MOST: u64 = 4 * 1024 * 1024;

/// A server and one client.
struct Tftp {
    context: Context,
    /// The file that the client reads, until it has all of it.
    read: Option<String>,
    upload: Option<Upload>,
}

/// A file that the client sends.
struct Upload {
    name: Vec<u8>,
    hash: Sha256,
    bytes: u64,
    /// The number of the last block.
    block: u16,
    size: usize,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Tftp {
        context: context.clone(),
        read: None,
        upload: None,
    })
}

impl Dialogue for Tftp {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        let datagram = input.take_all();
        let (opcode, rest) = match datagram.split_first_chunk::<2>() {
            Some((opcode, rest)) => (u16::from_be_bytes(*opcode), rest),
            None => (0, &[][..]),
        };
        match opcode {
            READ | WRITE => self.request(opcode, rest, turn),
            DATA => self.data(&datagram, rest, turn),
            ACK => self.read = None,
            ERROR => (self.read, self.upload) = (None, None),
            _ => {
                turn.report(Event::probe("not this protocol", &datagram));
                // Small devices answer where tftpd-hpa is silent.
                if matches!(
                    self.context.persona().os,
                    Os::NetworkDevice | Os::EmbeddedLinux | Os::Printer
                ) {
                    refuse((4, "Illegal operation"), turn);
                }
            }
        }
    }
}

impl Tftp {
    fn request(&mut self, opcode: u16, rest: &[u8], turn: &mut Turn) {
        let method = if opcode == READ { "read" } else { "write" };
        let mut words = rest.split(|byte| *byte == 0);
        let (name, mode) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is_whole = words.next().is_some();
        let is_netascii = mode.eq_ignore_ascii_case(b"netascii");
        if !is_whole || name.is_empty() || !is_netascii && !mode.eq_ignore_ascii_case(b"octet") {
            report(method, name, ILLEGAL.0, turn);
            return refuse(ILLEGAL, turn);
        }
        let words: Vec<&[u8]> = rest.split(|byte| *byte == 0).skip(2).take(16).collect();
        let known = self.known(name);
        let is_writable = self.context.fields().flag("writable").unwrap_or(false);
        match (opcode, known) {
            (READ, Some(known)) => self.send(&known, is_netascii, turn),
            (WRITE, _) if is_writable => self.start(name, &words, turn),
            (WRITE, Some(_)) => {
                report(method, name, ACCESS.0, turn);
                refuse(ACCESS, turn);
            }
            _ => {
                report(method, name, NOT_FOUND.0, turn);
                refuse(NOT_FOUND, turn);
            }
        }
    }

    /// Returns the file of a name. The server's folder is its root.
    fn known(&self, name: &[u8]) -> Option<String> {
        let name = name.strip_prefix(b"/").unwrap_or(name);
        let files = self.context.fields().lines("files");
        let found = files
            .into_iter()
            .find(|file| file.trim_start_matches('/').as_bytes() == name);
        found.map(Into::into)
    }

    /// Sends a file: its only block.
    fn send(&mut self, name: &str, is_netascii: bool, turn: &mut Turn) {
        let content = content::of(&self.context, name);
        // A client that got no answer repeats its request.
        if self.read.as_deref() != Some(name) {
            turn.report(Event::File(File {
                name: name.into(),
                is_upload: false,
                bytes: content.len() as u64,
                sha256: Some(hex(&Sha256::digest(&content))),
            }));
            self.read = Some(name.into());
        }
        let mut packet = vec![0, 3, 0, 1];
        for byte in content {
            match byte {
                b'\n' if is_netascii => packet.extend(b"\r\n"),
                _ => packet.push(byte),
            }
        }
        turn.send(packet);
    }

    /// Starts an upload.
    fn start(&mut self, name: &[u8], options: &[&[u8]], turn: &mut Turn) {
        report("write", name, 0, turn);
        let mut size = 512;
        let mut accepted = OPTIONS.to_be_bytes().to_vec();
        let (pairs, _) = options.as_chunks::<2>();
        for [option, value] in pairs {
            let option = option.to_ascii_lowercase();
            let number = std::str::from_utf8(value)
                .ok()
                .and_then(|value| value.parse::<u64>().ok());
            let number = match (&option[..], number) {
                (b"blksize", Some(number @ 8..)) => {
                    size = usize::try_from(number.min(65_464)).unwrap_or(512);
                    number.min(65_464)
                }
                (b"tsize", Some(number)) if number > MOST => {
                    self.upload = None;
                    return refuse(FULL, turn);
                }
                (b"tsize", Some(number)) | (b"timeout", Some(number @ 1..=255)) => number,
                _ => continue,
            };
            accepted.extend(option);
            accepted.extend(format!("\0{number}\0").bytes());
        }
        self.upload = Some(Upload {
            name: name.into(),
            hash: Sha256::new(),
            bytes: 0,
            block: 0,
            size,
        });
        if accepted.len() > 2 {
            turn.send(accepted);
        } else {
            acknowledge(0, turn);
        }
    }

    /// Takes a block of an upload.
    fn data(&mut self, datagram: &[u8], rest: &[u8], turn: &mut Turn) {
        let (Some(upload), Some((block, data))) = (&mut self.upload, rest.split_first_chunk::<2>()) else {
            turn.report(Event::probe("data without a request", datagram));
            return;
        };
        let block = u16::from_be_bytes(*block);
        if block == upload.block {
            // The acknowledgement was lost.
            return acknowledge(block, turn);
        }
        if block != upload.block.wrapping_add(1) || data.len() > upload.size {
            return;
        }
        upload.block = block;
        upload.bytes = upload.bytes.saturating_add(data.len() as u64);
        let is_last = data.len() < upload.size;
        if upload.bytes > MOST {
            report("write", &upload.name, FULL.0, turn);
            self.upload = None;
            return refuse(FULL, turn);
        }
        upload.hash.update(data);
        acknowledge(block, turn);
        if is_last && let Some(upload) = self.upload.take() {
            turn.report(Event::File(File {
                name: (&upload.name).into(),
                is_upload: true,
                bytes: upload.bytes,
                sha256: Some(hex(&upload.hash.finalize())),
            }));
        }
    }
}

fn acknowledge(block: u16, turn: &mut Turn) {
    turn.send([ACK.to_be_bytes(), block.to_be_bytes()].concat());
}

fn refuse((code, text): (u16, &str), turn: &mut Turn) {
    let start = [ERROR.to_be_bytes(), code.to_be_bytes()].concat();
    turn.send([&start, text.as_bytes(), &[0]].concat());
}

fn report(method: &'static str, name: &[u8], code: u16, turn: &mut Turn) {
    turn.report(Event::Request(Request {
        method: method.into(),
        target: Some(name.into()),
        status: Some(code),
        ..Request::default()
    }));
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .concat()
}
