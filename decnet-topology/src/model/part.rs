use std::{fmt, str::FromStr};

use super::{Attachment, Decky, Lan, Topology};
use crate::{
    name::{Name, NameError, ServiceName},
    spelling,
};

/// A decky of a maze, or one of its services: `web-01` or `web-01.ssh`.
///
/// ```
/// use decnet_topology::DeckyPart;
/// let part: DeckyPart = "web-01.ssh".parse()?;
/// assert_eq!((part.decky.as_str(), part.to_string().as_str()), ("web-01", "web-01.ssh"));
/// assert!("web-01.".parse::<DeckyPart>().is_err());
/// # Ok::<(), decnet_topology::NameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeckyPart {
    /// The decky.
    pub decky: Name,
    /// The service; none for the decky itself.
    pub service: Option<ServiceName>,
}

impl DeckyPart {
    /// Names a decky.
    pub fn new(decky: Name) -> Self {
        Self { decky, service: None }
    }

    /// Names a service of the decky.
    #[must_use]
    pub fn service(self, service: impl Into<Option<ServiceName>>) -> Self {
        Self {
            service: service.into(),
            ..self
        }
    }
}

impl FromStr for DeckyPart {
    type Err = NameError;

    /// The name of a decky has no dot; that of a service may have some.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (decky, service) = match text.split_once('.') {
            Some((_, "")) => return Err(NameError::Empty),
            Some((decky, service)) => (decky, Some(ServiceName::new(service))),
            None => (text, None),
        };
        Ok(Self::new(Name::new(decky)?).service(service))
    }
}

impl fmt::Display for DeckyPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => write!(f, "{}.{service}", self.decky),
            None => write!(f, "{}", self.decky),
        }
    }
}

/// Reports that a maze does not have a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum UnknownPart {
    /// No decky has that name.
    #[error("the maze has no decky named `{decky}`{hint}")]
    #[strum(serialize = "unknown_decky")]
    Decky {
        /// The name.
        decky: Name,
        /// A suggestion for people; may be empty.
        hint: String,
    },
    /// The decky does not have that service.
    #[error("decky `{decky}` has no service named `{service}`{hint}")]
    #[strum(serialize = "unknown_service")]
    Service {
        /// The decky.
        decky: Name,
        /// The name.
        service: ServiceName,
        /// A suggestion, or the services of the decky, for people.
        hint: String,
    },
    /// Neither a LAN nor a decky has that name.
    #[error("the maze has neither a LAN nor a decky named `{name}`{hint}")]
    #[strum(serialize = "unknown_place")]
    Place {
        /// The name.
        name: Name,
        /// A suggestion for people; may be empty.
        hint: String,
    },
    /// The decky is not on that LAN.
    #[error("decky `{decky}` is not on a LAN named `{lan}`{hint}")]
    #[strum(serialize = "unknown_interface")]
    Lan {
        /// The decky.
        decky: Name,
        /// The name.
        lan: Name,
        /// The LANs of the decky, for people.
        hint: String,
    },
}

impl UnknownPart {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

impl Topology {
    /// Finds a decky, or a decky that has a service.
    ///
    /// # Errors
    ///
    /// [`UnknownPart`] if the topology has no such decky, or the decky no such service.
    pub fn find_part(&self, part: &DeckyPart) -> Result<&Decky, UnknownPart> {
        let decky = self.decky_named(&part.decky).ok_or_else(|| UnknownPart::Decky {
            decky: part.decky.clone(),
            hint: spelling::hint(
                part.decky.as_str(),
                self.deckies().iter().map(|decky| decky.name().as_str()),
            ),
        })?;
        let Some(service) = &part.service else {
            return Ok(decky);
        };
        if decky.services().contains(service) {
            return Ok(decky);
        }
        Err(UnknownPart::Service {
            decky: decky.name().clone(),
            service: service.clone(),
            hint: hint_of_services(decky, service),
        })
    }

