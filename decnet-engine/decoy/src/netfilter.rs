//! The `nf_tables` messages of the containment and of the guards of links, and the comparison of the kernel's answers with them.
//!
//! The layouts are those of the kernel's `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`. Numbers in attributes
//! are in network byte order; values that rules compare are in the order in which the kernel loads them.

mod attribute;
mod attributes;
mod label;
mod rule;
mod set;

use attribute::{Attribute, holds, listed, number, text};
use attributes::{
    NFTA_CHAIN_HOOK, NFTA_CHAIN_NAME, NFTA_CHAIN_POLICY, NFTA_CHAIN_TABLE, NFTA_CHAIN_TYPE, NFTA_HOOK_HOOKNUM,
    NFTA_HOOK_PRIORITY, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS, NFTA_RULE_TABLE, NFTA_SET_ELEM_LIST_ELEMENTS,
    NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_TABLE, NFTA_TABLE_FLAGS, NFTA_TABLE_NAME,
};
pub(crate) use label::{FoundTable, Label};
pub(crate) use rule::{End, Rule};
pub(crate) use set::{Set, SetName, ranges};

use crate::{
    kernel::{
        NF_ACCEPT, NF_DROP, NF_INET_FORWARD, NF_INET_LOCAL_IN, NF_INET_LOCAL_OUT, NF_INET_PRE_ROUTING,
        NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END, NFNL_SUBSYS_NFTABLES, NFPROTO_INET, NFPROTO_UNSPEC, NFT_MSG_DELTABLE,
        NFT_MSG_GETCHAIN, NFT_MSG_GETGEN, NFT_MSG_GETRULE, NFT_MSG_GETSET, NFT_MSG_GETSETELEM, NFT_MSG_GETTABLE,
        NFT_MSG_NEWCHAIN, NFT_MSG_NEWRULE, NFT_MSG_NEWSET, NFT_MSG_NEWSETELEM, NFT_MSG_NEWTABLE, NLM_F_ACK,
        NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST,
    },
    netlink::{MESSAGE_HEADER, Message, u16_at},
};

/// The header of a message and `struct nfgenmsg`.
const HEADER: usize = MESSAGE_HEADER + 4;

/// The name of the containment's table.
pub(crate) const TABLE: &str = "decnet";

/// The label of the containment's table.
pub(crate) const CONTAINMENT: Label<'_> = Label {
    name: TABLE,
    comment: "",
};

/// A table of the family `inet`: sets of addresses, base chains, and chains that rules jump to.
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

/// The chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainName {
    /// Packets to this namespace.
    Input,
    /// Forwarded packets.
    Forward,
    /// Packets from this namespace.
    Output,
    /// Answers that leave the maze. Only rules jump here.
    Answers,
    /// Packets that arrive, before their ports are redirected.
    Arrivals,
    /// Connections that arrive, whose ports are redirected.
    Redirect,
    /// Connections of this namespace to itself, whose ports are redirected.
    RedirectOwn,
    /// Packets to this namespace, before all other filters. Unlike those in earlier hooks, IPv4 packets are not in fragments here.
    Tunnel,
}

/// The place of a base chain in the kernel.
struct Hook {
    number: u32,
    priority: i32,
    kind: &'static str,
    policy: u32,
}

/// The priorities are those of `nft`: `raw`, `mangle`, `dstnat` and `filter`. The kernel knows the connection of a packet before the
/// last three.
const RAW: i32 = -300;
const MANGLE: i32 = -150;
const DSTNAT: i32 = -100;
const FILTER: i32 = 0;

impl ChainName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
            Self::Answers => "answers",
            Self::Arrivals => "arrivals",
            Self::Redirect => "ports",
            Self::RedirectOwn => "own-ports",
            Self::Tunnel => "tunnel",
        }
    }

    /// Returns the hook of a base chain. Filters drop packets by default.
    fn hook(self) -> Option<Hook> {
        let (number, priority, kind, policy) = match self {
            Self::Input => (NF_INET_LOCAL_IN, FILTER, "filter", NF_DROP),
            Self::Forward => (NF_INET_FORWARD, FILTER, "filter", NF_DROP),
            Self::Output => (NF_INET_LOCAL_OUT, FILTER, "filter", NF_DROP),
            Self::Arrivals => (NF_INET_PRE_ROUTING, MANGLE, "filter", NF_ACCEPT),
            Self::Redirect => (NF_INET_PRE_ROUTING, DSTNAT, "nat", NF_ACCEPT),
            Self::RedirectOwn => (NF_INET_LOCAL_OUT, DSTNAT, "nat", NF_ACCEPT),
            Self::Tunnel => (NF_INET_LOCAL_IN, RAW, "filter", NF_ACCEPT),
            Self::Answers => return None,
        };
        Some(Hook {
            number,
            priority,
            kind,
            policy,
        })
    }
}

