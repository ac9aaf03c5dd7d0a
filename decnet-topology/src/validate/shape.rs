//! The shape of the maze: its DMZ, the connected LANs, and its routers.

use petgraph::unionfind::UnionFind;

use crate::{
    finding::{Code, Finding, Findings, Target},
    validate::view::{DeckyView, TopologyView},
};

/// `DMZ_MISSING`, `DMZ_MULTIPLE`: there is not exactly one DMZ.
pub(super) fn one_dmz(view: &TopologyView<'_>, findings: &mut Findings) {
    let names: Vec<_> = view
        .lans()
        .filter(|lan| lan.is_dmz())
        .map(|lan| format!("`{}`", lan.name()))
        .collect();
    let (code, message) = match names.len() {
        0 => (
            Code::DmzMissing,
            "no LAN is the DMZ; mark the one that outsiders may reach with `dmz: true`".into(),
        ),
        1 => return,
        count => {
            let shown = names[..count.min(10)].join(", ");
            let rest = if count > 10 { ", …" } else { "" };
            (
                Code::DmzMultiple,
                format!("{count} LANs are DMZs ({shown}{rest}); leave `dmz: true` on one"),
            )
        }
    };
    findings.push(Finding::new(code, Target::Topology, message));
}

/// `DMZ_ORPHAN`: a LAN that no chain of bridge deckies connects to the DMZ.
pub(super) fn orphan_lans(view: &TopologyView<'_>, joined: &Joined, findings: &mut Findings) {
    let Some((at, dmz)) = view.dmz() else { return };
    let root = joined.0.find(at);
    for (at, lan) in view.lans().enumerate() {
        if joined.0.find(at) != root {
            let message = format!(
                "no chain of bridge deckies connects LAN `{}` to the DMZ `{}`; attach one of its deckies to a connected LAN",
                lan.name(),
                dmz.name()
            );
            let target = Target::Lan { lan: lan.name().into() };
            findings.push(Finding::new(Code::DmzOrphan, target, message));
        }
    }
}

/// The LANs that bridge deckies connect.
pub(super) struct Joined(UnionFind<usize>);

impl Joined {
    pub(super) fn new(lan_count: usize) -> Self {
        Self(UnionFind::new(lan_count))
    }

    /// Connects the LANs of a decky.
    pub(super) fn add(&mut self, decky: &DeckyView<'_>) {
        let mut lans = decky.attachments.iter().filter(|at| at.lan.is_some()).map(|at| at.at);
        if let Some(first) = lans.next() {
            for other in lans {
                self.0.union(first, other);
            }
        }
    }
}

/// `DECKY_ORPHAN`: a decky with no attachment.
pub(super) fn orphan_decky(decky: &DeckyView<'_>, findings: &mut Findings) {
    if decky.attachments.is_empty() {
        let message = format!(
            "decky `{}` is not attached to a LAN; attach it to one or remove it",
            decky.name
        );
        let target = Target::Decky {
            decky: decky.name.into(),
        };
        findings.push(Finding::new(Code::DeckyOrphan, target, message));
    }
}

/// `ROUTER_SINGLE_HOMED`: a decky that forwards but has only one LAN, which is not the DMZ.
pub(super) fn idle_router(decky: &DeckyView<'_>, findings: &mut Findings) {
    let [only] = decky.attachments else { return };
    let Some(lan) = only.lan.filter(|lan| decky.forwards_l3 && !lan.is_dmz()) else {
        return;
    };
    let message = format!(
        "decky `{}` forwards packets but is only attached to LAN `{}`; attach it to another LAN or remove `forwards_l3`",
        decky.name,
        lan.name()
    );
    let target = Target::Decky {
        decky: decky.name.into(),
    };
    findings.push(Finding::new(Code::RouterSingleHomed, target, message));
}
