//! Subnets: their size, and their overlaps.

use ipnet::Ipv4Net;

use crate::{
    config::DEFAULT_SUBNET_BASE_PREFIX,
    finding::{Code, Finding, Findings, Target},
    net,
    repo::SubnetClaim,
    validate::view::{DeckyView, LanView, TopologyView},
};

/// The largest number of reported overlaps of a subnet. `n` equal subnets have `n²/2` pairs.
const REPORTED: usize = 4;

/// The smallest subnet that a LAN may have.
const NARROWEST: u8 = 29;

/// `SUBNET_TOO_SMALL`: fewer usable addresses than deckies, or narrower than /29.
pub(super) fn too_small(view: &TopologyView<'_>, members: &Members, findings: &mut Findings) {
    for (lan, members) in view.lans().zip(&members.0) {
        let (lan, Some(subnet)) = (lan.name(), lan.subnet()) else {
            continue;
        };
        let usable = net::usable(subnet);
        let message = if subnet.prefix_len() > NARROWEST {
            format!("{subnet} of LAN `{lan}` is smaller than /{NARROWEST}; use a larger subnet")
        } else if usable < *members {
            format!("{subnet} of LAN `{lan}` has {usable} usable addresses for {members} deckies; use a larger subnet")
        } else {
            continue;
        };
        let target = Target::Lan { lan: lan.into() };
        findings.push(Finding::new(Code::SubnetTooSmall, target, message));
    }
}

/// `SUBNET_SPECIAL`: an error for ranges that no LAN can use; a warning for link-local, reserved and public addresses.
pub(super) fn special(view: &TopologyView<'_>, findings: &mut Findings) {
    let judged = view.lans().filter_map(|lan| {
        let subnet = lan.subnet()?;
        unusable(lan.name(), subnet).or_else(|| doubtful(lan.name(), subnet))
    });
    findings.extend(judged);
}

/// Returns the error for a subnet in a range that no LAN can use.
pub(crate) fn unusable(lan: &str, subnet: Ipv4Net) -> Option<Finding> {
    let special = net::unusable(subnet)?;
    let fault = format!("overlaps {special}, which no LAN can use");
    Some(of_range(lan, subnet, &fault))
}

fn doubtful(lan: &str, subnet: Ipv4Net) -> Option<Finding> {
    let fault = match net::doubtful(subnet) {
        Some(special) => format!("overlaps {special}, which some systems refuse"),
        None if net::is_public(subnet) => "is public: this machine could no longer reach its real hosts".into(),
        None => return None,
    };
    Some(of_range(lan, subnet, &fault).as_warning())
}

fn of_range(lan: &str, subnet: Ipv4Net, fault: &str) -> Finding {
    let message =
        format!("{subnet} of LAN `{lan}` {fault}; use a private subnet, for example from {DEFAULT_SUBNET_BASE_PREFIX}");
    Finding::new(Code::SubnetSpecial, Target::Lan { lan: lan.into() }, message)
}

/// The number of deckies of each LAN.
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

/// `SUBNET_OVERLAP`: two LANs of the topology that overlap. Each LAN has findings for at most the four nearest earlier ones.
pub(super) fn overlaps(view: &TopologyView<'_>, findings: &mut Findings) {
    let mut subnets: Vec<_> = view.subnets().map(|(at, subnet)| (subnet, at)).collect();
    subnets.sort_unstable();
    let mut around = Around::default();
    for (subnet, at) in subnets {
        for (other_subnet, other) in around.enter(subnet) {
            // The finding names the LANs in the order of the document.
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
            let message = format!("{first} of LAN `{lan}` overlaps {second} of LAN `{other}`; move one of them");
            let target = Target::LanPair {
                lan: lan.into(),
                other: other.into(),
            };
            findings.push(Finding::new(Code::SubnetOverlap, target, message));
        }
        around.push(subnet, at);
    }
}

/// `SUBNET_OVERLAP`: a LAN that overlaps one of another topology.
pub(super) fn claimed(view: &TopologyView<'_>, claims: &[SubnetClaim], findings: &mut Findings) {
    let others: Vec<_> = claims.iter().map(|claim| claim.subnet).collect();
    for (lan, subnet, other) in overlapping_lans(view, &others) {
        let (lan, claim) = (lan.name(), &claims[other]);
        let message = format!(
            "{subnet} of LAN `{lan}` overlaps {} of LAN `{}` of maze `{}`; use another subnet, or omit it to allocate one",
            claim.subnet, claim.lan, claim.name
        );
        let target = Target::Lan { lan: lan.into() };
        findings.push(Finding::new(Code::SubnetOverlap, target, message));
    }
}

/// Finds the LANs that overlap one of the others, with its position there; at most the four nearest for each.
pub(super) fn overlapping_lans<'a>(view: &TopologyView<'a>, others: &[Ipv4Net]) -> Vec<(LanView<'a>, Ipv4Net, usize)> {
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

/// The subnets that contain the current position of a walk in order of address. Two subnets are nested or disjoint, so these are
/// all that overlap the next one.
#[derive(Default)]
struct Around(Vec<(Ipv4Net, usize)>);

impl Around {
    /// Advances to a subnet, and walks those that contain it, the nearest first.
    fn enter(&mut self, subnet: Ipv4Net) -> impl Iterator<Item = (Ipv4Net, usize)> {
        self.leave_for(subnet);
        self.0.iter().rev().take(REPORTED).copied()
    }

    fn push(&mut self, subnet: Ipv4Net, at: usize) {
        self.leave_for(subnet);
        self.0.push((subnet, at));
    }

    /// Removes the subnets that end before this one.
    fn leave_for(&mut self, subnet: Ipv4Net) {
        while self.0.last().is_some_and(|(outer, _)| !net::overlaps(*outer, subnet)) {
            self.0.pop();
        }
    }
}
