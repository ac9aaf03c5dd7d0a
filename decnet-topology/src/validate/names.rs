//! Names and attachments: rules that a document may break, and a draft made by hand, but never a topology.

use std::collections::BTreeSet;

use crate::{
    finding::{Code, Finding, Target},
    name::{Folded, Name},
    validate::view::View,
};

/// `NAME_INVALID`: a name that is no DNS label.
pub(super) fn invalid(view: &View<'_>, findings: &mut Vec<Finding>) {
    let lans = view
        .lans
        .iter()
        .map(|lan| ("LAN", lan.name, Target::Lan { lan: lan.name.into() }));
    let deckies = view.deckies.iter().map(|decky| {
        let target = Target::Decky {
            decky: decky.name.into(),
        };
        ("decky", decky.name, target)
    });
    for (kind, name, target) in lans.chain(deckies) {
        if let Err(fault) = Name::new(name) {
            let message = format!("the {kind} name `{name}` is no DNS label: {fault}; rename it");
            findings.push(Finding::new(Code::NameInvalid, target, message));
        }
    }
}

/// `LAN_NAME_DUP`: two LANs of one name, case ignored.
pub(super) fn lan_twice(view: &View<'_>, findings: &mut Vec<Finding>) {
    for name in doubled(view.lans.iter().map(|lan| lan.name)) {
        let message = format!("more than one LAN is called `{name}` (case does not count); rename all but one");
        let target = Target::Lan { lan: name.into() };
        findings.push(Finding::new(Code::LanNameDup, target, message));
    }
}

/// `DECKY_NAME_DUP`: two deckies of one name, case ignored.
pub(super) fn decky_twice(view: &View<'_>, findings: &mut Vec<Finding>) {
    for name in doubled(view.deckies.iter().map(|decky| decky.name)) {
        let message = format!("more than one decky is called `{name}` (case does not count); rename all but one");
        let target = Target::Decky { decky: name.into() };
        findings.push(Finding::new(Code::DeckyNameDup, target, message));
    }
}

/// Returns each name that was there before, once, as it was written the second time.
fn doubled<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.map(Folded).collect();
    names.sort();
    let groups = names.chunk_by(|one, other| one == other);
    groups.filter_map(|group| group.get(1)).map(|name| name.0).collect()
}

/// `IP_UNKNOWN_LAN`: an attachment to a LAN that is not there.
pub(super) fn unknown_lan(view: &View<'_>, findings: &mut Vec<Finding>) {
    for decky in &view.deckies {
        let unknown = view
            .attached(decky)
            .iter()
            .filter(|attachment| attachment.lan >= view.lans.len());
        for attachment in unknown {
            let lan = format!("#{}", attachment.lan);
            let message = format!(
                "decky `{}` is attached to LAN {lan}, which is not there; drop the attachment",
                decky.name
            );
            let target = Target::Attachment {
                decky: decky.name.into(),
                lan,
            };
            findings.push(Finding::new(Code::IpUnknownLan, target, message));
        }
    }
}

/// `ATTACHMENT_DUP`: the same decky twice on one LAN.
pub(super) fn attached_twice(view: &View<'_>, findings: &mut Vec<Finding>) {
    for decky in view.deckies.iter().filter(|decky| view.attached(decky).len() > 1) {
        let mut seen = BTreeSet::new();
        let known = view
            .attached(decky)
            .iter()
            .filter_map(|at| Some((at.lan, view.lans.get(at.lan)?)));
        for (_, lan) in known.filter(|(at, _)| !seen.insert(*at)) {
            let message = format!(
                "decky `{}` is attached to LAN `{}` more than once; remove one attachment",
                decky.name, lan.name
            );
            let target = Target::Attachment {
                decky: decky.name.into(),
                lan: lan.name.into(),
            };
            findings.push(Finding::new(Code::AttachmentDup, target, message));
        }
    }
}
