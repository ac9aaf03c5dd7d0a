//! From the startup packet to the end of the login.

use std::time::Duration;

use super::{
    super::{
        dialogue::{Input, Turn},
        event::{Auth, Event, Fingerprint, Proof, Text},
        wire::cursor::Cursor,
    },
    MOST, Postgres, State,
    message::{Fault, message, ready},
    startup::{Login, is_known},
};

/// The maximum length of a startup packet without its length.
const STARTUP: usize = 10_000;
/// The maximum length of a packet of GSSAPI.
const GSS_PACKET: usize = 16_384;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

impl Postgres {
    /// Takes a startup packet. Returns whether there may be more to do.
    pub(super) fn startup(&mut self, input: &mut Input, turn: &mut Turn) -> bool {
        let mut cursor = Cursor::new(input.bytes());
        let Some(length) = cursor.u32_be() else { return false };
        let length = usize::try_from(length).unwrap_or(usize::MAX).wrapping_sub(4);
        if !(4..=STARTUP).contains(&length) {
            turn.report(Event::probe("not this protocol", input.bytes()));
            turn.close();
            return false;
        }
        let Some(packet) = cursor.bytes(length) else {
            return false;
        };
        let packet = packet.to_vec();
        input.take(length + 4);
        let mut cursor = Cursor::new(&packet);
        let code = cursor.u32_be().unwrap_or_default();
        let (major, minor) = (code >> 16, code & 0xffff);
        match code {
            SSL if !self.is_secure => {
                turn.send(*b"S");
                turn.start_tls();
                return false;
            }
            GSS if !self.asked_gss && !self.is_secure => {
                self.asked_gss = true;
                // Packages of Linux are built with GSSAPI, so the server agrees before it looks for its key.
                if self.context.persona().is_windows() {
                    turn.send(*b"N");
                } else {
                    turn.send(*b"G");
                    self.state = State::Gss;
                }
                return true;
            }
            CANCEL => {
                turn.report(Event::request("cancel", ""));
                turn.close();
                return false;
            }
            _ if major != 3 => {
                turn.report(Event::probe("not this protocol", &packet));
                let text = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0");
                if major < 3 {
                    turn.send(format!("EFATAL:  {text}\n\0"));
                    turn.close();
                } else {
                    self.fail(
                        &Fault::at("0A000", &text, "postmaster.c", 2222, "ProcessStartupPacket"),
                        turn,
                    );
                }
                return false;
            }
            _ => {}
        }
        if minor > 0 {
            turn.send(message(b'v', &[0, 3, 0, 0, 0, 0, 0, 0]));
        }
        self.parameters(cursor, turn)
    }

    /// Takes the first packet of GSSAPI. The server has no key, so it closes the connection. Returns whether there may be more to do.
    pub(super) fn gss(input: &mut Input, turn: &mut Turn) -> bool {
        let mut cursor = Cursor::new(input.bytes());
        let Some(length) = cursor.u32_be() else { return false };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let end = if length > GSS_PACKET {
            Some(4)
        } else {
            cursor.bytes(length).map(|_| length + 4)
        };
        if let Some(end) = end {
            turn.report(Event::probe("gssapi", &input.take(end)));
            turn.close();
        }
        false
    }

    /// Reads the names and values of a startup packet.
    fn parameters(&mut self, mut cursor: Cursor, turn: &mut Turn) -> bool {
        let mut login = Login::default();
        let mut is_whole = false;
        while let Some(name) = cursor.until_zero() {
            if name.is_empty() {
                is_whole = cursor.rest().is_empty();
                break;
            }
            let Some(value) = cursor.until_zero() else { break };
            match name {
                b"user" => login.user = value.to_vec(),
                b"database" => login.database = value.to_vec(),
                b"application_name" => login.application = value.to_vec(),
                _ if login.unknown.is_none() && !is_known(name) => login.unknown = Some(name.to_vec()),
                _ => {}
            }
        }
        if !is_whole {
            turn.report(Event::probe("not this protocol", cursor.rest()));
            let text = "invalid startup packet layout: expected terminator as last byte";
            self.fail(
                &Fault::at("08P01", text, "postmaster.c", 2334, "ProcessStartupPacket"),
                turn,
            );
            return false;
        }
        if !login.application.is_empty() {
            turn.report(Event::Fingerprint(Fingerprint {
                method: "client-name",
                value: Text::from(&login.application),
                server_name: None,
            }));
        }
        if login.user.is_empty() {
            let text = "no PostgreSQL user name specified in startup packet";
            turn.report(Event::probe("no user", text.as_bytes()));
            self.fail(
                &Fault::at("28000", text, "postmaster.c", 2351, "ProcessStartupPacket"),
                turn,
            );
            return false;
        }
        // A name has at most 63 bytes.
        login.user.truncate(63);
        if login.database.is_empty() {
            login.database.clone_from(&login.user);
        }
        login.database.truncate(63);
        self.login = login;
        self.state = State::Password;
        turn.send(message(b'R', &[0, 0, 0, 3]));
        true
    }

