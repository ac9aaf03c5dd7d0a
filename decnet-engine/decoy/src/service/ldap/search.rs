//! Searches and comparisons.

use super::{
    super::{
        dialogue::Turn,
        event::{Event, Request},
        wire::ber::{BerError, Element, tag},
    },
    Ldap,
    answer::Fault,
    directory::{Entry, normal},
    filter::Filter,
};

impl Ldap {
    pub(super) fn search(&mut self, id: i64, operation: &Element<'_>, turn: &mut Turn) -> Result<(), BerError> {
        let mut fields = operation.elements()?;
        let base = String::from_utf8_lossy(fields.octets()?).into_owned();
        let scope = fields.expect(tag::ENUMERATED)?.integer()?;
        fields.expect(tag::ENUMERATED)?;
        let most = usize::try_from(fields.integer()?).unwrap_or_default();
        fields.integer()?;
        let names_only = fields.expect(tag::BOOLEAN)?.boolean()?;
        let filter = Filter::parse(&fields.element()?)?;
        let mut list = fields.sequence()?;
        let mut wanted = Vec::new();
        while !list.is_empty() {
            wanted.push(String::from_utf8_lossy(list.octets()?).into_owned());
        }
        let (found, fault, best) = self.find(&base, scope, turn);
        let mut answer = Vec::new();
        let mut fault = fault;
        for (number, entry) in found
            .iter()
            .filter(|entry| base.is_empty() || filter.matches(entry))
            .enumerate()
        {
            if most != 0 && number == most {
                fault = Fault::new(4, "");
                break;
            }
            answer.extend(self.answers.entry(id, entry, &wanted, names_only));
        }
        if fault.code == 0 && scope == 2 && self.directory.is_windows && normal(&base) == normal(&self.directory.base) {
            answer.extend(self.answers.references(id, &self.directory));
        }
        answer.extend(self.answers.result(id, 0x65, &best, &fault));
        turn.send(answer);
        turn.report(Event::Request(Request {
            method: "search".into(),
            target: Some(base.into()),
            status: u16::try_from(fault.code).ok(),
            body: Some(format!("{filter} {}", wanted.join(" ")).trim_end().to_owned().into()),
            ..Request::default()
        }));
        Ok(())
    }

    /// Returns the entries in a scope, the fault, and the nearest name that exists.
    fn find(&self, base: &str, scope: i64, turn: &Turn) -> (Vec<Entry>, Fault, String) {
        if base.is_empty() && scope == 0 {
            return (vec![self.directory.root(turn.now())], Fault::NONE, String::new());
        }
        if self.directory.is_windows && self.bound.is_none() {
            return (Vec::new(), self.answers.no_bind(), String::new());
        }
        let base = normal(base);
        let entries = self.directory.entries();
        let names: Vec<String> = entries.iter().map(|entry| normal(&entry.dn)).collect();
        if !names.contains(&base) {
            let best = names.iter().zip(&entries).filter(|(name, _)| is_under(&base, name));
            let best = best
                .max_by_key(|(name, _)| name.len())
                .map(|(_, entry)| entry.dn.clone());
            let best = best.unwrap_or_default();
            return (Vec::new(), self.answers.no_object(&best), best);
        }
        let is_found = |name: &str| match scope {
            0 => name == base,
            1 => name.split_once(',').is_some_and(|(_, parent)| parent == base),
            _ => name == base || is_under(name, &base),
        };
        let found = entries.into_iter().zip(names).filter(|(_, name)| is_found(name));
        (found.map(|(entry, _)| entry).collect(), Fault::NONE, String::new())
    }

    pub(super) fn compare(&mut self, id: i64, operation: &Element<'_>, turn: &mut Turn) -> Result<(), BerError> {
        let mut fields = operation.elements()?;
        let name = String::from_utf8_lossy(fields.octets()?).into_owned();
        let mut assertion = fields.sequence()?;
        let attribute = String::from_utf8_lossy(assertion.octets()?).into_owned();
        let value = assertion.octets()?;
        let (found, mut fault, best) = self.find(&name, 0, turn);
        if let Some(entry) = found.first() {
            let is_equal = entry
                .values(&attribute)
                .iter()
                .any(|own| own.eq_ignore_ascii_case(value));
            fault = Fault::new(if is_equal { 6 } else { 5 }, "");
        }
        turn.report(Event::request(
            "compare",
            format!("{name} {attribute}={}", String::from_utf8_lossy(value)),
        ));
        turn.send(self.answers.result(id, 0x6f, &best, &fault));
        Ok(())
    }
}

/// Returns whether a name is under another one. Both are in their normal form.
fn is_under(name: &str, base: &str) -> bool {
    name.strip_suffix(base).is_some_and(|rest| rest.ends_with(','))
}
