//! Names and attachments: rules that a document may break, and a draft made by hand, but never a topology.

use std::collections::BTreeSet;

use crate::{
    finding::{Code, Finding, Findings, Target},
    name::{CaseInsensitive, Name, Sums},
    validate::view::{DeckyView, LanView, View},
};

/// `NAME_INVALID`: a LAN's name that is no DNS label.
pub(super) fn invalid_lans(view: &View<'_>, findings: &mut Findings) {
    for lan in view.lans() {
        invalid("LAN", lan.name(), |lan| Target::Lan { lan }, findings);
    }
}

/// `NAME_INVALID`: a decky's name that is no DNS label.
pub(super) fn invalid_decky(decky: &DeckyView<'_>, findings: &mut Findings) {
    invalid("decky", decky.name, |decky| Target::Decky { decky }, findings);
}

fn invalid(kind: &str, name: &str, target: impl FnOnce(String) -> Target, findings: &mut Findings) {
    if let Err(fault) = Name::new(name) {
        let message = format!("the {kind} name `{name}` is no DNS label: {fault}; rename it");
        findings.push(Finding::new(Code::NameInvalid, target(name.into()), message));
    }
}

/// `LAN_NAME_DUP`: two LANs of one name, case ignored.
pub(super) fn lan_twice(view: &View<'_>, findings: &mut Findings) {
    let mut sums = Sums::default();
    view.lans().for_each(|lan| sums.add(lan.name()));
    if sums.all_differ() {
        return;
    }
    for name in doubled(view.lans().map(LanView::name)) {
        let message = format!("more than one LAN is called `{name}` (case does not count); rename all but one");
        let target = Target::Lan { lan: name.into() };
        findings.push(Finding::new(Code::LanNameDup, target, message));
    }
}

/// `DECKY_NAME_DUP`: two deckies of one name, case ignored.
pub(super) fn decky_twice(view: &View<'_>, sums: Sums, findings: &mut Findings) {
    if sums.all_differ() {
        return;
    }
    for name in doubled(view.decky_names()) {
        let message = format!("more than one decky is called `{name}` (case does not count); rename all but one");
        let target = Target::Decky { decky: name.into() };
        findings.push(Finding::new(Code::DeckyNameDup, target, message));
    }
}

/// Returns each name that was there before, once, as it was written the second time.
fn doubled<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.map(CaseInsensitive).collect();
    names.sort();
    let groups = names.chunk_by(|one, other| one == other);
    groups.filter_map(|group| group.get(1)).map(|name| name.0).collect()
}

/// `IP_UNKNOWN_LAN`: an attachment to a LAN that is not there.
pub(super) fn unknown_lan(decky: &DeckyView<'_>, findings: &mut Findings) {
    for attachment in decky.attachments.iter().filter(|attachment| attachment.lan.is_none()) {
        let lan = format!("#{}", attachment.at);
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

/// `ATTACHMENT_DUP`: the same decky twice on one LAN.
pub(super) fn attached_twice(decky: &DeckyView<'_>, findings: &mut Findings) {
    if decky.attachments.len() < 2 {
        return;
    }
    let mut seen = BTreeSet::new();
    for attachment in decky.attachments {
        let Some(lan) = attachment.lan.filter(|_| !seen.insert(attachment.at)) else {
            continue;
        };
        let message = format!(
            "decky `{}` is attached to LAN `{}` more than once; remove one attachment",
            decky.name,
            lan.name()
        );
        let target = Target::Attachment {
            decky: decky.name.into(),
            lan: lan.name().into(),
        };
        findings.push(Finding::new(Code::AttachmentDup, target, message));
    }
}
