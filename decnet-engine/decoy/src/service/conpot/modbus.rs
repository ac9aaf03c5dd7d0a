//! Modbus/TCP (Modbus Application Protocol 1.1b3, Modbus Messaging on TCP/IP 1.0b).
//!
//! Registers have values that change slowly. What a visitor writes is there until the end of the connection.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    super::{
        context::Context,
        dialogue::{Dialogue, Input, Turn},
        event::{Event, Request},
    },
    device::Device,
};

const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;
const ILLEGAL_VALUE: u8 = 3;

/// The bytes before the function: transaction, protocol, length and unit.
const HEADER: usize = 7;
/// The longest message after its length.
const MOST: usize = 254;
/// The number of addresses of each table.
const ADDRESSES: u16 = 10_000;
/// The number of addresses that are in use.
const USED: u16 = 48;
/// The number of values that a visitor can write.
const MOST_WRITTEN: usize = 512;

/// A device that is read and written.
struct Modbus {
    context: Context,
    device: Device,
    registers: BTreeMap<u16, u16>,
    coils: BTreeMap<u16, bool>,
}

/// An answer after the function, or an exception.
type Outcome = Result<Vec<u8>, u8>;

/// Starts a conversation.
pub(super) fn new(context: &Context, device: Device) -> Box<dyn Dialogue> {
    Box::new(Modbus {
        context: context.clone(),
        device,
        registers: BTreeMap::new(),
        coils: BTreeMap::new(),
    })
}

impl Dialogue for Modbus {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while let Some(start) = input.bytes().first_chunk::<8>() {
            let [first, second, protocol_high, protocol_low, high, low, unit, function] = *start;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if [protocol_high, protocol_low] != [0, 0] || !(2..=MOST).contains(&length) {
                // Controllers do not check more than the function, and then they lose the start of the next message.
                turn.report(Event::probe("not this protocol", start));
                let exception = [unit, function | 0x80, ILLEGAL_FUNCTION];
                turn.send([&[first, second, protocol_high, protocol_low, 0, 3], &exception[..]].concat());
                input.take_all();
                return turn.close();
            }
            if input.bytes().len() < HEADER - 1 + length {
                return;
            }
            let message = input.take(HEADER - 1 + length);
            let body = message.get(HEADER + 1..).unwrap_or_default();
            let mut answer = vec![unit, function];
            match self.answer(function, body, unit, turn) {
                Ok(body) => answer.extend(body),
                Err(exception) => answer = vec![unit, function | 0x80, exception],
            }
            let length = u16::try_from(answer.len()).unwrap_or_default().to_be_bytes();
            turn.send([&[first, second, 0, 0][..], &length, &answer].concat());
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("partial message", &input.take_all()));
        }
    }
}