    pub(super) fn attempt(&self, proof: Proof, accepted: bool) -> Event {
        Event::Auth(Auth {
            method: "password",
            user: Some(Text::from(&self.login.user)),
            domain: Some(Text::from(&self.login.database)),
            proof,
            accepted,
        })
    }

    /// Takes the password. Returns whether there may be more to do.
    pub(super) fn password(&mut self, input: &mut Input, turn: &mut Turn) -> bool {
        let mut cursor = Cursor::new(input.bytes());
        let Some(kind) = cursor.u8() else { return false };
        let fault = |text: &str, line| Fault::at("08P01", text, "auth.c", line, "recv_password_packet");
        if kind != b'p' {
            turn.report(self.attempt(Proof::None, false));
            self.fail(
                &fault(&format!("expected password response, got message type {kind}"), 718),
                turn,
            );
            return false;
        }
        let Some(length) = cursor.u32_be() else { return false };
        let length = usize::try_from(length).unwrap_or(usize::MAX).wrapping_sub(4);
        if length > MOST {
            turn.report(self.attempt(Proof::None, false));
            turn.close();
            return false;
        }
        let Some(body) = cursor.bytes(length) else { return false };
        let body = body.to_vec();
        input.take(length + 5);
        let password = match body.split_last() {
            Some((0, password)) if !password.contains(&0) => password,
            _ => {
                turn.report(self.attempt(Proof::Password(Text::from(&body)), false));
                self.fail(&fault("invalid password packet size", 739), turn);
                return false;
            }
        };
        let accepted = !password.is_empty() && self.context.fields().admits("postgres", &self.login.user, password);
        turn.report(self.attempt(Proof::Password(password.into()), accepted));
        if password.is_empty() {
            let text = "empty password returned by client";
            self.fail(&Fault::at("28P01", text, "auth.c", 757, "recv_password_packet"), turn);
            return false;
        }
        let user = String::from_utf8_lossy(&self.login.user).into_owned();
        if !accepted {
            let text = format!("password authentication failed for user \"{user}\"");
            self.fail(&Fault::at("28P01", &text, "auth.c", 334, "auth_failed"), turn);
            return false;
        }
        turn.send(message(b'R', &[0; 4]));
        let database = String::from_utf8_lossy(&self.login.database).into_owned();
        if !self.server.connect(&user, &database) {
            let text = format!("database \"{database}\" does not exist");
            self.fail(&Fault::at("3D000", &text, "postinit.c", 948, "InitPostgres"), turn);
            return false;
        }
        if let Some(unknown) = &self.login.unknown {
            let text = format!(
                "unrecognized configuration parameter \"{}\"",
                String::from_utf8_lossy(unknown)
            );
            self.fail(&Fault::at("42704", &text, "guc.c", 5844, "find_option"), turn);
            return false;
        }
        let application = self.login.application.clone();
        turn.send(self.server.greeting(&String::from_utf8_lossy(&application)));
        turn.send(
            [
                message(
                    b'K',
                    &self.context.fresh::<8>("postgres cancel key").map(|byte| byte & 0x7f),
                ),
                ready(b'I'),
            ]
            .concat(),
        );
        turn.allow_silence(Duration::from_mins(10));
        self.state = State::Session;
        true
    }
}
