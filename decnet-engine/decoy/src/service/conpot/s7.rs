//! S7 communication over ISO transport (RFC 1006, ISO 8073): the connection, the setup, and the lists that tell what the device
//! is. All other jobs are refused as by a protected controller.

use super::{
    super::{
        dialogue::{Dialogue, Input, Turn},
        event::{Event, Request},
    },
    device::{Device, Template},
};

/// The longest packet that is kept.
const MOST: usize = 1024;
/// The kinds of S7 messages.
const JOB: u8 = 1;
const ANSWER: u8 = 3;
const USER_DATA: u8 = 7;
/// The header of data over ISO transport: one fragment, the last.
const DATA: [u8; 3] = [2, 0xf0, 0x80];

/// A controller.
struct S7 {
    device: Device,
    is_connected: bool,
}

/// Starts a conversation.
pub(super) fn new(device: Device) -> Box<dyn Dialogue> {
    Box::new(S7 {
        device,
        is_connected: false,
    })
}

impl Dialogue for S7 {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            let Some([version, _, high, low]) = input.bytes().first_chunk::<4>().copied() else {
                if input.bytes().first().is_some_and(|version| *version != 3) {
                    refuse(&input.take_all(), turn);
                }
                return;
            };
            let length = usize::from(u16::from_be_bytes([high, low]));
            if version != 3 || !(7..=MOST).contains(&length) || !self.device.is_siemens() {
                return refuse(&input.take_all(), turn);
            }
            if input.bytes().len() < length {
                return;
            }
            let packet = input.take(length);
            let answer = self.answer(packet.get(4..).unwrap_or_default(), turn);
            match answer {
                Some(answer) => {
                    let length = u16::try_from(answer.len() + 4).unwrap_or_default();
                    turn.send([&[3, 0][..], &length.to_be_bytes(), &answer].concat());
                }
                None => refuse(&packet, turn),
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("partial message", &input.take_all()));
        }
    }
}

/// Closes the connection.
fn refuse(packet: &[u8], turn: &mut Turn) {
    turn.report(Event::probe("not this protocol", packet));
    turn.close();
}

/// A request of S7 communication.
struct Message<'a> {
    kind: u8,
    reference: &'a [u8],
    parameters: &'a [u8],
    data: &'a [u8],
}

impl<'a> Message<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(10)?;
        let [0x32, kind, _, _, _, _, high, low, data_high, data_low] = *header else {
            return None;
        };
        let (parameters, rest) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
        let (data, _) = rest.split_at_checked(u16::from_be_bytes([data_high, data_low]).into())?;
        Some(Self {
            kind,
            reference: header.get(4..6)?,
            parameters,
            data,
        })
    }
}

impl S7 {
    fn answer(&mut self, packet: &[u8], turn: &mut Turn) -> Option<Vec<u8>> {
        const CONNECT: u8 = 0xe0;
        if packet.get(1) == Some(&CONNECT) && !self.is_connected {
            self.is_connected = true;
            return connect(packet, turn);
        }
        let message = packet.strip_prefix(&DATA[..]).filter(|_| self.is_connected)?;
        let message = Message::read(message)?;
        let answer = match (message.kind, message.parameters) {
            (JOB, [0xf0, _, calls @ ..]) => setup(&message, calls, turn)?,
            (JOB, [function, ..]) => {
                report(job_name(*function), String::new(), 0x8104, turn);
                written(ANSWER, message.reference, Some([0x81, 4]), &[*function, 0], &[])
            }
            (USER_DATA, [0, 1, 0x12, _, 0x11, 0x44, 1, sequence, ..]) => self.list(&message, *sequence, turn)?,
            (USER_DATA, [0, 1, 0x12, _, _, group, function, sequence, ..]) => {
                report(
                    "user data",
                    format!("group {} function {function}", group & 0xf),
                    0xd401,
                    turn,
                );
                let parameters = [
                    0,
                    1,
                    0x12,
                    8,
                    0x12,
                    0x80 | group & 0xf,
                    *function,
                    *sequence,
                    0,
                    0,
                    0xd4,
                    1,
                ];
                written(USER_DATA, message.reference, None, &parameters, &[0x0a, 0, 0, 0])
            }
            _ => return None,
        };
        Some([&DATA[..], &answer].concat())
    }

