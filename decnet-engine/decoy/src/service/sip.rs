//! SIP (RFC 3261) over TCP and UDP, as Asterisk's `chan_sip` answers: a telephone exchange that asks everyone to log in.
//!
//! No login succeeds. The response of a login is reported in the format of hashcat's mode 11400, and the numbers that a visitor
//! calls are reported as targets. What `chan_sip` ignores is ignored here too.

mod message;

use std::{fmt::Write as _, net::Ipv4Addr, time::Duration};

use self::message::{Credentials, Message, Read, read};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{self, Auth, Event, Proof, Text},
    wire::http::hex,
};
use crate::protocol::Protocol;

/// The methods of `chan_sip`.
const ALLOW: &str = "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, MESSAGE";

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let fields = context.fields();
    let text = |key| fields.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let pin = || {
        context
            .persona()
            .versions
            .get("sip")
            .map(|version| format!("Asterisk PBX {version}"))
    };
    let usual = || {
        let versions = ["16.28.0", "18.10.0", "18.14.0", "18.17.1"];
        format!("Asterisk PBX {}", context.pick("sip", &versions))
    };
    Box::new(Exchange {
        agent: text("user_agent").or_else(pin).unwrap_or_else(usual),
        realm: text("realm").unwrap_or_else(|| "asterisk".into()),
        extensions: fields.lines("extensions").into_iter().map(str::to_owned).collect(),
        context: context.clone(),
    })
}

/// A telephone exchange.
struct Exchange {
    context: Context,
    agent: String,
    realm: String,
    /// The extensions that exist; all if there are none.
    extensions: Vec<String>,
}

impl Exchange {
    fn is_datagram(&self) -> bool {
        self.context.session.transport == Protocol::Udp
    }

    /// The address of the exchange: for datagrams, whose address is not known, that which the visitor used.
    fn host(&self, message: &Message) -> String {
        let local = self.context.session.local;
        if !local.is_unspecified() {
            return local.to_string();
        }
        let address = message.host().parse::<Ipv4Addr>();
        address.map_or_else(|_| self.context.persona().fqdn(), |address| address.to_string())
    }

    fn answer(&self, message: &Message, turn: &mut Turn) {
        let credentials = message.credentials();
        let status = self.status(message, credentials.as_ref(), turn);
        if let Some(credentials) = credentials {
            turn.report(Event::Auth(self.attempt(message, &credentials)));
        }
        let code = status.and_then(|status| status.get(..3)?.parse().ok());
        turn.report(Event::Request(event::Request {
            method: message.method.as_str().into(),
            target: Some(message.uri.as_str().into()),
            status: code,
            agent: message.header("user-agent").map(Text::from),
            body: (!message.body.is_empty()).then(|| (&message.body).into()),
        }));
        if let Some(status) = status {
            turn.send(self.response(message, status, turn));
        }
    }

