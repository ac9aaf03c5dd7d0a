//! SMB 2 and 3 (MS-SMB2) on TCP and over NetBIOS sessions (RFC 1002): Windows, or Samba of Debian and Ubuntu elsewhere.
//!
//! A visitor negotiates, logs in with NTLM, and lists the shares. Named users are never let in: the maze has no password for
//! them. Guests are, if the maze says so. Absent: files in shares, signatures, encryption.

mod login;
mod negotiate;
mod packet;
mod pipe;
mod session;
mod shares;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::{
    negotiate::Dialects,
    packet::{Header, Response, command, status},
    pipe::Pipe,
    session::{Access, Login},
    shares::{Share, Shares},
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Next, Turn},
    event::Event,
    wire::ntlm::{self, Host},
};

/// The port of NetBIOS sessions. Windows refuses messages before a request for a session there; Samba does not.
const NETBIOS: u16 = 139;

/// The maximum number of sessions, of connected shares, and of open pipes of one visitor.
const MOST_OPEN: usize = 16;

struct Smb {
    context: Context,
    host: Host,
    dialects: Dialects,
    shares: Shares,
    allows_guests: bool,
    sessions: BTreeMap<u64, Login>,
    /// The connected shares, by their number.
    trees: BTreeMap<u32, Share>,
    /// The open pipes and folders, by their number.
    open: BTreeMap<u64, Option<Pipe>>,
    numbers: u32,
    /// Whether the visitor must request a NetBIOS session before anything else.
    lacks_session: bool,
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let (fields, persona) = (context.fields(), context.persona());
    let mut host = Host::new(persona);
    if let Some(name) = fields.text("hostname") {
        host.computer = name.chars().take(15).collect::<String>().to_uppercase();
        host.dns_computer = format!("{}.{}", name.to_lowercase(), persona.domain);
        if !host.is_member {
            host.domain.clone_from(&host.computer);
        }
    }
    if let Some(workgroup) = fields.text("workgroup") {
        host.domain = workgroup.chars().take(15).collect::<String>().to_uppercase();
        host.is_member = true;
    }
    Box::new(Smb {
        context: context.clone(),
        dialects: Dialects::new(context, &host.computer),
        shares: Shares::new(context),
        allows_guests: fields.flag("guest").unwrap_or(false),
        host,
        sessions: BTreeMap::new(),
        trees: BTreeMap::new(),
        open: BTreeMap::new(),
        numbers: 0,
        lacks_session: persona.is_windows() && context.session.port == NETBIOS,
    })
}

impl Dialogue for Smb {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over()
            && let Some(&[kind, high, middle, low]) = input.bytes().first_chunk()
        {
            if !matches!(kind, 0 | 0x81 | 0x85) {
                // Samba waits for the rest of a message that is none.
                if self.context.persona().is_windows() {
                    turn.report(Event::probe("not this protocol", &input.take_all()));
                    turn.close();
                }
                return;
            }
            let length = usize::from(high & 1) << 16 | usize::from(middle) << 8 | usize::from(low);
            if high > 1 || length > Input::MOST - 4 {
                turn.report(Event::probe("not this protocol", &input.take_all()));
                turn.close();
                return;
            }
            if input.bytes().len() < 4 + length {
                return;
            }
            let message = input.take(4 + length).split_off(4);
            match kind {
                0 if self.lacks_session => {
                    turn.report(Event::probe("message without a NetBIOS session", &message));
                    turn.send([0x83, 0, 0, 1, 0x8f]);
                    turn.close();
                }
                0 => self.message(&message, turn),
                0x81 => {
                    self.lacks_session = false;
                    if let Some(name) = packet::netbios_name(message.get(34..).unwrap_or_default()) {
                        turn.report(Event::client_name(name));
                    }
                    turn.send([0x82, 0, 0, 0]);
                }
                _ => {}
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("not this protocol", &input.take_all()));
        }
    }
}

