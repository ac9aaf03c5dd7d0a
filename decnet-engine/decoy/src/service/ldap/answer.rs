//! Messages of LDAP servers, with their texts.

use super::{
    super::{
        persona::Persona,
        wire::ber::{Writer, tag},
    },
    directory::{Directory, Entry},
};

/// A result that is not a success, or [`Fault::NONE`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: i64,
    text: String,
}

impl Fault {
    /// The result of a success.
    pub(super) const NONE: Self = Self {
        code: 0,
        text: String::new(),
    };

    pub(super) fn new(code: i64, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

/// The way in which a server writes its answers.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    is_windows: bool,
    build: u16,
}

impl Answers {
    /// Takes the server that fits the host.
    pub(super) fn new(persona: &Persona) -> Self {
        Self {
            is_windows: persona.is_windows(),
            build: persona.windows_version().2,
        }
    }

    fn message(&self, id: i64, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = if self.is_windows { Writer::wide() } else { Writer::new() };
        writer.sequence(|w| {
            w.integer(id);
            write(w);
        });
        writer.finish()
    }

    /// Returns a result. `best` is the nearest name that exists.
    pub(super) fn result(&self, id: i64, tag: u8, best: &str, fault: &Fault) -> Vec<u8> {
        self.message(id, |w| _ = w.inside(tag, |w| write_fault(w, best.as_bytes(), fault)))
    }

    /// Returns the answer to a bind that carries a message in the place of a name, as the logins of MS-ADTS do.
    pub(super) fn bytes(&self, id: i64, bytes: &[u8]) -> Vec<u8> {
        self.message(id, |w| _ = w.inside(0x61, |w| write_fault(w, bytes, &Fault::NONE)))
    }

    /// Returns the answer to a bind that wants another message.
    pub(super) fn next(&self, id: i64, token: &[u8]) -> Vec<u8> {
        self.message(id, |w| {
            w.inside(0x61, |w| {
                write_fault(w, b"", &Fault::new(14, ""));
                w.element(0x87, token);
            });
        })
    }

    /// Returns the notice of a disconnection (RFC 4511, section 4.4.1).
    pub(super) fn disconnect(&self) -> Vec<u8> {
        let text = if self.is_windows {
            let build = self.build;
            format!("00000057: LdapErr: DSID-0C0C00B2, comment: Error decoding ldap message, data 0, v{build:x}\0")
        } else {
            "decoding error".to_owned()
        };
        self.message(0, |w| {
            w.inside(0x78, |w| {
                write_fault(w, b"", &Fault::new(2, text));
                w.element(0x8a, b"1.3.6.1.4.1.1466.20036");
            });
        })
    }

    /// Returns the agreement to start TLS.
    pub(super) fn start_tls(&self, id: i64, name: &str) -> Vec<u8> {
        self.message(id, |w| {
            w.inside(0x78, |w| {
                write_fault(w, b"", &Fault::NONE);
                if self.is_windows {
                    w.element(0x8a, name.as_bytes());
                }
            });
        })
    }

    /// Returns the visitor's own name.
    pub(super) fn identity(&self, id: i64, name: &str) -> Vec<u8> {
        self.message(id, |w| {
            w.inside(0x78, |w| {
                write_fault(w, b"", &Fault::NONE);
                w.element(0x8b, name.as_bytes());
            });
        })
    }

    /// Returns an entry with the attributes that a search asks for.
    pub(super) fn entry(&self, id: i64, entry: &Entry, wanted: &[String], names_only: bool) -> Vec<u8> {
        self.message(id, |w| {
            w.inside(0x64, |w| {
                w.octets(&entry.dn);
                w.sequence(|w| {
                    for attribute in entry.selected(wanted) {
                        w.sequence(|w| {
                            w.octets(attribute.name);
                            w.inside(tag::SET, |w| {
                                for value in attribute.values.iter().filter(|_| !names_only) {
                                    w.octets(value);
                                }
                            });
                        });
                    }
                });
            });
        })
    }

