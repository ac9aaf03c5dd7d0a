//! SPNEGO (RFC 4178, MS-SPNG) around NTLM, as LDAP, SMB and `CredSSP` use it.

use super::{
    ber::{BerError, Oid, Reader, Writer, tag},
    ntlm,
};

const SPNEGO: [u32; 7] = [1, 3, 6, 1, 5, 5, 2];
const NTLM: [u32; 10] = [1, 3, 6, 1, 4, 1, 311, 2, 2, 10];
const NEGOEX: [u32; 10] = [1, 3, 6, 1, 4, 1, 311, 2, 2, 30];
const KERBEROS_OF_WINDOWS: [u32; 7] = [1, 2, 840, 48018, 1, 2, 2];
const KERBEROS: [u32; 7] = [1, 2, 840, 113_554, 1, 2, 2];

/// A token of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// An NTLM message without SPNEGO.
    Bare(Vec<u8>),
    /// An NTLM message.
    Ntlm(Vec<u8>),
    /// A message of another mechanism; the client can speak NTLM too.
    OffersNtlm,
    /// A message of other mechanisms only.
    Other,
}

/// Reads a token.
pub(crate) fn parse(token: &[u8]) -> Result<Token, BerError> {
    if token.starts_with(ntlm::SIGNATURE) {
        return Ok(Token::Bare(token.to_vec()));
    }
    let mut reader = Reader::new(token);
    let mut fields = if reader.peek() == Some(0x60) {
        let mut initial = reader.inside(0x60)?;
        if initial.oid()? != Oid::from(&SPNEGO[..]) {
            return Ok(Token::Other);
        }
        initial.inside(tag::context(0, true))?.sequence()?
    } else {
        reader.inside(tag::context(1, true))?.sequence()?
    };
    let mut offers_ntlm = false;
    let mut message = None;
    while !fields.is_empty() {
        let field = fields.element()?;
        let mut content = field.elements()?;
        match (field.tag, content.peek()) {
            (0xa0, Some(tag::SEQUENCE)) => {
                let mut mechanisms = content.sequence()?;
                while !mechanisms.is_empty() {
                    offers_ntlm |= mechanisms.oid()? == Oid::from(&NTLM[..]);
                }
            }
            (0xa2, _) => message = Some(content.octets()?),
            _ => {}
        }
    }
    Ok(match message {
        Some(message) if message.starts_with(ntlm::SIGNATURE) => Token::Ntlm(message.to_vec()),
        _ if offers_ntlm => Token::OffersNtlm,
        _ => Token::Other,
    })
}

/// The state of a negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// The login succeeded.
    Accepted = 0,
    /// Another message is needed.
    Incomplete = 1,
}

/// Returns the answer of a server. It names NTLM until the negotiation is over.
pub(crate) fn answer(state: State, message: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.inside(tag::context(1, true), |w| {
        w.sequence(|w| {
            w.inside(tag::context(0, true), |w| _ = w.number(tag::ENUMERATED, state as i64));
            if state == State::Incomplete {
                w.inside(tag::context(1, true), |w| _ = w.oid(&Oid::from(&NTLM[..])));
            }
            if let Some(message) = message {
                w.inside(tag::context(2, true), |w| _ = w.octets(message));
            }
        });
    });
    writer.finish()
}

/// Returns the mechanisms of a server, as it sends them before a client asks (MS-SPNG, section 3.2.5.2).
pub(crate) fn offer(is_windows: bool) -> Vec<u8> {
    let user_to_user = [&KERBEROS[..], &[3]].concat();
    let windows = [
        &NEGOEX[..],
        &KERBEROS_OF_WINDOWS[..],
        &KERBEROS[..],
        &user_to_user[..],
        &NTLM[..],
    ];
    let mechanisms = if is_windows { &windows[..] } else { &windows[4..] };
    let mut writer = Writer::new();
    writer.inside(0x60, |w| {
        w.oid(&Oid::from(&SPNEGO[..]));
        w.inside(tag::context(0, true), |w| {
            w.sequence(|w| {
                w.inside(tag::context(0, true), |w| {
                    w.sequence(|w| {
                        for mechanism in mechanisms {
                            w.oid(&Oid::from(*mechanism));
                        }
                    });
                });
                w.inside(tag::context(3, true), |w| {
                    w.sequence(|w| {
                        let hint = b"not_defined_in_RFC4178@please_ignore";
                        w.inside(tag::context(0, true), |w| _ = w.element(0x1b, hint));
                    });
                });
            });
        });
    });
    writer.finish()
}

/// Returns the first token of a client with an NTLM message, for the tests of services.
#[cfg(test)]
pub(crate) fn initial(message: &[u8]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.inside(0x60, |w| {
        w.oid(&Oid::from(&SPNEGO[..]));
        w.inside(tag::context(0, true), |w| {
            w.sequence(|w| {
                w.inside(tag::context(0, true), |w| {
                    w.sequence(|w| _ = w.oid(&Oid::from(&NTLM[..])));
                });
                w.inside(tag::context(2, true), |w| _ = w.octets(message));
            });
        });
    });
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ntlm_message_is_found_with_and_without_spnego() {
        let message = ntlm::client::negotiate();
        assert_eq!(parse(&message), Ok(Token::Bare(message.clone())));
        assert_eq!(parse(&initial(&message)), Ok(Token::Ntlm(message.clone())));
        assert_eq!(
            parse(&answer(State::Incomplete, Some(&message))),
            Ok(Token::Ntlm(message))
        );
        assert_eq!(parse(&initial(b"a Kerberos ticket")), Ok(Token::OffersNtlm));
        assert_eq!(parse(&offer(false)), Ok(Token::OffersNtlm));
        assert!(parse(b"GET / HTTP/1.0").is_err());
        assert!(parse(&initial(b"")[..20]).is_err());
    }

    #[test]
    fn answers_are_those_of_windows() {
        assert_eq!(answer(State::Accepted, None), [0xa1, 7, 0x30, 5, 0xa0, 3, 0x0a, 1, 0]);
        assert_eq!(
            answer(State::Incomplete, Some(b"NTLM")),
            b"\xa1\x1d\x30\x1b\xa0\x03\x0a\x01\x01\xa1\x0c\x06\x0a\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a\xa2\x06\x04\x04NTLM"[..]
        );
        // The first bytes of the security blob of every Samba server without a domain.
        assert!(
            offer(false)
                .starts_with(b"\x60\x48\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x3e\x30\x3c\xa0\x0e\x30\x0c\x06\x0a")
        );
        assert_eq!(offer(true).len(), 120);
    }
}