    /// Finds a LAN or a decky by its name, or the interface of a decky in a LAN. If a LAN and a decky have the name, it is the LAN.
    ///
    /// # Errors
    ///
    /// [`UnknownPart`] if the topology has neither, or the decky is not on the LAN.
    pub fn find_network_place(&self, name: &Name, lan: Option<&Name>) -> Result<NetworkPlace<'_>, UnknownPart> {
        let Some(lan) = lan else {
            if let Some(lan) = self.lan_named(name) {
                return Ok(NetworkPlace::Lan(lan));
            }
            let decky = self.decky_named(name).ok_or_else(|| {
                let lans = self.lans().iter().map(Lan::name);
                let known = lans.chain(self.deckies().iter().map(Decky::name)).map(Name::as_str);
                UnknownPart::Place {
                    name: name.clone(),
                    hint: spelling::hint(name.as_str(), known),
                }
            })?;
            return Ok(NetworkPlace::Decky(decky));
        };
        let decky = self.find_part(&DeckyPart::new(name.clone()))?;
        let own = || {
            decky
                .attachments()
                .iter()
                .filter_map(|at| Some((self.lan(at.lan)?, *at)))
        };
        if let Some((_, attachment)) = own().find(|(own, _)| own.name() == lan) {
            return Ok(NetworkPlace::Interface(decky, attachment));
        }
        let names: Vec<&str> = own().map(|(own, _)| own.name().as_str()).collect();
        Err(UnknownPart::Lan {
            decky: decky.name().clone(),
            lan: lan.clone(),
            hint: format!("; it is on {}", names.join(", ")),
        })
    }
}

/// A place in the network of a maze.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum NetworkPlace<'a> {
    /// A LAN.
    Lan(&'a Lan),
    /// A decky, with all its interfaces.
    Decky(&'a Decky),
    /// One interface of a decky.
    Interface(&'a Decky, Attachment),
}

/// Returns a similar service of the decky, or all of them.
fn hint_of_services(decky: &Decky, service: &ServiceName) -> String {
    let names = || decky.services().iter().map(ServiceName::as_str);
    let near = spelling::hint(service.as_str(), names());
    if !near.is_empty() {
        return near;
    }
    let all: Vec<&str> = names().collect();
    match all.as_slice() {
        [] => "; it has no services".into(),
        all => format!("; it has {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(part: &str, expected: Option<&str>) {
        let maze = Topology::builder()
            .dmz("dmz", "10.0.0.0/24")
            .decky("web-01", |decky| decky.on("dmz", "10.0.0.2").services(["http", "ssh"]))
            .decky("plain", |decky| decky.on("dmz", "10.0.0.3"));
        let maze = maze.build().expect("a maze");
        let found = maze.find_part(&part.parse().expect("a part"));
        assert_eq!(found.err().map(|error| error.to_string()).as_deref(), expected);
    }

    #[test]
    fn a_part_is_found_and_an_unknown_one_is_named_with_a_suggestion() {
        check("web-01", None);
        check("WEB-01.ssh", None);
        check(
            "wbe-01",
            Some("the maze has no decky named `wbe-01` (did you mean `web-01`?)"),
        );
        check("db", Some("the maze has no decky named `db`"));
        check(
            "web-01.sssh",
            Some("decky `web-01` has no service named `sssh` (did you mean `ssh`?)"),
        );
        check(
            "web-01.redis",
            Some("decky `web-01` has no service named `redis`; it has http, ssh"),
        );
        check(
            "plain.ssh",
            Some("decky `plain` has no service named `ssh`; it has no services"),
        );
    }

    #[test]
    fn a_place_in_the_network_is_found_and_an_unknown_one_is_named_with_a_suggestion() {
        let maze = Topology::builder()
            .dmz("dmz", "10.0.0.0/24")
            .lan("office", "10.0.1.0/24")
            .decky("web-01", |decky| decky.on("dmz", "10.0.0.2").on("office", "10.0.1.2"))
            .decky("office", |decky| decky.on("office", "10.0.1.3"));
        let maze = maze.build().expect("a maze");
        let parsed = |text: &str| Name::new(text).expect("a name");
        let find = |name: &str, lan: Option<&str>| maze.find_network_place(&parsed(name), lan.map(parsed).as_ref());
        assert!(matches!(find("office", None), Ok(NetworkPlace::Lan(_))));
        assert!(matches!(find("web-01", None), Ok(NetworkPlace::Decky(_))));
        let interface = find("web-01", Some("office"));
        assert!(matches!(interface, Ok(NetworkPlace::Interface(_, at)) if at.ip.octets() == [10, 0, 1, 2]));
        for (name, lan, expected) in [
            (
                "offise",
                None,
                "the maze has neither a LAN nor a decky named `offise` (did you mean `office`?)",
            ),
            (
                "wbe-01",
                Some("dmz"),
                "the maze has no decky named `wbe-01` (did you mean `web-01`?)",
            ),
            (
                "web-01",
                Some("vault"),
                "decky `web-01` is not on a LAN named `vault`; it is on dmz, office",
            ),
        ] {
            let error = find(name, lan).expect_err("unknown");
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn a_text_that_names_no_part_is_refused() {
        for text in ["", ".", "web.", ".ssh", "-web", "web 1"] {
            assert!(text.parse::<DeckyPart>().is_err(), "{text}");
        }
        let dotted: DeckyPart = "web.api.v2".parse().expect("a part");
        assert_eq!(dotted.service, Some("api.v2".into()));
    }
}
