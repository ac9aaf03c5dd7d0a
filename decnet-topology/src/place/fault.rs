use std::net::Ipv4Addr;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::{name::Name, placement::Vni, shown::count};

/// One reason why a maze was not placed.
///
/// It serializes as an object with the keys `code` and `message`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum PlaceFault {
    /// There are no members.
    #[error("the fleet has no members; add at least one")]
    MembersMissing,
    /// Two members have the same name.
    #[error("two members are named `{member}`; rename one")]
    MemberNameDup {
        /// The name.
        member: Name,
    },
    /// Two members have the same underlay address.
    #[error("the members `{member}` and `{other}` have the same underlay address {underlay}; correct one")]
    UnderlayDup {
        /// The first.
        member: Name,
        /// The second.
        other: Name,
        /// The address.
        underlay: Ipv4Addr,
    },
    /// Other members cannot send packets to an underlay address.
    #[error(
        "other members cannot send packets to {underlay}, the underlay address of member `{member}`; use a unicast address of its network interface"
    )]
    UnderlayUnusable {
        /// The member.
        member: Name,
        /// The address.
        underlay: Ipv4Addr,
    },
    /// A stretched LAN on the member would have an MTU that is too small for IPv4.
    #[error(
        "the underlay of member `{member}` has an MTU of {mtu}, and stretched LANs need at least {least}; raise it"
    )]
    UnderlayMtuTooSmall {
        /// The member.
        member: Name,
        /// Its MTU, in bytes.
        mtu: u16,
        /// The smallest MTU, in bytes.
        least: u16,
    },
    /// The underlay of a member of a stretched LAN is smaller than it was when the maze was placed, or the member is new.
    #[error(
        "the underlay of member `{member}` has an MTU of {mtu}, and the LANs of the maze need {least}; raise it, or place with force, which \
         recreates the networks"
    )]
    UnderlayMtuShrunk {
        /// The member.
        member: Name,
        /// Its MTU, in bytes.
        mtu: u16,
        /// The smallest MTU, in bytes.
        least: u16,
    },
    /// A rule names a LAN that the maze does not have.
    #[error("a placement rule names the LAN `{lan}`, which does not exist{hint}; correct or remove the rule")]
    RuleUnknownLan {
        /// The name.
        lan: Name,
        /// A suggestion for people; may be empty.
        hint: String,
    },
    /// No member has all labels that a LAN needs.
    #[error("LAN `{lan}` needs a member with {}, and no member has it; label a member or change the rules", labelled(.labels))]
    LabelMissing {
        /// The LAN.
        lan: Name,
        /// The labels, at least one.
        labels: Vec<Name>,
    },
    /// No member is labelled `public`, and the LAN has a gateway.
    #[error("LAN `{lan}` has the gateway `{decky}`, and no member that it may use is labelled `public`; label one")]
    GatewayNotPublic {
        /// The LAN.
        lan: Name,
        /// The gateway; if there are several, the first.
        decky: Name,
    },
    /// A group of LANs that must be apart has more LANs than there are members.
    #[error("{} must be on different members (first: `{lan}`), and the fleet has {}; add members or split the group", count(*.lans, "LAN", "LANs"), count(*.members, "member", "members"))]
    ApartTooMany {
        /// The first LAN of the group.
        lan: Name,
        /// The number of LANs.
        lans: u64,
        /// The number of members.
        members: u64,
    },
    /// A LAN has more deckies at home than any member that may have it can hold.
    #[error("LAN `{lan}` has {} at home, and no member that may have it holds more than {most}; raise a capacity or move deckies", count(*.deckies, "decky", "deckies"))]
    LanTooLarge {
        /// The LAN.
        lan: Name,
        /// Its deckies.
        deckies: u32,
        /// The largest capacity.
        most: u32,
    },
    /// The fleet holds fewer deckies than the maze has.
    #[error("the maze has {}, and the fleet holds {capacity}; add members or raise capacities", count(*.deckies, "decky", "deckies"))]
    CapacityExceeded {
        /// The deckies of the maze.
        deckies: u64,
        /// The sum of the capacities.
        capacity: u64,
    },
    /// A part of the maze found no member with enough room that the rules allow.
    #[error("{what} needs room for {}, and no member that the rules allow has it (at most {free} free); add members, raise capacities or relax the rules", count(*.deckies, "decky", "deckies"))]
    NoRoom {
        /// The LAN, or the decky without a LAN, as people read it.
        what: String,
        /// Its deckies.
        deckies: u32,
        /// The most room on a member that the rules allow.
        free: u32,
    },
    /// A member that the maze may use is drained.
    #[error("member `{member}` is drained, so it gets no more deckies; undo that, or take another member")]
    MemberDrained {
        /// The member.
        member: Name,
    },
    /// A member that the maze may use does not answer.
    #[error("member `{member}` does not answer, so it gets no more deckies; start it, or take another member")]
    MemberSilent {
        /// The member.
        member: Name,
    },
    /// A maze is for one member, and that holds fewer deckies than the maze has.
    #[error("the maze has {}, and member `{member}` has room for {room}; raise its capacity, or take another member", count(*.deckies, "decky", "deckies"))]
    MemberTooSmall {
        /// The member.
        member: Name,
        /// The deckies of the maze.
        deckies: u64,
        /// What other mazes leave of its capacity.
        room: u32,
    },
    /// LANs are placed on a host that is not a member any more.
    #[error("{} on `{member}` (first: {first}), which is not a member of the fleet; add it again, or place with force to move them", count(*.parts, "part of the maze is", "parts of the maze are"))]
    MemberGone {
        /// The host.
        member: Name,
        /// How many LANs, and deckies without a LAN.
        parts: u64,
        /// The first of them.
        first: String,
    },
    /// A LAN is placed on a member without the labels that it needs now.
    #[error(
        "LAN `{lan}` is on member `{member}`, which does not have the label that it needs; label the member, or place with force to move the LAN"
    )]
    LabelLost {
        /// The LAN.
        lan: Name,
        /// The member.
        member: Name,
    },
    /// A member has more deckies than its capacity.
    #[error("member `{member}` has {}, and its capacity is {capacity}; raise it, or place with force to move LANs", count(*.deckies, "decky", "deckies"))]
    MemberFull {
        /// The member.
        member: Name,
        /// The deckies that are placed on it.
        deckies: u64,
        /// Its capacity.
        capacity: u32,
    },
    /// Two LANs that must be apart are placed on the same member.
    #[error(
        "the LANs `{lan}` and `{other}` must be apart, and both are on member `{member}`; change the rule, or place with force to move one"
    )]
    ApartBroken {
        /// The first.
        lan: Name,
        /// The second.
        other: Name,
        /// The member.
        member: Name,
    },
    /// Another stretched LAN has the VNI of a LAN.
    #[error("the VNI {vni} of LAN `{lan}` is also used by another LAN of the fleet; place with force to change it")]
    VniTaken {
        /// The LAN.
        lan: Name,
        /// The VNI.
        vni: Vni,
    },
    /// All VNIs are in use.
    #[error("there is no free VNI for LAN `{lan}`; remove mazes that are on several members")]
    VnisExhausted {
        /// The LAN.
        lan: Name,
    },
}

fn labelled(labels: &[Name]) -> String {
    let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
    let noun = if labels.len() == 1 {
        "the label"
    } else {
        "all labels of"
    };
    format!("{noun} {}", labels.join(", "))
}

impl PlaceFault {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

impl Serialize for PlaceFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("PlaceFault", 2)?;
        object.serialize_field("code", self.code())?;
        object.serialize_field("message", &self.to_string())?;
        object.end()
    }
}

/// All reasons why a maze was not placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the maze cannot be placed, {}: {}", count(.faults.len() as u64, "fault", "faults"), list(.faults))]
pub struct NotPlaced {
    /// The reasons, in order; at least one.
    pub faults: Vec<PlaceFault>,
}

impl NotPlaced {
    pub(super) fn new(mut faults: Vec<PlaceFault>) -> Self {
        faults.sort();
        faults.dedup();
        Self { faults }
    }

    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "not_placed"
    }
}

fn list(faults: &[PlaceFault]) -> String {
    const SHOWN: usize = 20;
    let mut shown: Vec<String> = faults.iter().take(SHOWN).map(ToString::to_string).collect();
    if let Some(more @ 1..) = faults.len().checked_sub(SHOWN) {
        shown.push(format!("and {more} more"));
    }
    shown.join("; ")
}
