//! Logins with NTLM.

use super::{
    super::{
        dialogue::Turn,
        event::Event,
        wire::{
            ntlm::{self, Authenticate},
            spnego::{self, State, Token},
        },
    },
    MOST_OPEN, Smb,
    packet::{self, Header, Response, status},
    session::{Access, Login},
};

impl Smb {
    pub(super) fn session_setup(&mut self, header: &mut Header, request: &[u8], turn: &mut Turn) -> Response {
        let Some(token) = packet::block(request, 64 + 12, 2) else {
            return Response::error(status::INVALID_PARAMETER);
        };
        let (message, is_bare) = match spnego::parse(token) {
            Ok(Token::Bare(message)) => (message, true),
            Ok(Token::Ntlm(message)) => (message, false),
            Ok(Token::OffersNtlm) => {
                header.session = if header.session == 0 {
                    self.number()
                } else {
                    header.session
                };
                return Response::session(status::MORE, 0, &spnego::answer(State::Incomplete, None));
            }
            Ok(Token::Other) | Err(_) => return Response::error(status::LOGON_FAILURE),
        };
        if ntlm::kind(&message) == Some(1) {
            if self.sessions.len() >= MOST_OPEN {
                return Response::error(status::INSUFFICIENT_RESOURCES);
            }
            let session = if header.session == 0 {
                self.number()
            } else {
                header.session
            };
            let challenge = self.context.fresh(&format!("challenge {}", self.numbers));
            let Some(answer) = self.host.challenge(&message, challenge, turn.now()) else {
                return Response::error(status::INVALID_PARAMETER);
            };
            let token = if is_bare {
                answer
            } else {
                spnego::answer(State::Incomplete, Some(&answer))
            };
            self.sessions.insert(
                session,
                Login {
                    challenge,
                    access: None,
                },
            );
            header.session = session;
            return Response::session(status::MORE, 0, &token);
        }
        let (Some(login), Some(message)) = (self.sessions.get_mut(&header.session), Authenticate::parse(&message))
        else {
            return Response::error(status::LOGON_FAILURE);
        };
        let access = match (message.is_anonymous(), self.allows_guests) {
            (true, false) => Some(Access::Anonymous),
            (_, true) => Some(Access::Guest),
            _ => None,
        };
        let attempt = message.attempt(login.challenge, access.is_some());
        turn.report(Event::Auth(attempt));
        if !message.workstation.is_empty() {
            turn.report(Event::client_name(&message.workstation));
        }
        login.access = access;
        let Some(access) = access else {
            self.sessions.remove(&header.session);
            return Response::error(status::LOGON_FAILURE);
        };
        let token = if is_bare {
            Vec::new()
        } else {
            spnego::answer(State::Accepted, None)
        };
        let flags = if access == Access::Guest { 1 } else { 2 };
        Response::session(0, flags, &token)
    }

    /// Returns the number of a new session: of 32 random bits on Samba, in small steps on Windows.
    fn number(&mut self) -> u64 {
        self.numbers = self.numbers.saturating_add(1);
        if self.context.persona().is_windows() {
            let start = u64::from(u16::from_le_bytes(self.context.fresh("session")) & 0x3fff);
            0x0000_0400_0000_0001 + (start + u64::from(self.numbers)) * 4
        } else {
            u32::from_le_bytes(self.context.fresh(&format!("session {}", self.numbers)))
                .max(1)
                .into()
        }
    }
}