/// A request to the kernel whose answer is compared with the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Table,
    Chains,
    Sets,
    Elements(SetName),
    Rules(ChainName),
}

impl Question {
    /// Returns the message about a table. The kernel answers with one message per object and an end.
    pub(crate) fn message(self, table: &str, sequence: u32) -> Vec<u8> {
        let (kind, attributes) = match self {
            Self::Table => (NFT_MSG_GETTABLE, Vec::new()),
            Self::Chains => (NFT_MSG_GETCHAIN, Vec::new()),
            Self::Sets => (NFT_MSG_GETSET, vec![text(NFTA_SET_TABLE, table)]),
            Self::Elements(set) => {
                let list = vec![
                    text(NFTA_SET_ELEM_LIST_TABLE, table),
                    text(NFTA_SET_ELEM_LIST_SET, set.as_str()),
                ];
                (NFT_MSG_GETSETELEM, list)
            }
            Self::Rules(chain) => (
                NFT_MSG_GETRULE,
                vec![text(NFTA_RULE_TABLE, table), text(NFTA_RULE_CHAIN, chain.as_str())],
            ),
        };
        message(kind, NLM_F_REQUEST | NLM_F_DUMP, sequence, &attributes)
    }
}

impl Table {
    /// Returns all questions whose answers show whether the kernel has this table.
    pub(crate) fn questions(&self) -> impl Iterator<Item = Question> {
        let whole = [Question::Table, Question::Chains, Question::Sets];
        let elements = self.sets.iter().map(|set| Question::Elements(set.name));
        let rules = self.chains.iter().map(|chain| Question::Rules(chain.name));
        whole.into_iter().chain(elements).chain(rules)
    }

    /// Returns the messages that replace the table in one transaction, so that every packet sees the old or the new one.
    ///
    /// The kernel answers with an error, or acknowledges the message with the returned sequence number.
    pub(crate) fn replace(&self) -> (Vec<u8>, u32) {
        self.replace_as(CONTAINMENT)
    }

    /// The same for a table with another label.
    pub(crate) fn replace_as(&self, label: Label<'_>) -> (Vec<u8>, u32) {
        let new = NLM_F_REQUEST | NLM_F_CREATE;
        let mut parts: Vec<(u16, u16, Vec<Attribute>)> = vec![
            // Created first, because removing a missing table fails.
            (NFT_MSG_NEWTABLE, new, label.table(table())),
            (NFT_MSG_DELTABLE, NLM_F_REQUEST, vec![text(NFTA_TABLE_NAME, TABLE)]),
            (NFT_MSG_NEWTABLE, new, label.table(table())),
        ];
        for set in &self.sets {
            parts.push((NFT_MSG_NEWSET, new, set.attributes()));
            parts.extend(set.fillings().map(|filling| (NFT_MSG_NEWSETELEM, new, filling)));
        }
        // All chains must exist before a rule jumps to one.
        parts.extend(
            self.chains
                .iter()
                .map(|chain| (NFT_MSG_NEWCHAIN, new, chain.attributes())),
        );
        for chain in &self.chains {
            parts.extend(chain.rules.iter().map(|rule| {
                let expressions = Attribute::Nest(NFTA_RULE_EXPRESSIONS, rule.expressions.clone());
                let rule = vec![
                    text(NFTA_RULE_TABLE, TABLE),
                    text(NFTA_RULE_CHAIN, chain.name.as_str()),
                    expressions,
                ];
                (NFT_MSG_NEWRULE, new | NLM_F_APPEND, rule)
            }));
        }
        transaction(label, parts)
    }

    /// Returns whether the kernel's answer to a question, as whole messages, is this table.
    pub(crate) fn is(&self, question: Question, answer: &[Vec<u8>]) -> bool {
        self.is_as(CONTAINMENT, question, answer)
    }

