//! Subnets: their size, and whose ranges meet.

use ipnet::Ipv4Net;

use crate::{
    finding::{Code, Finding, Target},
    net,
    repo::Claim,
    validate::view::View,
};

/// How many of those that a subnet overlaps are named. Of `n` equal subnets there are `n²/2` pairs.
const TOLD: usize = 4;

/// The narrowest subnet that a LAN may have.
const NARROWEST: u8 = 29;

/// `SUBNET_TOO_SMALL`: fewer usable addresses than deckies, or narrower than /29.
pub(super) fn too_small(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut members = vec![0_u64; view.lans.len()];
    for (_, _, attachment) in view.attachments() {
        members[attachment.lan] += 1;
    }
    for (at, subnet) in view.subnets() {
        let lan = view.lans[at].name;
        let (usable, members) = (net::usable(subnet), members[at]);
        let message = if subnet.prefix_len() > NARROWEST {
            format!("{subnet} of LAN `{lan}` is narrower than /{NARROWEST}; take a wider subnet")
        } else if usable < members {
            format!("{subnet} of LAN `{lan}` has {usable} usable addresses for {members} deckies; take a wider subnet")
        } else {
            continue;
        };
        let target = Target::Lan { lan: lan.into() };
        findings.push(Finding::new(Code::SubnetTooSmall, target, message));
    }
}

/// `SUBNET_OVERLAP`: two LANs of the topology whose ranges meet. A LAN is told of the four nearest before it at most.
pub(super) fn overlaps(view: &View<'_>, findings: &mut Vec<Finding>) {
    let mut subnets: Vec<_> = view.subnets().map(|(at, subnet)| (subnet, at)).collect();
    subnets.sort_unstable();
    let mut around = Around::default();
    for (subnet, at) in subnets {
        for (other_subnet, other) in around.enter(subnet) {
            // Named in the order written.
            let (one, two) = (other.min(at), other.max(at));
            let (lan, other) = (view.lans[one].name, view.lans[two].name);
            let (first, second) = if one == at {
                (subnet, other_subnet)
            } else {
                (other_subnet, subnet)
            };
            let message =
                format!("{first} of LAN `{lan}` and {second} of LAN `{other}` share addresses; move one of them");
            let target = Target::LanPair {
                lan: lan.into(),
                other: other.into(),
            };
            findings.push(Finding::new(Code::SubnetOverlap, target, message));
        }
        around.push(subnet, at);
    }
}

/// `SUBNET_OVERLAP`: a LAN whose range meets that of another topology.
pub(super) fn claimed(view: &View<'_>, claims: &[Claim], findings: &mut Vec<Finding>) {
    let others: Vec<_> = claims.iter().map(|claim| claim.subnet).collect();
    for (at, other) in meetings(view, &others) {
        let (lan, claim) = (&view.lans[at], &claims[other]);
        let subnet = lan.subnet.map(|subnet| subnet.to_string()).unwrap_or_default();
        let message = format!(
            "{subnet} of LAN `{}` shares addresses with {} of LAN `{}` in topology `{}`; take another subnet, or none to have one allocated",
            lan.name, claim.subnet, claim.lan, claim.name
        );
        let target = Target::Lan { lan: lan.name.into() };
        findings.push(Finding::new(Code::SubnetOverlap, target, message));
    }
}

/// Finds the LANs whose ranges meet one of the others, with the places of both; of each, the four nearest at most.
pub(super) fn meetings(view: &View<'_>, others: &[Ipv4Net]) -> Vec<(usize, usize)> {
    let ours = view.subnets().map(|(at, subnet)| (subnet, true, at));
    let theirs = others.iter().enumerate().map(|(at, subnet)| (*subnet, false, at));
    let mut all: Vec<_> = ours.chain(theirs).collect();
    all.sort_unstable();
    let (mut our_around, mut their_around) = (Around::default(), Around::default());
    let mut met = Vec::new();
    for (subnet, is_ours, at) in all {
        if is_ours {
            met.extend(their_around.enter(subnet).map(|(_, other)| (at, other)));
            our_around.push(subnet, at);
        } else {
            met.extend(our_around.enter(subnet).map(|(_, lan)| (lan, at)));
            their_around.push(subnet, at);
        }
    }
    met.sort_unstable();
    met
}

/// The subnets around the place that a walk in order of address has come to. Two subnets either nest or do not meet, so
/// these are all that meet the next one.
#[derive(Default)]
struct Around(Vec<(Ipv4Net, usize)>);

impl Around {
    /// Goes on to a subnet, and walks those around it, the nearest first.
    fn enter(&mut self, subnet: Ipv4Net) -> impl Iterator<Item = (Ipv4Net, usize)> {
        self.leave_for(subnet);
        self.0.iter().rev().take(TOLD).copied()
    }

    fn push(&mut self, subnet: Ipv4Net, at: usize) {
        self.leave_for(subnet);
        self.0.push((subnet, at));
    }

    /// Drops what ended before the subnet.
    fn leave_for(&mut self, subnet: Ipv4Net) {
        while self.0.last().is_some_and(|(outer, _)| !net::overlaps(*outer, subnet)) {
            self.0.pop();
        }
    }
}
