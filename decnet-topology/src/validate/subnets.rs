//! Subnets: their size, and whose ranges meet.

use ipnet::Ipv4Net;

use crate::{
    config::DEFAULT_BASE,
    finding::{Code, Finding, Findings, Target},
    net,
    repo::Claim,
    validate::view::{DeckyView, LanView, View},
};

/// How many of those that a subnet overlaps are named. Of `n` equal subnets there are `n²/2` pairs.
const TOLD: usize = 4;

/// The narrowest subnet that a LAN may have.
const NARROWEST: u8 = 29;

/// `SUBNET_TOO_SMALL`: fewer usable addresses than deckies, or narrower than /29.
pub(super) fn too_small(view: &View<'_>, members: &Members, findings: &mut Findings) {
    for (lan, members) in view.lans().zip(&members.0) {
        let (lan, Some(subnet)) = (lan.name(), lan.subnet()) else {
            continue;
        };
        let usable = net::usable(subnet);
        let message = if subnet.prefix_len() > NARROWEST {
            format!("{subnet} of LAN `{lan}` is narrower than /{NARROWEST}; take a wider subnet")
        } else if usable < *members {
            format!("{subnet} of LAN `{lan}` has {usable} usable addresses for {members} deckies; take a wider subnet")
        } else {
            continue;
        };
        let target = Target::Lan { lan: lan.into() };
        findings.push(Finding::new(Code::SubnetTooSmall, target, message));
    }
}

/// `SUBNET_SPECIAL`: an error for ranges that no LAN can use; a warning for link-local, reserved and public addresses.
pub(super) fn special(view: &View<'_>, findings: &mut Findings) {
    let judged = view.lans().filter_map(|lan| {
        let subnet = lan.subnet()?;
        unusable(lan.name(), subnet).or_else(|| doubtful(lan.name(), subnet))
    });
    findings.extend(judged);
}

/// The error for a subnet in a range that no LAN can use.
pub(crate) fn unusable(lan: &str, subnet: Ipv4Net) -> Option<Finding> {
    let special = net::unusable(subnet)?;
    let fault = format!("shares addresses with {special}, which no LAN can use");
    Some(of_range(lan, subnet, &fault))
}

fn doubtful(lan: &str, subnet: Ipv4Net) -> Option<Finding> {
    let fault = match net::doubtful(subnet) {
        Some(special) => format!("shares addresses with {special}, which some systems refuse"),
        None if net::is_public(subnet) => "is public: this machine would not reach the hosts that own it".into(),
        None => return None,
    };
    Some(of_range(lan, subnet, &fault).as_warning())
}

fn of_range(lan: &str, subnet: Ipv4Net, fault: &str) -> Finding {
    let message = format!("{subnet} of LAN `{lan}` {fault}; take a private subnet, for example from {DEFAULT_BASE}");
    Finding::new(Code::SubnetSpecial, Target::Lan { lan: lan.into() }, message)
}

/// How many deckies each LAN has.
pub(super) struct Members(Vec<u64>);

impl Members {
    pub(super) fn new(lan_count: usize) -> Self {
        Self(vec![0; lan_count])
    }

    pub(super) fn add(&mut self, decky: &DeckyView<'_>) {
        for attachment in decky.attachments.iter().filter(|at| at.lan.is_some()) {
            self.0[attachment.at] += 1;
        }
    }
}

/// `SUBNET_OVERLAP`: two LANs of the topology whose ranges meet. Each LAN has a finding for at most the four nearest before it.
pub(super) fn overlaps(view: &View<'_>, findings: &mut Findings) {
    let mut subnets: Vec<_> = view.subnets().map(|(at, subnet)| (subnet, at)).collect();
    subnets.sort_unstable();
    let mut around = Around::default();
    for (subnet, at) in subnets {
        for (other_subnet, other) in around.enter(subnet) {
            // Named in the order written.
            let (one, two) = (other.min(at), other.max(at));
            let (Some(lan), Some(other)) = (view.lan(one), view.lan(two)) else {
                continue;
            };
            let (lan, other) = (lan.name(), other.name());
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
pub(super) fn claimed(view: &View<'_>, claims: &[Claim], findings: &mut Findings) {
    let others: Vec<_> = claims.iter().map(|claim| claim.subnet).collect();
    for (lan, subnet, other) in meetings(view, &others) {
        let (lan, claim) = (lan.name(), &claims[other]);
        let message = format!(
            "{subnet} of LAN `{lan}` shares addresses with {} of LAN `{}` in topology `{}`; take another subnet, or none to have one allocated",
            claim.subnet, claim.lan, claim.name
        );
        let target = Target::Lan { lan: lan.into() };
        findings.push(Finding::new(Code::SubnetOverlap, target, message));
    }
}

/// Finds the LANs whose ranges meet one of the others, with its place there; of each, the four nearest at most.
pub(super) fn meetings<'a>(view: &View<'a>, others: &[Ipv4Net]) -> Vec<(LanView<'a>, Ipv4Net, usize)> {
    if others.is_empty() {
        return Vec::new();
    }
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
    let lans = met.into_iter().filter_map(|(at, other)| {
        let lan = view.lan(at)?;
        Some((lan, lan.subnet()?, other))
    });
    lans.collect()
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
