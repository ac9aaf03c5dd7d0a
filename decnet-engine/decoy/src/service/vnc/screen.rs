//! A screen without a picture on it (RFC 6143, sections 7.3.2 to 7.6).

use super::super::{dialogue::Turn, event::Event};

const WIDTH: u16 = 1024;
const HEIGHT: u16 = 768;

/// The maximum number of bytes of pixels in one answer.
const MOST_PIXELS: usize = 128 * 1024;

/// The maximum number of letters of a line that the visitor types.
const MOST_TYPED: usize = 256;

/// A screen, and what the visitor types.
#[derive(Debug)]
pub(super) struct Screen {
    /// The number of bytes of a pixel.
    depth: usize,
    knows_rre: bool,
    typed: String,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            depth: 4,
            knows_rre: false,
            typed: String::new(),
        }
    }
}

impl Screen {
    /// Returns the length of the first message. It is none until that is known. An unknown message is an error.
    pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, ()> {
        let count = |at: usize| {
            bytes
                .get(at..at + 2)
                .map(|count| usize::from(count[0]) << 8 | usize::from(count[1]))
        };
        match bytes.first() {
            None => Ok(None),
            Some(0) => Ok(Some(20)),
            Some(2) => Ok(count(2).map(|count| 4 + 4 * count)),
            Some(3) => Ok(Some(10)),
            Some(4) => Ok(Some(8)),
            Some(5) => Ok(Some(6)),
            Some(6) => match (count(4), count(6)) {
                // A longer text does not wait for its end.
                (Some(0), Some(length)) if length < 60_000 => Ok(Some(8 + length)),
                (Some(_), Some(_)) => Err(()),
                _ => Ok(None),
            },
            Some(_) => Err(()),
        }
    }

    /// Returns the first message of the server.
    pub(super) fn start(name: &str) -> Vec<u8> {
        let mut message = [WIDTH.to_be_bytes(), HEIGHT.to_be_bytes()].concat();
        // 32 bits for a pixel, 24 of them used; 8 bits for each colour.
        message.extend([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);
        message.extend(u32::try_from(name.len()).unwrap_or_default().to_be_bytes());
        message.extend(name.as_bytes());
        message
    }

    /// Answers to a message.
    pub(super) fn message(&mut self, message: &[u8], turn: &mut Turn) {
        match message {
            [0, _, _, _, bits, ..] => match bits {
                8 | 16 | 32 => self.depth = usize::from(bits / 8),
                _ => turn.close(),
            },
            [2, _, _, _, encodings @ ..] => {
                self.knows_rre = encodings.chunks_exact(4).any(|encoding| encoding == [0, 0, 0, 2]);
            }
            // What did not change is not sent again.
            [3, 0, x_high, x_low, y_high, y_low, w_high, w_low, h_high, h_low] => {
                let [x, y] = [[*x_high, *x_low], [*y_high, *y_low]].map(u16::from_be_bytes);
                let [width, height] = [[*w_high, *w_low], [*h_high, *h_low]].map(u16::from_be_bytes);
                let (x, y) = (x.min(WIDTH), y.min(HEIGHT));
                self.update(turn, [x, y, width.min(WIDTH - x), height.min(HEIGHT - y)]);
            }
            [4, 1, _, _, key @ ..] => self.key(key, turn),
            [6, _, _, _, _, _, _, _, text @ ..] => turn.report(Event::request("clipboard", text)),
            _ => {}
        }
    }

    /// Sends a part of the empty screen.
    fn update(&self, turn: &mut Turn, [x, y, width, height]: [u16; 4]) {
        let row = usize::from(width).saturating_mul(self.depth);
        let rows = MOST_PIXELS
            .checked_div(row)
            .map_or(0, |rows| u16::try_from(rows).unwrap_or(u16::MAX));
        let height = if self.knows_rre { height } else { height.min(rows) };
        let mut message = vec![0, 0, 0, 1];
        message.extend([x, y, width, height].map(u16::to_be_bytes).concat());
        if self.knows_rre {
            // Rectangles of other colours: none. Then the colour of the background.
            message.extend([0, 0, 0, 2, 0, 0, 0, 0]);
            message.resize(message.len() + self.depth, 0);
        } else {
            message.extend([0; 4]);
            message.resize(message.len() + row * usize::from(height), 0);
        }
        turn.send(message);
    }

    /// Collects what the visitor types. A line is a command.
    fn key(&mut self, key: &[u8], turn: &mut Turn) {
        let key = <[u8; 4]>::try_from(key).map(u32::from_be_bytes).unwrap_or_default();
        match key {
            // Return and Enter.
            0xff0d | 0xff8d => self.finish(turn),
            // Backspace.
            0xff08 => _ = self.typed.pop(),
            0x20..=0x7e | 0xa0..=0xff if self.typed.len() < MOST_TYPED => {
                self.typed.extend(char::from_u32(key));
            }
            _ => {}
        }
    }

    /// Reports what the visitor typed.
    pub(super) fn finish(&mut self, turn: &mut Turn) {
        if !self.typed.is_empty() {
            turn.report(Event::command(std::mem::take(&mut self.typed)));
        }
    }
}
