//! The few `nf_tables` messages that containment needs, as bytes, and how the kernel's answers are compared with them.
//!
//! Numbers and layouts are those of the kernel's `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`. Attributes that
//! are numbers are in network byte order; what rules compare is in the order in which the kernel loads it.

mod attribute;
mod rule;
mod set;

use attribute::{Attribute, holds, listed, number, text};
pub(crate) use rule::{End, Rule};
pub(crate) use set::{Set, SetName};

use crate::netlink::{MESSAGE_HEADER, Message, u16_at};

const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFNL_SUBSYS_NFTABLES: u16 = 10;
const HEADER: usize = MESSAGE_HEADER + 4;

const NFT_MSG_NEWTABLE: u16 = 0;
const NFT_MSG_GETTABLE: u16 = 1;
const NFT_MSG_DELTABLE: u16 = 2;
const NFT_MSG_NEWCHAIN: u16 = 3;
const NFT_MSG_GETCHAIN: u16 = 4;
const NFT_MSG_NEWRULE: u16 = 6;
const NFT_MSG_GETRULE: u16 = 7;
const NFT_MSG_NEWSET: u16 = 9;
const NFT_MSG_GETSET: u16 = 10;
const NFT_MSG_NEWSETELEM: u16 = 12;
const NFT_MSG_GETSETELEM: u16 = 13;
const NFT_MSG_GETGEN: u16 = 16;

const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;

const NFPROTO_UNSPEC: u8 = 0;
const NFPROTO_INET: u8 = 1;
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;
/// -4 as the kernel has it.
const NFT_GOTO: u32 = u32::MAX - 3;

const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_SET_ELEM_LIST_ELEMENTS: u16 = 3;
/// What the table is called.
pub(crate) const TABLE: &str = "decnet";

/// A table of the family `inet`: sets of addresses, base chains that drop what no rule accepts, and chains that rules lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) sets: Vec<Set>,
    pub(crate) chains: Vec<Chain>,
}

/// A list of rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) name: ChainName,
    pub(crate) rules: Vec<Rule>,
}

/// The chains. Those that the kernel calls are of the type `filter`, at the priority of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainName {
    /// What comes in for this namespace.
    Input,
    /// What passes through.
    Forward,
    /// What leaves.
    Output,
    /// Called by rules alone: answers that leave the maze.
    Answers,
}

impl ChainName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Answers => "answers",
        }
    }

    /// `NF_INET_LOCAL_IN`, `NF_INET_FORWARD`, `NF_INET_LOCAL_OUT`; none where the kernel does not call it.
    fn hook(self) -> Option<u32> {
        match self {
            Self::Input => Some(1),
            Self::Forward => Some(2),
            Self::Output => Some(3),
            Self::Answers => None,
        }
    }
}

/// What is asked of the kernel to compare a table with what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Table,
    Chains,
    Sets,
    Elements(SetName),
    Rules(ChainName),
}

impl Question {
    /// The message that asks; the kernel answers with as many as there are, and an end.
    pub(crate) fn message(self, sequence: u32) -> Vec<u8> {
        let (kind, attributes) = match self {
            Self::Table => (NFT_MSG_GETTABLE, Vec::new()),
            Self::Chains => (NFT_MSG_GETCHAIN, Vec::new()),
            Self::Sets => (NFT_MSG_GETSET, vec![text(1, TABLE)]),
            Self::Elements(set) => (NFT_MSG_GETSETELEM, vec![text(1, TABLE), text(2, set.as_str())]),
            Self::Rules(chain) => (NFT_MSG_GETRULE, vec![text(1, TABLE), text(2, chain.as_str())]),
        };
        message(kind, NLM_F_REQUEST | NLM_F_DUMP, sequence, &attributes)
    }
}

impl Table {
    /// All questions whose answers tell whether the kernel has this table.
    pub(crate) fn questions(&self) -> impl Iterator<Item = Question> {
        let whole = [Question::Table, Question::Chains, Question::Sets];
        let elements = self.sets.iter().map(|set| Question::Elements(set.name));
        let rules = self.chains.iter().map(|chain| Question::Rules(chain.name));
        whole.into_iter().chain(elements).chain(rules)
    }