    /// Answers a read of a system status list.
    fn list(&self, message: &Message<'_>, sequence: u8, turn: &mut Turn) -> Option<Vec<u8>> {
        let [_, _, _, _, id_high, id_low, index_high, index_low] = *message.data.first_chunk::<8>()?;
        let (id, index) = (
            u16::from_be_bytes([id_high, id_low]),
            u16::from_be_bytes([index_high, index_low]),
        );
        let rows = match id & 0xff {
            0x11 => self.modules(),
            0x1c => self.components(),
            _ => Vec::new(),
        };
        // The upper half of the id states whether all rows or that of the index are wanted.
        let rows: Vec<Vec<u8>> = rows
            .into_iter()
            .filter(|row| id >> 8 == 0 || row.first_chunk() == Some(&index.to_be_bytes()))
            .collect();
        let status = if rows.is_empty() { 0xd401 } else { 0 };
        report("read list", format!("id {id:#06x} index {index:#06x}"), status, turn);
        let parameters = |error: [u8; 2]| {
            [
                &[0, 1, 0x12, 8, 0x12, 0x84, 1, sequence.wrapping_add(1), 0, 0],
                &error[..],
            ]
            .concat()
        };
        let Some(width) = rows.first().map(Vec::len) else {
            let error = parameters([0xd4, 1]);
            return Some(written(USER_DATA, message.reference, None, &error, &[0x0a, 0, 0, 0]));
        };
        let number = |number: usize| u16::try_from(number).unwrap_or_default().to_be_bytes();
        let content = [
            &id.to_be_bytes()[..],
            &index.to_be_bytes(),
            &number(width),
            &number(rows.len()),
            &rows.concat(),
        ]
        .concat();
        let data = [&[0xff, 9][..], &number(content.len()), &content].concat();
        Some(written(USER_DATA, message.reference, None, &parameters([0, 0]), &data))
    }

    /// Returns the rows of list 0x0011: module, hardware and firmware.
    fn modules(&self) -> Vec<Vec<u8>> {
        let [major, minor, patch] = self.device.firmware;
        let row = |index: u8, version: [u8; 4]| {
            [
                &[0, index][..],
                &padded(self.device.product, 20, b' '),
                &[0, 0],
                &version,
            ]
            .concat()
        };
        vec![
            row(1, [0, 5, b' ', b' ']),
            row(6, [0, 5, b' ', b' ']),
            row(7, [b'V', major, minor, patch]),
        ]
    }

    /// Returns the rows of list 0x001c: the names of the components.
    fn components(&self) -> Vec<Vec<u8>> {
        let station = match self.device.template {
            Template::S71200 => "S7-1200 station_1",
            _ => "SIMATIC 200",
        };
        let row = |(index, text): &(u8, &str)| [&[0, *index][..], &padded(text, 32, 0)].concat();
        [
            (1, station),
            (2, "PLC_1"),
            (3, self.device.name.as_str()),
            (4, "Original Siemens Equipment"),
            (5, self.device.serial.as_str()),
            (7, self.device.module),
            (8, ""),
            (9, ""),
            (10, ""),
            (11, ""),
        ]
        .iter()
        .map(row)
        .collect()
    }
}

/// Answers a connection request with the parameters of the visitor.
fn connect(packet: &[u8], turn: &mut Turn) -> Option<Vec<u8>> {
    let [length, _, _, _, source_high, source_low, _] = *packet.first_chunk::<7>()?;
    let parameters = packet.get(7..).filter(|rest| rest.len() + 6 == usize::from(length))?;
    report(
        "connect",
        parameters
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .concat(),
        0,
        turn,
    );
    Some([&[length, 0xd0, source_high, source_low, 0, 2, 0], parameters].concat())
}

/// Answers the setup: one job at a time, and packets of at most 240 bytes.
fn setup(message: &Message<'_>, calls: &[u8], turn: &mut Turn) -> Option<Vec<u8>> {
    let [_, _, _, _, high, low] = *calls.first_chunk::<6>()?;
    let size = u16::from_be_bytes([high, low]).min(240);
    report(
        "setup communication",
        format!("packet size {}", u16::from_be_bytes([high, low])),
        0,
        turn,
    );
    let parameters = [&[0xf0, 0, 0, 1, 0, 1][..], &size.to_be_bytes()].concat();
    Some(written(ANSWER, message.reference, Some([0, 0]), &parameters, &[]))
}

/// Writes a message. Answers to jobs have an error code.
fn written(kind: u8, reference: &[u8], error: Option<[u8; 2]>, parameters: &[u8], data: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes();
    let error = error.map_or(Vec::new(), |error| error.to_vec());
    let start = [&[0x32, kind, 0, 0][..], reference].concat();
    [&start[..], &number(parameters), &number(data), &error, parameters, data].concat()
}

/// Returns a text with a fixed length.
fn padded(text: &str, length: usize, fill: u8) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(length, fill);
    bytes
}

fn job_name(function: u8) -> &'static str {
    match function {
        4 => "read variable",
        5 => "write variable",
        0x1a..=0x1c => "download",
        0x1d..=0x1f => "upload",
        0x28 => "start",
        0x29 => "stop",
        _ => "job",
    }
}

fn report(method: &'static str, target: String, status: u16, turn: &mut Turn) {
    turn.report(Event::Request(Request {
        method: method.into(),
        target: Some(target.into()),
        status: Some(status),
        ..Request::default()
    }));
}
