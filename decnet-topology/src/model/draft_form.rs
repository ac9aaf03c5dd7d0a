//! The check that a draft is well-formed. All its other rules are for the validator.

use std::collections::BTreeSet;

use crate::{
    finding::Findings,
    model::{Draft, TopologyError, well_formed::doubled},
    name::Name,
};

impl Draft {
    /// Checks that names are valid and unique, and that every decky is attached to LANs that exist, to each once.
    pub(crate) fn check_form(&self, findings: &mut Findings) {
        let mut note = |fault: TopologyError| findings.push(fault.finding(""));
        for lan in &self.lans {
            if let Err(source) = Name::new(&lan.name) {
                let name = lan.name.clone();
                note(TopologyError::LanName { name, source });
            }
        }
        for decky in &self.deckies {
            if let Err(source) = Name::new(&decky.name) {
                let name = decky.name.clone();
                note(TopologyError::DeckyName { name, source });
            }
            let mut seen = BTreeSet::new();
            for attachment in &decky.attachments {
                let decky = || decky.name.clone();
                match self.lans.get(attachment.lan) {
                    None => {
                        let lan = format!("#{}", attachment.lan);
                        note(TopologyError::UnknownLan { decky: decky(), lan });
                    }
                    Some(lan) if !seen.insert(attachment.lan) => {
                        let lan = lan.name.clone();
                        note(TopologyError::AttachmentDup { decky: decky(), lan });
                    }
                    Some(_) => {}
                }
            }
        }
        for name in doubled(self.lans.iter().map(|lan| lan.name.as_str())) {
            note(TopologyError::LanNameDup { name: name.into() });
        }
        for name in doubled(self.deckies.iter().map(|decky| decky.name.as_str())) {
            note(TopologyError::DeckyNameDup { name: name.into() });
        }
    }
}