impl Smb {
    /// Answers to a message, which can have several requests.
    fn message(&mut self, message: &[u8], turn: &mut Turn) {
        if message.starts_with(b"\xffSMB") {
            let answer = self.dialects.old(message, turn);
            match answer {
                Some(answer) => turn.send(packet::frame(&answer)),
                None => turn.close(),
            }
            return;
        }
        let mut rest = message;
        let mut before = Header::default();
        loop {
            let Some(mut header) = Header::parse(rest).filter(|_| self.dialects.is_new()) else {
                turn.report(Event::probe("not this protocol", rest));
                return turn.close();
            };
            let next = usize::try_from(header.next).unwrap_or(usize::MAX);
            let (request, others) = match rest.split_at_checked(next) {
                Some((request, others)) if next >= 64 => (request, others),
                None if next != 0 => return turn.close(),
                _ => (rest, &[][..]),
            };
            if header.is_related() {
                (header.session, header.tree) = (before.session, before.tree);
            }
            if let Some(answer) = self.request(&mut header, request, turn) {
                turn.send(packet::frame(&header.answer(&answer)));
            }
            if others.is_empty() || turn.next != Next::Continue {
                return;
            }
            (rest, before) = (others, header);
        }
    }

    /// Answers to a request. The answer is none if there is none.
    fn request(&mut self, header: &mut Header, request: &[u8], turn: &mut Turn) -> Option<Response> {
        let access = self.sessions.get(&header.session).and_then(|login| login.access);
        match header.command {
            command::NEGOTIATE => {
                let answer = self.dialects.negotiate(request, turn.now());
                if answer.is_none() {
                    turn.close();
                }
                return answer;
            }
            command::SESSION_SETUP => return Some(self.session_setup(header, request, turn)),
            command::ECHO => return Some(Response::short(0, 4)),
            command::CANCEL => return None,
            _ => {}
        }
        let Some(access) = access else {
            return Some(Response::error(status::USER_SESSION_DELETED));
        };
        if header.command == command::LOGOFF {
            self.sessions.remove(&header.session);
            return Some(Response::short(0, 4));
        }
        if header.command == command::TREE_CONNECT {
            return Some(self.tree_connect(header, request, access, turn));
        }
        let Some(share) = self.trees.get(&header.tree).cloned() else {
            return Some(Response::error(status::NETWORK_NAME_DELETED));
        };
        let answer = match header.command {
            command::TREE_DISCONNECT => {
                self.trees.remove(&header.tree);
                Some(Response::short(0, 4))
            }
            command::CREATE => self.create(request, &share, access, turn),
            command::CLOSE => packet::file(request, 8)
                .and_then(|id| self.open.remove(&id))
                .map(|_| Response::new(0, [&[60, 0][..], &[0; 58]].concat())),
            command::READ => packet::file(request, 16)
                .and_then(|id| self.open.get_mut(&id))
                .map(|open| {
                    let output = open.as_mut().map(Pipe::take).unwrap_or_default();
                    if output.is_empty() {
                        Response::error(status::PIPE_EMPTY)
                    } else {
                        Response::read(&output)
                    }
                }),
            command::WRITE => {
                let data = packet::block(request, 66, 4).map(<[u8]>::to_vec);
                let shares = &self.shares;
                packet::file(request, 16)
                    .and_then(|id| self.open.get_mut(&id))
                    .and_then(|open| {
                        let (data, Some(pipe)) = (data?, open) else {
                            return Some(Response::error(status::ACCESS_DENIED));
                        };
                        pipe.write(&data, shares, turn);
                        Some(Response::written(data.len()))
                    })
            }
            command::IOCTL => self.ioctl(request, turn),
            command::QUERY_INFO => packet::file(request, 24)
                .filter(|id| self.open.contains_key(id))
                .map(|_| {
                    // The standard information of a file, which clients ask of a pipe.
                    if request.get(66..68) == Some(&[1, 5]) {
                        Response::info(&[&[0, 0x10, 0, 0, 0, 0, 0, 0][..], &[0; 8], &[1, 0, 0, 0, 1, 0, 0, 0]].concat())
                    } else {
                        Response::error(status::NOT_SUPPORTED)
                    }
                }),
            command::QUERY_DIRECTORY => Some(Response::error(status::NO_SUCH_FILE)),
            command::SET_INFO | command::LOCK => Some(Response::error(status::ACCESS_DENIED)),
            command::FLUSH => Some(Response::short(0, 4)),
            _ => Some(Response::error(status::NOT_SUPPORTED)),
        };
        Some(answer.unwrap_or_else(|| Response::error(status::FILE_CLOSED)))
    }

