//! The messages are those that `strace` shows of `nft` on a little-endian machine.
#![cfg(target_endian = "little")]

use std::net::Ipv4Addr;

use super::*;

fn table() -> Table {
    let chain = |name, rules| Chain { name, rules };
    let range = (Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(10, 1, 0, 255));
    let set = |name, ranges| Set { name, ranges };
    Table {
        sets: vec![set(SetName::Inside, vec![range]), set(SetName::Closed, Vec::new())],
        chains: vec![
            chain(
                ChainName::Output,
                vec![
                    Rule::all().over_loopback().accept(),
                    Rule::not_ipv4().drop(),
                    Rule::all().answering().go_to(ChainName::Answers),
                ],
            ),
            chain(
                ChainName::Forward,
                vec![
                    Rule::ipv4()
                        .within(End::Source, SetName::Inside)
                        .not_within(End::Destination, SetName::Closed)
                        .accept(),
                ],
            ),
            chain(
                ChainName::Answers,
                vec![Rule::all().at_most_bytes(1 << 20, 1 << 16).accept()],
            ),
        ],
    }
}

/// Returns a kernel's answer: the messages of one kind that it was sent.
fn answer_of(table: &Table, question: Question) -> Vec<Vec<u8>> {
    let received = |kind: u16, attributes: &[Attribute]| message(kind, 0, 1, attributes);
    let rule = |chain: ChainName, rule: &Rule| {
        let expressions = Attribute::Nest(NFTA_RULE_EXPRESSIONS, rule.expressions.clone());
        received(NFT_MSG_NEWRULE, &[text(1, TABLE), text(2, chain.as_str()), expressions])
    };
    match question {
        Question::Table => vec![received(NFT_MSG_NEWTABLE, &super::table())],
        Question::Chains => table
            .chains
            .iter()
            .map(|chain| received(NFT_MSG_NEWCHAIN, &chain.attributes()))
            .collect(),
        Question::Sets => table
            .sets
            .iter()
            .map(|set| received(NFT_MSG_NEWSET, &set.attributes()))
            .collect(),
        Question::Elements(name) => {
            let set = table.sets.iter().find(|set| set.name == name).unwrap();
            // The kernel has its own order.
            let elements = set.elements().into_iter().rev().map(set::Element::attribute);
            let list = Attribute::Nest(NFTA_SET_ELEM_LIST_ELEMENTS, elements.collect());
            vec![received(NFT_MSG_NEWSETELEM, &[list])]
        }
        Question::Rules(name) => table
            .chains
            .iter()
            .filter(|chain| chain.name == name)
            .flat_map(|chain| chain.rules.iter().map(move |one| rule(name, one)))
            .collect(),
    }
}

#[test]
fn a_rule_is_sent_as_nft_sends_it() {
    #[rustfmt::skip]
    let expected = [
        176, 0, 0, 0,  6, 10,  1, 12,  7, 0, 0, 0,  0, 0, 0, 0,  1, 0, 0, 0,
        11, 0, 1, 0, b'd', b'e', b'c', b'n', b'e', b't', 0, 0,
        11, 0, 2, 0, b'o', b'u', b't', b'p', b'u', b't', 0, 0,
        132, 0, 4, 0x80,
        36, 0, 1, 0x80,  9, 0, 1, 0, b'm', b'e', b't', b'a', 0, 0, 0, 0,
        20, 0, 2, 0x80,  8, 0, 2, 0, 0, 0, 0, 5,  8, 0, 1, 0, 0, 0, 0, 1,
        44, 0, 1, 0x80,  8, 0, 1, 0, b'c', b'm', b'p', 0,
        32, 0, 2, 0x80,  8, 0, 1, 0, 0, 0, 0, 1,  8, 0, 2, 0, 0, 0, 0, 0,  12, 0, 3, 0x80,  8, 0, 1, 0, 1, 0, 0, 0,
        48, 0, 1, 0x80,  14, 0, 1, 0, b'i', b'm', b'm', b'e', b'd', b'i', b'a', b't', b'e', 0, 0, 0,
        28, 0, 2, 0x80,  8, 0, 1, 0, 0, 0, 0, 0,  16, 0, 2, 0x80,  12, 0, 2, 0x80,  8, 0, 1, 0, 0, 0, 0, 1,
    ];
    let rule = Rule::all().over_loopback().accept();
    let expressions = Attribute::Nest(NFTA_RULE_EXPRESSIONS, rule.expressions);
    let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_APPEND;
    let sent = message(
        NFT_MSG_NEWRULE,
        flags,
        7,
        &[text(1, TABLE), text(2, "output"), expressions],
    );
    assert_eq!(sent, expected);
}