    /// Returns the status line's end, or none if there is no answer.
    fn status(&self, message: &Message, credentials: Option<&Credentials>, turn: &Turn) -> Option<&'static str> {
        let called = message.extension();
        let is_known = self.extensions.is_empty() || self.extensions.contains(&called);
        match message.method.as_str() {
            "ACK" => None,
            "OPTIONS" if is_known || called.is_empty() => Some("200 OK"),
            "OPTIONS" => Some("404 Not Found"),
            "REGISTER" | "INVITE" | "SUBSCRIBE" | "MESSAGE" | "PUBLISH" => Some(match credentials {
                _ if !is_known => "404 Not Found",
                Some(credentials) if self.is_current(&credentials.nonce, message, turn) => "403 Forbidden",
                _ => "401 Unauthorized",
            }),
            "BYE" | "CANCEL" | "INFO" => Some("481 Call leg/transaction does not exist"),
            "NOTIFY" => Some("489 Bad event"),
            "REFER" => Some("603 Declined (No dialog)"),
            _ => Some("501 Method Not Implemented"),
        }
    }

    /// The nonce of a call in a minute: as in `chan_sip`, eight hex digits.
    fn nonce(&self, message: &Message, minute: i64) -> String {
        let remote = self.context.session.remote.ip();
        let call = message.text("call-id");
        hex(&self.context.stable::<4>(&format!("nonce {remote} {call} {minute}")))
    }

    fn is_current(&self, nonce: &str, message: &Message, turn: &Turn) -> bool {
        let minute = turn.now().as_second() / 60;
        (0..2).any(|age| self.nonce(message, minute - age) == nonce)
    }

    /// Returns the login attempt, with the response to the challenge for hashcat.
    fn attempt(&self, message: &Message, credentials: &Credentials) -> Auth {
        let mut uri = credentials.uri.splitn(3, ':');
        let mut part = || uri.next().unwrap_or_default();
        let session = &self.context.session;
        let hash = [
            "$sip$",
            &self.host(message),
            &session.remote.ip().to_string(),
            &credentials.user,
            &credentials.realm,
            &message.method,
            part(),
            part(),
            part(),
            &credentials.nonce,
            &credentials.client_nonce,
            &credentials.count,
            &credentials.quality,
            "MD5",
            &credentials.response,
        ]
        .join("*");
        Auth {
            method: "digest",
            user: Some(credentials.user.as_str().into()),
            domain: Some(credentials.realm.as_str().into()),
            proof: Proof::Hash(Text::hash(&hash)),
            accepted: false,
        }
    }

    fn response(&self, message: &Message, status: &str, turn: &Turn) -> String {
        let remote = self.context.session.remote;
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (at, via) in message.all("via").enumerate() {
            let via = String::from_utf8_lossy(via);
            if at > 0 {
                let _ = write!(text, "Via: {via}\r\n");
            } else if let Some(rest) = via.strip_suffix(";rport") {
                let _ = write!(text, "Via: {rest};received={};rport={}\r\n", remote.ip(), remote.port());
            } else if via.contains(";rport;") {
                let rest = via.replacen(";rport;", ";", 1);
                let _ = write!(text, "Via: {rest};received={};rport={}\r\n", remote.ip(), remote.port());
            } else {
                let _ = write!(text, "Via: {via};received={}\r\n", remote.ip());
            }
        }
        let (call, to) = (message.text("call-id"), message.text("to"));
        let tag = if to.contains(";tag=") {
            String::new()
        } else {
            let tag: [u8; 4] = self.context.stable(&format!("tag {} {call}", remote.ip()));
            format!(";tag=as{}", hex(&tag))
        };
        let agent = self.agent.replace(['\r', '\n'], " ");
        let _ = write!(
            text,
            "From: {}\r\nTo: {to}{tag}\r\nCall-ID: {call}\r\nCSeq: {}\r\nServer: {agent}\r\nAllow: {ALLOW}\r\n\
            Supported: replaces, timer\r\n",
            message.text("from"),
            message.text("cseq"),
        );
        if status.starts_with("200") {
            let transport = if self.is_datagram() { "" } else { ";transport=tcp" };
            let (host, port) = (self.host(message), self.context.session.port);
            let _ = write!(
                text,
                "Contact: <sip:{host}:{port}{transport}>\r\nAccept: application/sdp\r\n"
            );
        } else if status.starts_with("401") {
            let nonce = self.nonce(message, turn.now().as_second() / 60);
            let stale = if message.credentials().is_some() {
                ", stale=true"
            } else {
                ""
            };
            let realm = self.realm.replace(['\r', '\n', '"'], " ");
            let _ = write!(
                text,
                "WWW-Authenticate: Digest algorithm=MD5, realm=\"{realm}\", nonce=\"{nonce}\"{stale}\r\n"
            );
        }
        text + "Content-Length: 0\r\n\r\n"
    }
}

impl Dialogue for Exchange {
    fn open(&mut self, turn: &mut Turn) {
        // tcpauthtimeout.
        turn.allow_silence(Duration::from_secs(30));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        loop {
            match read(input, self.is_datagram()) {
                Read::Incomplete => return,
                Read::Message(message) => self.answer(&message, turn),
                // chan_sip logs it and is silent.
                Read::Other(bytes) => turn.report(Event::probe("not this protocol", &bytes)),
                Read::TooLong => {
                    turn.report(Event::probe("not this protocol", input.bytes()));
                    return turn.close();
                }
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("request that is not complete", input.bytes()));
        }
    }
}

#[cfg(test)]
mod tests;
