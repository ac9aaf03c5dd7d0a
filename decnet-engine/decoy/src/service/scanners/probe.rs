//! A probe of a scanner, as a fact. The engine's tests on Docker include this file too.

use serde::Deserialize;

/// A probe. The comment at the top of `probes.toml` explains its fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Probe {
    pub(crate) source: String,
    pub(crate) finds: String,
    services: Vec<String>,
    pub(crate) datagrams: bool,
    send: Vec<String>,
    hex: Vec<String>,
    all: Vec<String>,
    any: Vec<String>,
    all_hex: Vec<String>,
    lacks: Option<String>,
    lacks_hex: Option<String>,
    silence: bool,
    pub(crate) genuine: Option<String>,
}

/// All probes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Probes {
    probe: Vec<Probe>,
}

impl Probe {
    /// Returns all probes.
    pub(crate) fn all() -> Vec<Self> {
        let probes: Probes = toml::from_str(include_str!("probes.toml")).expect("a test's own value");
        for probe in &probes.probe {
            assert!(!probe.source.is_empty() && !probe.finds.is_empty(), "{probe:?}");
            assert_ne!(probe.send.is_empty(), probe.hex.is_empty(), "{}", probe.source);
            let signs = [&probe.all, &probe.any, &probe.all_hex]
                .iter()
                .any(|signs| !signs.is_empty());
            let absences = probe.lacks.is_some() || probe.lacks_hex.is_some() || probe.silence;
            assert!(signs || absences, "{} finds nothing", probe.source);
        }
        probes.probe
    }

    /// Returns whether the probe is for a service.
    pub(crate) fn is_for(&self, service: &str) -> bool {
        self.services.is_empty() || self.services.iter().any(|one| one == service)
    }

    /// Returns the messages to a server that greets in this way.
    pub(crate) fn messages(&self, greeting: &[u8]) -> Vec<Vec<u8>> {
        let greeting = String::from_utf8_lossy(greeting);
        let texts = self
            .send
            .iter()
            .map(|text| text.replace("{greeting}", &greeting).into_bytes());
        texts.chain(self.hex.iter().map(|digits| bytes(digits))).collect()
    }

    /// Returns whether these answers, the greeting included, mark a honeypot.
    pub(crate) fn marks(&self, answers: &[u8]) -> bool {
        let has = |sign: &[u8]| answers.windows(sign.len()).any(|window| window == sign);
        let lacks = |sign: &[u8]| !answers.is_empty() && !has(sign);
        self.all.iter().all(|text| has(text.as_bytes()))
            && (self.any.is_empty() || self.any.iter().any(|text| has(text.as_bytes())))
            && self.all_hex.iter().all(|digits| has(&bytes(digits)))
            && self.lacks.as_ref().is_none_or(|text| lacks(text.as_bytes()))
            && self.lacks_hex.as_ref().is_none_or(|digits| lacks(&bytes(digits)))
            && (!self.silence || answers.is_empty())
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}