#[test]
fn a_chain_that_rules_jump_to_is_sent_as_nft_sends_it() {
    #[rustfmt::skip]
    let expected = [
        // `goto answers`, in network byte order: -4, and the name.
        60, 0, 1, 0x80,  14, 0, 1, 0, b'i', b'm', b'm', b'e', b'd', b'i', b'a', b't', b'e', 0, 0, 0,
        40, 0, 2, 0x80,  8, 0, 1, 0, 0, 0, 0, 0,
        28, 0, 2, 0x80,  24, 0, 2, 0x80,
        8, 0, 1, 0, 255, 255, 255, 252,  12, 0, 2, 0, b'a', b'n', b's', b'w', b'e', b'r', b's', 0,
    ];
    let mut sent = Message::new(0, 0, 0);
    Rule::all().go_to(ChainName::Answers).expressions[0].write(&mut sent);
    assert_eq!(sent.finish()[MESSAGE_HEADER..], expected);
    let answers = Chain {
        name: ChainName::Answers,
        rules: Vec::new(),
    };
    assert_eq!(
        answers.attributes(),
        [text(1, TABLE), text(3, "answers")],
        "the kernel has no hook for it"
    );
}

#[test]
fn the_kernel_s_copy_of_a_table_is_recognized_and_no_other_table_is() {
    let wanted = table();
    for question in wanted.questions() {
        let answer = answer_of(&wanted, question);
        assert!(wanted.is(question, &answer), "{question:?}");
        let is_nothing = question == Question::Elements(SetName::Closed);
        assert_eq!(wanted.is(question, &[]), is_nothing, "{question:?} without an answer");
        for length in 0..answer[0].len() {
            // A truncated answer must not panic.
            wanted.is(question, &[answer[0][..length].to_vec()]);
        }
    }
    let mut more = table();
    more.sets[0]
        .ranges
        .push((Ipv4Addr::new(10, 9, 0, 0), Ipv4Addr::BROADCAST));
    let mut open = table();
    open.chains[0].rules.insert(0, Rule::all().accept());
    let mut turned = table();
    turned.chains[0].rules.reverse();
    let mut ends = table();
    let both = Rule::ipv4().within(End::Source, SetName::Inside);
    ends.chains[1].rules = vec![both.clone().not_within(End::Source, SetName::Closed).accept()];
    let mut sets = table();
    sets.chains[1].rules = vec![both.within(End::Destination, SetName::Closed).accept()];
    let mut wider = table();
    wider.chains[2].rules = vec![Rule::all().at_most_bytes(2 << 20, 1 << 16).accept()];
    let mut packets = table();
    packets.chains[2].rules = vec![Rule::all().at_most_packets(1 << 20, 1 << 16).accept()];
    for (other, question) in [
        (more, Question::Elements(SetName::Inside)),
        (open, Question::Rules(ChainName::Output)),
        (turned, Question::Rules(ChainName::Output)),
        (ends, Question::Rules(ChainName::Forward)),
        (sets, Question::Rules(ChainName::Forward)),
        (wider, Question::Rules(ChainName::Answers)),
        (packets, Question::Rules(ChainName::Answers)),
    ] {
        assert!(!wanted.is(question, &answer_of(&other, question)), "{other:?}");
    }
}

#[test]
fn thousands_of_ranges_fit_into_a_batch() {
    let many = Set {
        name: SetName::Inside,
        ranges: (0..2000_u32)
            .map(|n| (Ipv4Addr::from_bits(n << 9), Ipv4Addr::from_bits((n << 9) + 255)))
            .collect(),
    };
    let many = Table {
        sets: vec![many],
        ..table()
    };
    let (batch, last) = many.replace();
    let lengths = crate::netlink::messages(&batch).map(<[u8]>::len);
    assert_eq!(lengths.sum::<usize>(), batch.len());
    assert!(last > 2000 * 2 / u32::try_from(set::ELEMENTS_A_MESSAGE).unwrap());
}