    /// Returns the references to other parts of Active Directory.
    pub(super) fn references(&self, id: i64, directory: &Directory) -> Vec<u8> {
        let Directory { domain, base, .. } = directory;
        let zones = ["ForestDnsZones", "DomainDnsZones"].map(|zone| format!("ldap://{zone}.{domain}/DC={zone},{base}"));
        let configuration = format!("ldap://{domain}/CN=Configuration,{base}");
        let all = zones.iter().chain([&configuration]);
        all.flat_map(|url| self.message(id, |w| _ = w.inside(0x73, |w| _ = w.octets(url))))
            .collect()
    }

    /// A wrong user or password. `is_ntlm` is set for logins with NTLM.
    pub(super) fn wrong_login(&self, is_ntlm: bool) -> Fault {
        if !self.is_windows {
            return Fault::new(49, "");
        }
        let (status, place) = match (self.build, is_ntlm) {
            (..=14393, false) => ("80090308", "0C090447"),
            (..=14393, true) => ("8009030C", "0C0906A1"),
            (14394..=19045, false) => ("80090308", "0C09044E"),
            (14394..=19045, true) => ("8009030C", "0C090569"),
            (_, false) => ("80090308", "0C09050F"),
            (_, true) => ("8009030C", "0C090587"),
        };
        let build = self.build;
        let text =
            format!("{status}: LdapErr: DSID-{place}, comment: AcceptSecurityContext error, data 52e, v{build:x}\0");
        Fault::new(49, text)
    }

    /// A request that needs a bind.
    pub(super) fn no_bind(&self) -> Fault {
        let place = if self.build <= 19045 { "0C090A5C" } else { "0C090A5A" };
        let comment = "In order to perform this operation a successful bind must be completed on the connection.";
        self.windows(1, &format!("000004DC: LdapErr: DSID-{place}, comment: {comment}"))
    }

    /// A change that is not allowed.
    pub(super) fn no_change(&self, is_bound: bool) -> Fault {
        match (self.is_windows, is_bound) {
            (true, false) => self.no_bind(),
            (true, true) => Fault::new(
                50,
                "00000005: SecErr: DSID-031A11D5, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\0",
            ),
            (false, false) => Fault::new(8, "modifications require authentication"),
            (false, true) => Fault::new(53, "operation restricted"),
        }
    }

    /// A name that does not exist.
    pub(super) fn no_object(&self, best: &str) -> Fault {
        if !self.is_windows {
            return Fault::new(32, "");
        }
        let head = "0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:";
        Fault::new(32, format!("{head}\n\t'{best}'\n\0"))
    }

    /// An extended operation that the server does not know.
    pub(super) fn unknown_operation(&self) -> Fault {
        if self.is_windows {
            self.windows(
                2,
                "0000203D: LdapErr: DSID-0C090F72, comment: Unknown extended request OID",
            )
        } else {
            Fault::new(2, "unsupported extended operation")
        }
    }

    /// A kind of bind that the server does not know.
    pub(super) fn unknown_method(&self) -> Fault {
        if self.is_windows {
            self.windows(
                7,
                "00002027: LdapErr: DSID-0C0905F8, comment: Invalid Authentication method",
            )
        } else {
            Fault::new(7, "unknown authentication method")
        }
    }

    /// A SASL mechanism that the server does not know.
    pub(super) fn unknown_mechanism(&self) -> Fault {
        if self.is_windows {
            self.unknown_method()
        } else {
            Fault::new(7, "SASL(-4): no mechanism available: ")
        }
    }

    /// A version of LDAP that the server does not speak.
    pub(super) fn wrong_version(&self, version: i64) -> Fault {
        if self.is_windows {
            self.windows(2, "00000057: LdapErr: DSID-0C0905A2, comment: Invalid version number")
        } else if version == 2 {
            Fault::new(2, "historical protocol version requested, use LDAPv3 instead")
        } else {
            Fault::new(2, "requested protocol version not supported")
        }
    }

    fn windows(&self, code: i64, text: &str) -> Fault {
        Fault::new(code, format!("{text}, data 0, v{:x}\0", self.build))
    }
}

fn write_fault(writer: &mut Writer, best: &[u8], fault: &Fault) {
    writer
        .number(tag::ENUMERATED, fault.code)
        .octets(best)
        .octets(&fault.text);
}