impl Modbus {
    fn answer(&mut self, function: u8, body: &[u8], unit: u8, turn: &mut Turn) -> Outcome {
        let word = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
        let (address, second) = (word(0), word(2));
        let method = match function {
            1 => "read coils",
            2 => "read discrete inputs",
            3 => "read holding registers",
            4 => "read input registers",
            5 => "write coil",
            6 => "write register",
            15 => "write coils",
            16 => "write registers",
            17 => "report server id",
            43 => "read device identification",
            _ => "",
        };
        let outcome = match (function, address, second) {
            (1 | 2, Some(address), Some(count)) => self.read_bits(function, address, count),
            (3 | 4, Some(address), Some(count)) => self.read_words(function, address, count, turn.now()),
            (5, Some(address), Some(value)) => self.write_coil(address, value).map(|()| echo(body)),
            (6, Some(address), Some(value)) => self.write_words(address, &[value]).map(|()| echo(body)),
            (15, Some(address), Some(count)) => self.write_coils(address, count, body).map(|()| echo(body)),
            (16, Some(address), Some(count)) => written_words(count, body)
                .and_then(|values| self.write_words(address, &values))
                .map(|()| echo(body)),
            (1..=6 | 15 | 16, ..) => Err(ILLEGAL_VALUE),
            (43, ..) => self.identify(body),
            _ => Err(ILLEGAL_FUNCTION),
        };
        let target = match (address, second) {
            (Some(address), Some(count)) if matches!(function, 1..=4 | 15 | 16) => {
                format!("unit {unit} address {address} count {count}")
            }
            (Some(address), Some(value)) if matches!(function, 5 | 6) => {
                format!("unit {unit} address {address} value {value}")
            }
            _ => format!("unit {unit}"),
        };
        let values = body.get(5..).filter(|_| matches!(function, 15 | 16));
        let digits = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .concat()
        };
        turn.report(Event::Request(Request {
            method: if method.is_empty() {
                format!("function {function}").into()
            } else {
                method.into()
            },
            target: Some(target.into()),
            status: Some(outcome.as_ref().map_or_else(|exception| u16::from(*exception), |_| 0)),
            body: values.map(|values| digits(values).into()),
            ..Request::default()
        }));
        outcome
    }

    fn read_bits(&self, function: u8, address: u16, count: u16) -> Outcome {
        let addresses = range(address, count, 2000)?;
        let bits: Vec<bool> = addresses.map(|address| self.bit(function, address)).collect();
        let bytes = bits.chunks(8).map(|eight| {
            let bits = (0..).zip(eight).filter(|(_, bit)| **bit);
            bits.fold(0_u8, |byte, (place, _)| byte | 1 << place)
        });
        let bytes: Vec<u8> = bytes.collect();
        Ok([vec![u8::try_from(bytes.len()).unwrap_or(u8::MAX)], bytes].concat())
    }

    fn bit(&self, function: u8, address: u16) -> bool {
        let own = if function == 1 {
            self.coils.get(&address).copied()
        } else {
            None
        };
        own.unwrap_or_else(|| {
            let [bits] = self.context.stable(&format!("modbus bit {function} {address}"));
            address < USED && bits.is_multiple_of(4)
        })
    }

    fn read_words(&self, function: u8, address: u16, count: u16, now: Timestamp) -> Outcome {
        let addresses = range(address, count, 125)?;
        let mut answer = vec![u8::try_from(count * 2).unwrap_or(u8::MAX)];
        for address in addresses {
            answer.extend(self.word(function, address, now).to_be_bytes());
        }
        Ok(answer)
    }

    /// Returns a register: an analog value of at most 27 648, as Siemens scales them, that drifts around its mean.
    fn word(&self, function: u8, address: u16, now: Timestamp) -> u16 {
        if let (3, Some(own)) = (function, self.registers.get(&address)) {
            return *own;
        }
        let value = u16::from_le_bytes(self.context.stable(&format!("modbus word {function} {address}")));
        if address >= USED || value.is_multiple_of(3) {
            return 0;
        }
        let minutes = u16::try_from(now.as_second() / 60 % 60).unwrap_or_default();
        let drift = (minutes + address * 7) % 60;
        // Up for half an hour, down for half an hour.
        value % 27_500 + drift.min(60 - drift)
    }

    fn write_coil(&mut self, address: u16, value: u16) -> Result<(), u8> {
        let is_set = match value {
            0xff00 => true,
            0 => false,
            _ => return Err(ILLEGAL_VALUE),
        };
        range(address, 1, 1)?;
        if self.coils.len() < MOST_WRITTEN {
            self.coils.insert(address, is_set);
        }
        Ok(())
    }

    fn write_coils(&mut self, address: u16, count: u16, body: &[u8]) -> Result<(), u8> {
        let addresses = range(address, count, 1968)?;
        let (bytes, bits) = body.get(4..).and_then(<[u8]>::split_first).ok_or(ILLEGAL_VALUE)?;
        if usize::from(*bytes) != bits.len() || bits.len() != usize::from(count).div_ceil(8) {
            return Err(ILLEGAL_VALUE);
        }
        for (place, address) in addresses.enumerate() {
            let is_set = bits.get(place / 8).is_some_and(|byte| byte >> (place % 8) & 1 == 1);
            if self.coils.len() < MOST_WRITTEN {
                self.coils.insert(address, is_set);
            }
        }
        Ok(())
    }

    fn write_words(&mut self, address: u16, values: &[u16]) -> Result<(), u8> {
        let addresses = range(address, u16::try_from(values.len()).unwrap_or_default(), 123)?;
        for (address, value) in addresses.zip(values) {
            if self.registers.len() < MOST_WRITTEN {
                self.registers.insert(address, *value);
            }
        }
        Ok(())
    }

    /// Answers function 43, type 14.
    fn identify(&self, body: &[u8]) -> Outcome {
        let [14, code, object] = body else {
            return Err(ILLEGAL_FUNCTION);
        };
        let version = self.device.version.clone();
        let url = if self.device.is_siemens() {
            "http://www.siemens.com"
        } else {
            ""
        };
        let objects = [
            self.device.vendor,
            self.device.product,
            &version,
            url,
            self.device.module,
            self.device.product,
            &self.device.name,
        ];
        let last = match code {
            1 => 2,
            2 | 3 => 6,
            4 => *object,
            _ => return Err(ILLEGAL_VALUE),
        };
        let is_known = usize::from(*object) < objects.len();
        let first = if is_known { *object } else { 0 };
        if *code == 4 && !is_known {
            return Err(ILLEGAL_ADDRESS);
        }
        let chosen: Vec<(u8, &str)> = (0_u8..)
            .zip(objects)
            .filter(|(id, _)| (first..=last).contains(id))
            .collect();
        let mut answer = vec![14, *code, 0x82, 0, 0, u8::try_from(chosen.len()).unwrap_or_default()];
        for (id, text) in chosen {
            let text = text.as_bytes().get(..30).unwrap_or(text.as_bytes());
            answer.extend([id, u8::try_from(text.len()).unwrap_or_default()]);
            answer.extend(text);
        }
        Ok(answer)
    }
}

/// Returns the first four bytes: the answer to a write repeats the address and the number or value.
fn echo(body: &[u8]) -> Vec<u8> {
    body.get(..4).unwrap_or(body).to_vec()
}

/// Checks a number of addresses.
fn range(address: u16, count: u16, most: u16) -> Result<std::ops::Range<u16>, u8> {
    if !(1..=most).contains(&count) {
        return Err(ILLEGAL_VALUE);
    }
    let end = address
        .checked_add(count)
        .filter(|end| *end <= ADDRESSES)
        .ok_or(ILLEGAL_ADDRESS)?;
    Ok(address..end)
}

/// Reads the values of function 16.
fn written_words(count: u16, body: &[u8]) -> Result<Vec<u16>, u8> {
    let (bytes, values) = body.get(4..).and_then(<[u8]>::split_first).ok_or(ILLEGAL_VALUE)?;
    if usize::from(*bytes) != values.len() || values.len() != usize::from(count) * 2 {
        return Err(ILLEGAL_VALUE);
    }
    let (words, _) = values.as_chunks::<2>();
    Ok(words.iter().map(|word| u16::from_be_bytes(*word)).collect())
}