    /// The same for a table with another label.
    pub(crate) fn is_as(&self, label: Label<'_>, question: Question, answer: &[Vec<u8>]) -> bool {
        let bodies = |kind| bodies(answer, kind);
        match question {
            Question::Table => bodies(NFT_MSG_NEWTABLE).any(|received| holds(received, &label.table(table()))),
            Question::Chains => {
                let own = [text(NFTA_CHAIN_TABLE, label.name)];
                let received = bodies(NFT_MSG_NEWCHAIN).filter(|received| holds(received, &own));
                let received: Vec<&[u8]> = received.collect();
                let has = |chain: &Chain| {
                    let wanted = label.under(chain.attributes());
                    received.iter().any(|received| holds(received, &wanted))
                };
                // One more would redirect ports, for instance.
                received.len() == self.chains.len() && self.chains.iter().all(has)
            }
            Question::Sets => self.sets.iter().all(|set| {
                let wanted = label.under(set.attributes());
                bodies(NFT_MSG_NEWSET).any(|received| holds(received, &wanted))
            }),
            Question::Elements(name) => {
                let lists =
                    bodies(NFT_MSG_NEWSETELEM).flat_map(|received| listed(received, NFTA_SET_ELEM_LIST_ELEMENTS));
                let lists: Vec<&[u8]> = lists.collect();
                self.sets.iter().any(|set| set.name == name && set.has(&lists))
            }
            Question::Rules(name) => {
                let own = [text(NFTA_RULE_TABLE, label.name), text(NFTA_RULE_CHAIN, name.as_str())];
                let received: Vec<&[u8]> = bodies(NFT_MSG_NEWRULE)
                    .filter(|received| holds(received, &own))
                    .collect();
                let wanted: Vec<&Rule> = self
                    .chains
                    .iter()
                    .filter(|chain| chain.name == name)
                    .flat_map(|chain| &chain.rules)
                    .collect();
                received.len() == wanted.len() && wanted.iter().zip(received).all(|(rule, received)| rule.is(received))
            }
        }
    }
}

/// Returns the transaction that removes a table, and the number of its last message. The kernel refuses it if there is no such table.
pub(crate) fn remove(name: &str) -> (Vec<u8>, u32) {
    let label = Label { name, comment: "" };
    transaction(
        label,
        vec![(NFT_MSG_DELTABLE, NLM_F_REQUEST, vec![text(NFTA_TABLE_NAME, name)])],
    )
}

/// Returns the tables in the kernel's answer to [`Question::Table`].
pub(crate) fn tables(answer: &[Vec<u8>]) -> Vec<FoundTable> {
    bodies(answer, NFT_MSG_NEWTABLE).filter_map(FoundTable::read).collect()
}

/// Returns the parts of a kernel's answer that describe an object of a kind, without their headers.
fn bodies(answer: &[Vec<u8>], kind: u16) -> impl Iterator<Item = &[u8]> {
    answer.iter().filter_map(move |message| {
        let is_kind = u16_at(message, 4)? == NFNL_SUBSYS_NFTABLES << 8 | kind;
        let is_family = *message.get(MESSAGE_HEADER)? == NFPROTO_INET;
        message.get(HEADER..).filter(|_| is_kind && is_family)
    })
}

/// Returns the messages of a transaction on the objects of a table: kind, flags and attributes of each. The kernel acknowledges the
/// message with the returned sequence number.
fn transaction(label: Label<'_>, parts: Vec<(u16, u16, Vec<Attribute>)>) -> (Vec<u8>, u32) {
    let mut bytes = batch(NFNL_MSG_BATCH_BEGIN, 0);
    let mut sequence = 0;
    let count = parts.len();
    for (place, (kind, flags, attributes)) in parts.into_iter().enumerate() {
        sequence += 1;
        let flags = if place + 1 == count { flags | NLM_F_ACK } else { flags };
        bytes.extend(message(kind, flags, sequence, &label.under(attributes)));
    }
    bytes.extend(batch(NFNL_MSG_BATCH_END, sequence + 1));
    (bytes, sequence)
}

fn table() -> Vec<Attribute> {
    // No flags: the table is active.
    vec![text(NFTA_TABLE_NAME, TABLE), number(NFTA_TABLE_FLAGS, 0)]
}

impl Chain {
    fn attributes(&self) -> Vec<Attribute> {
        let mut attributes = vec![text(NFTA_CHAIN_TABLE, TABLE), text(NFTA_CHAIN_NAME, self.name.as_str())];
        if let Some(hook) = self.name.hook() {
            attributes.extend([
                Attribute::Nest(
                    NFTA_CHAIN_HOOK,
                    vec![
                        number(NFTA_HOOK_HOOKNUM, hook.number),
                        number(NFTA_HOOK_PRIORITY, hook.priority.cast_unsigned()),
                    ],
                ),
                number(NFTA_CHAIN_POLICY, hook.policy),
                text(NFTA_CHAIN_TYPE, hook.kind),
            ]);
        }
        attributes
    }
}

/// Asks for the generation of the ruleset, which only a kernel with `nf_tables` has.
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

/// Returns the begin or the end of a batch; `struct nfgenmsg` names the subsystem.
fn batch(kind: u16, sequence: u32) -> Vec<u8> {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    let mut message = Message::new(kind, NLM_F_REQUEST, sequence);
    message.append(&[NFPROTO_UNSPEC, 0, high, low]);
    message.finish()
}

#[cfg(test)]
mod tests;
