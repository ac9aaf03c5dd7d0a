//! The options of telnet (RFC 854, 855, 1091, 1572) in what a visitor sends.

/// A part of what a visitor sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A byte of text.
    Text(u8),
    /// A command without an option: AYT, IP.
    Command(u8),
    /// WILL, WONT, DO or DONT, and an option.
    Option(u8, u8),
    /// The content of a subnegotiation, which starts with the option.
    Subnegotiation(Vec<u8>),
}

pub(super) const IAC: u8 = 255;
pub(super) const DONT: u8 = 254;
pub(super) const DO: u8 = 253;
pub(super) const WONT: u8 = 252;
pub(super) const WILL: u8 = 251;
pub(super) const SB: u8 = 250;
pub(super) const AYT: u8 = 246;
pub(super) const IP: u8 = 244;
pub(super) const SE: u8 = 240;

pub(super) const ECHO: u8 = 1;
pub(super) const SUPPRESS_GO_AHEAD: u8 = 3;
pub(super) const STATUS: u8 = 5;
pub(super) const TERMINAL_TYPE: u8 = 24;
pub(super) const WINDOW_SIZE: u8 = 31;
pub(super) const TERMINAL_SPEED: u8 = 32;
pub(super) const FLOW_CONTROL: u8 = 33;
pub(super) const DISPLAY_LOCATION: u8 = 35;
pub(super) const ENVIRONMENT: u8 = 39;

/// The maximum content of a subnegotiation that is kept, as in the servers that are imitated.
const MOST: usize = 512;

/// Splits what a visitor sends.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    state: State,
    content: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Text,
    Command,
    Option(u8),
    Content,
    ContentCommand,
}

impl Splitter {
    /// Takes one byte, and returns the part that it completes.
    pub(super) fn take(&mut self, byte: u8) -> Option<Part> {
        let (state, part) = match (self.state, byte) {
            (State::Text, IAC) => (State::Command, None),
            (State::Text, text) | (State::Command, text @ IAC) => (State::Text, Some(Part::Text(text))),
            (State::Command, verb @ WILL..=DONT) => (State::Option(verb), None),
            (State::Command, SB) => {
                self.content.clear();
                (State::Content, None)
            }
            (State::Command, command) => (State::Text, Some(Part::Command(command))),
            (State::Option(verb), option) => (State::Text, Some(Part::Option(verb, option))),
            (State::Content, IAC) => (State::ContentCommand, None),
            (State::ContentCommand, SE) => (
                State::Text,
                Some(Part::Subnegotiation(std::mem::take(&mut self.content))),
            ),
            (State::Content | State::ContentCommand, byte) => {
                if self.content.len() < MOST {
                    self.content.push(byte);
                }
                (State::Content, None)
            }
        };
        self.state = state;
        part
    }
}

/// Returns the value of USER in the content of a NEW-ENVIRON subnegotiation.
pub(super) fn user(content: &[u8]) -> Option<Vec<u8>> {
    // IS or INFO, and then VAR or USERVAR with a name, and VALUE with a value.
    let [ENVIRONMENT, 0 | 2, variables @ ..] = content else {
        return None;
    };
    let mut parts = variables.split(|byte| matches!(byte, 0 | 1 | 3));
    while let Some(name) = parts.next() {
        if name == b"USER" {
            return parts.next().map(<[u8]>::to_vec);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8]) -> Vec<Part> {
        let mut splitter = Splitter::default();
        bytes.iter().filter_map(|byte| splitter.take(*byte)).collect()
    }

    #[test]
    fn text_commands_options_and_subnegotiations_are_distinguished() {
        assert_eq!(
            split(b"a\xff\xff\xff\xf6\xff\xfb\x18\xff\xfa\x18\0vt\xff\xff\xff\xf0b\xff"),
            [
                Part::Text(b'a'),
                Part::Text(255),
                Part::Command(AYT),
                Part::Option(WILL, TERMINAL_TYPE),
                Part::Subnegotiation(b"\x18\0vt\xff".to_vec()),
                Part::Text(b'b'),
            ]
        );
    }

    #[test]
    fn a_long_subnegotiation_is_cut() {
        let long = [b"\xff\xfa\x18".as_slice(), &[b'x'; 9000], b"\xff\xf0"].concat();
        let [Part::Subnegotiation(content)] = &split(&long)[..] else {
            panic!("one subnegotiation")
        };
        assert_eq!(content.len(), MOST);
    }

    #[test]
    fn the_user_is_found_among_the_variables() {
        assert_eq!(user(b"\x27\0\0DISPLAY\x01:0\0USER\x01root"), Some(b"root".to_vec()));
        assert_eq!(user(b"\x27\0\x03USER\x01-f root"), Some(b"-f root".to_vec()));
        assert_eq!(user(b"\x27\0\0USER"), None);
        assert_eq!(user(b"\x27"), None);
    }
}