    fn tree_connect(&mut self, header: &mut Header, request: &[u8], access: Access, turn: &mut Turn) -> Response {
        let Some(path) = packet::block(request, 64 + 4, 2).map(ntlm::from_utf16) else {
            return Response::error(status::INVALID_PARAMETER);
        };
        let name = path.rsplit('\\').next().unwrap_or_default();
        let share = self.shares.find(name).cloned();
        let result = match &share {
            None => status::BAD_NETWORK_NAME,
            Some(share) if share.is_pipe() => 0,
            Some(share) if access == Access::Guest && !share.is_hidden() => 0,
            Some(_) => status::ACCESS_DENIED,
        };
        turn.report(Event::request("tree connect", path.as_str()));
        let (Some(share), 0) = (share, result) else {
            return Response::error(result);
        };
        if self.trees.len() >= MOST_OPEN {
            return Response::error(status::INSUFFICIENT_RESOURCES);
        }
        let is_windows = self.context.persona().is_windows();
        let fresh = u32::from_le_bytes(self.context.fresh(&format!("tree {}", self.trees.len())));
        header.tree = if is_windows {
            u32::try_from(self.trees.len()).unwrap_or_default() * 4 + 1
        } else {
            fresh.max(1)
        };
        let body = share.connected(is_windows);
        self.trees.insert(header.tree, share);
        Response::new(0, body)
    }

    fn create(&mut self, request: &[u8], share: &Share, access: Access, turn: &mut Turn) -> Option<Response> {
        let name = ntlm::from_utf16(packet::block(request, 64 + 44, 2)?);
        let name = name.trim_start_matches('\\');
        turn.report(Event::request("open", format!("{}\\{name}", share.name)));
        let is_list = name.eq_ignore_ascii_case("srvsvc");
        let may_list = access == Access::Guest || !self.context.persona().is_windows();
        let pipe = match (share.is_pipe(), is_list) {
            (true, true) if may_list => Some(Pipe::new(&self.context)),
            (true, true) => return Some(Response::error(status::ACCESS_DENIED)),
            (true, false) => {
                let is_known = [
                    "lsarpc", "samr", "wkssvc", "netlogon", "winreg", "svcctl", "spoolss", "epmapper",
                ];
                let is_known = is_known.iter().any(|known| name.eq_ignore_ascii_case(known));
                let result = if is_known {
                    status::ACCESS_DENIED
                } else {
                    status::NOT_FOUND
                };
                return Some(Response::error(result));
            }
            (false, _) if name.is_empty() => None,
            (false, _) => return Some(Response::error(status::NOT_FOUND)),
        };
        if self.open.len() >= MOST_OPEN {
            return Some(Response::error(status::INSUFFICIENT_RESOURCES));
        }
        let number = u64::try_from(self.open.len()).unwrap_or_default();
        let id = u64::from(u32::from_le_bytes(self.context.fresh(&format!("file {number}")))) << 4 | number;
        let attributes = if pipe.is_some() { 0x80 } else { 0x10 };
        self.open.insert(id, pipe);
        Some(Response::created(id, attributes))
    }

    fn ioctl(&mut self, request: &[u8], turn: &mut Turn) -> Option<Response> {
        let code = packet::long(request, 64 + 4)?;
        match code {
            // A message to a pipe and its answer.
            0x0011_c017 => {
                let id = packet::file(request, 8)?;
                let data = packet::block(request, 64 + 24, 4)?.to_vec();
                let pipe = self.open.get_mut(&id)?.as_mut()?;
                pipe.write(&data, &self.shares, turn);
                Some(Response::control(code, id, &pipe.take()))
            }
            // The check that nobody changed the negotiation (MS-SMB2, section 3.3.5.15.12).
            0x0014_0204 => Some(Response::control(code, u64::MAX, &self.dialects.validation())),
            // References of DFS.
            0x0006_0194 => Some(Response::error(status::NO_REFERENCE)),
            _ => Some(Response::error(status::INVALID_REQUEST)),
        }
    }
}