    /// The messages that put this table in the place of the one that is there, all at once: no packet sees neither.
    ///
    /// Answered by an error, or by an acknowledgement of the message with the sequence number that is returned.
    pub(crate) fn replace(&self) -> (Vec<u8>, u32) {
        let new = NLM_F_REQUEST | NLM_F_CREATE;
        let mut parts: Vec<(u16, u16, Vec<Attribute>)> = vec![
            // Made first where there is none, since a missing one cannot be removed.
            (NFT_MSG_NEWTABLE, new, table()),
            (NFT_MSG_DELTABLE, NLM_F_REQUEST, vec![text(1, TABLE)]),
            (NFT_MSG_NEWTABLE, new, table()),
        ];
        for set in &self.sets {
            parts.push((NFT_MSG_NEWSET, new, set.attributes()));
            parts.extend(set.fillings().map(|filling| (NFT_MSG_NEWSETELEM, new, filling)));
        }
        // All chains are there before a rule leads to one.
        parts.extend(
            self.chains
                .iter()
                .map(|chain| (NFT_MSG_NEWCHAIN, new, chain.attributes())),
        );
        for chain in &self.chains {
            parts.extend(chain.rules.iter().map(|rule| {
                let expressions = Attribute::Nest(NFTA_RULE_EXPRESSIONS, rule.expressions.clone());
                let rule = vec![text(1, TABLE), text(2, chain.name.as_str()), expressions];
                (NFT_MSG_NEWRULE, new | NLM_F_APPEND, rule)
            }));
        }
        let mut bytes = batch(NFNL_MSG_BATCH_BEGIN, 0);
        let mut sequence = 0;
        let count = parts.len();
        for (place, (kind, flags, attributes)) in parts.into_iter().enumerate() {
            sequence += 1;
            let flags = if place + 1 == count { flags | NLM_F_ACK } else { flags };
            bytes.extend(message(kind, flags, sequence, &attributes));
        }
        bytes.extend(batch(NFNL_MSG_BATCH_END, sequence + 1));
        (bytes, sequence)
    }

    /// Returns whether what the kernel answered to a question, as whole messages, is this table.
    pub(crate) fn is(&self, question: Question, answer: &[Vec<u8>]) -> bool {
        let bodies = |kind: u16| {
            answer.iter().filter_map(move |message| {
                let is_kind = u16_at(message, 4)? == NFNL_SUBSYS_NFTABLES << 8 | kind;
                let is_family = *message.get(MESSAGE_HEADER)? == NFPROTO_INET;
                message.get(HEADER..).filter(|_| is_kind && is_family)
            })
        };
        match question {
            Question::Table => bodies(NFT_MSG_NEWTABLE).any(|told| holds(told, &table())),
            Question::Chains => self
                .chains
                .iter()
                .all(|chain| bodies(NFT_MSG_NEWCHAIN).any(|told| holds(told, &chain.attributes()))),
            Question::Sets => self
                .sets
                .iter()
                .all(|set| bodies(NFT_MSG_NEWSET).any(|told| holds(told, &set.attributes()))),
            Question::Elements(name) => {
                let lists = bodies(NFT_MSG_NEWSETELEM).flat_map(|told| listed(told, NFTA_SET_ELEM_LIST_ELEMENTS));
                let lists: Vec<&[u8]> = lists.collect();
                self.sets.iter().any(|set| set.name == name && set.has(&lists))
            }
            Question::Rules(name) => {
                let own = [text(1, TABLE), text(2, name.as_str())];
                let told: Vec<&[u8]> = bodies(NFT_MSG_NEWRULE).filter(|told| holds(told, &own)).collect();
                let wanted: Vec<&Rule> = self
                    .chains
                    .iter()
                    .filter(|chain| chain.name == name)
                    .flat_map(|chain| &chain.rules)
                    .collect();
                told.len() == wanted.len() && wanted.iter().zip(told).all(|(rule, told)| rule.is(told))
            }
        }
    }
}

fn table() -> Vec<Attribute> {
    // NFTA_TABLE_{NAME, FLAGS}: the flag that puts it to sleep is not set.
    vec![text(1, TABLE), number(2, 0)]
}

impl Chain {
    fn attributes(&self) -> Vec<Attribute> {
        // NFTA_CHAIN_{TABLE, NAME, HOOK, POLICY, TYPE}, NFTA_HOOK_{HOOKNUM, PRIORITY}
        let mut attributes = vec![text(1, TABLE), text(3, self.name.as_str())];
        if let Some(hook) = self.name.hook() {
            attributes.extend([
                Attribute::Nest(4, vec![number(1, hook), number(2, 0)]),
                number(5, NF_DROP),
                text(7, "filter"),
            ]);
        }
        attributes
    }
}

/// Asks for the number of the ruleset's generation, which only a kernel with `nf_tables` has.
pub(crate) fn get_generation(sequence: u32) -> Vec<u8> {
    message(NFT_MSG_GETGEN, NLM_F_REQUEST, sequence, &[])
}

fn message(kind: u16, flags: u16, sequence: u32, attributes: &[Attribute]) -> Vec<u8> {
    let mut message = Message::new(NFNL_SUBSYS_NFTABLES << 8 | kind, flags, sequence);
    message.append(&[NFPROTO_INET, 0, 0, 0]);
    for attribute in attributes {
        attribute.write(&mut message);
    }
    message.finish()
}

/// The beginning or the end of a batch; `struct nfgenmsg` names the subsystem.
fn batch(kind: u16, sequence: u32) -> Vec<u8> {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    let mut message = Message::new(kind, NLM_F_REQUEST, sequence);
    message.append(&[NFPROTO_UNSPEC, 0, high, low]);
    message.finish()
}

#[cfg(test)]
mod tests;
