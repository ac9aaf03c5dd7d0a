//! Logins: SCRAM (RFC 5802 and RFC 7677) up to the proof, and PLAIN.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    MongoDb,
    exchange::Exchange,
    message::{error, ok},
};
use crate::service::{
    dialogue::Turn,
    event::{Auth, Event, Proof, Text},
    wire::bson::{Document, Value},
};

impl MongoDb {
    /// Answers a command of a login.
    pub(super) fn log_in(&mut self, name: &str, body: &Document, database: &str, turn: &mut Turn) -> Document {
        let payload = match body.get("payload") {
            Some(Value::Binary(bytes)) => bytes.clone(),
            Some(Value::String(text)) => STANDARD.decode(text).unwrap_or_default(),
            _ => Vec::new(),
        };
        match name {
            "saslstart" => self.start_login(body, &payload, database, turn),
            "saslcontinue" => self.continue_login(&payload, turn),
            _ => {
                let user = body.get("user").and_then(Value::as_str).unwrap_or_default();
                turn.report(attempt("authenticate", user, database, Proof::None));
                let text = "Support for authentication mechanism MONGODB-CR is disabled, as of MongoDB 4.0";
                error(text, 18, "AuthenticationFailed")
            }
        }
    }

    fn start_login(&mut self, body: &Document, payload: &[u8], database: &str, turn: &mut Turn) -> Document {
        let mechanism = body.get("mechanism").and_then(Value::as_str).unwrap_or_default();
        let (method, iterations) = match mechanism {
            "SCRAM-SHA-256" => ("scram-sha-256", 15_000),
            "SCRAM-SHA-1" => ("scram-sha-1", 10_000),
            _ => {
                let parts: Vec<&[u8]> = payload.split(|byte| *byte == 0).collect();
                if let ("PLAIN", [_, user, password, ..]) = (mechanism, parts.as_slice()) {
                    let user = String::from_utf8_lossy(user);
                    turn.report(attempt("plain", &user, database, Proof::Password((*password).into())));
                } else {
                    turn.report(attempt("other", "", database, Proof::None));
                }
                let text = format!("Received authentication for mechanism {mechanism} which is not enabled");
                return error(&text, 334, "MechanismUnavailable");
            }
        };
        let text = String::from_utf8_lossy(payload).into_owned();
        let bare = text.splitn(3, ',').nth(2).unwrap_or_default();
        let (Some(user), Some(nonce)) = (field(bare, "n="), field(bare, "r=")) else {
            turn.report(attempt(method, "", database, Proof::None));
            return failed();
        };
        let user = user.replace("=2C", ",").replace("=3D", "=");
        let fresh = STANDARD.encode(self.context.fresh::<24>(&format!("mongodb nonce {}", self.exchanges)));
        let salt = self.context.stable::<28>(&format!("mongodb salt {method} {user}"));
        let salt = STANDARD.encode(
            salt.get(..if method == "scram-sha-1" { 16 } else { 28 })
                .unwrap_or_default(),
        );
        let answer = format!("r={nonce}{fresh},s={salt},i={iterations}");
        self.abandon_login(turn);
        self.exchanges = self.exchanges.wrapping_add(1);
        self.exchange = Some(Exchange {
            method,
            user,
            database: database.to_owned(),
            start: format!("{bare},{answer}"),
        });
        let document = Document::default()
            .with("conversationId", Value::Int32(self.exchanges))
            .with("done", Value::Bool(false))
            .with("payload", Value::Binary(answer.into_bytes()));
        ok(document)
    }

    fn continue_login(&mut self, payload: &[u8], turn: &mut Turn) -> Document {
        let Some(exchange) = self.exchange.take() else {
            return error("No SASL session state found", 17, "ProtocolError");
        };
        let text = String::from_utf8_lossy(payload);
        let proof = match field(&text, "p=") {
            // All that is needed to try passwords: the auth message of RFC 5802, and the proof.
            Some(proof) => {
                let without = text.split(",p=").next().unwrap_or_default();
                Proof::Hash(Text::hash(&format!("{},{without},p={proof}", exchange.start)))
            }
            None => Proof::None,
        };
        turn.report(attempt(exchange.method, &exchange.user, &exchange.database, proof));
        failed()
    }

    /// Reports a login that ended before its proof.
    pub(super) fn abandon_login(&mut self, turn: &mut Turn) {
        if let Some(exchange) = self.exchange.take() {
            turn.report(attempt(
                exchange.method,
                &exchange.user,
                &exchange.database,
                Proof::None,
            ));
        }
    }
}

fn attempt(method: &'static str, user: &str, database: &str, proof: Proof) -> Event {
    Event::Auth(Auth {
        method,
        user: Some(user.into()).filter(|_| !user.is_empty()),
        domain: Some(Text::from(database)).filter(|name| !name.as_str().is_empty()),
        proof,
        accepted: false,
    })
}

fn failed() -> Document {
    error("Authentication failed.", 18, "AuthenticationFailed")
}

/// Returns the attribute of a SCRAM message that starts with `name`.
fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.split(',').find_map(|part| part.strip_prefix(name))
}
