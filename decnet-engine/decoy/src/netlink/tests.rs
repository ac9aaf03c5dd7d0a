//! The messages are those that `strace` shows of iproute2 on a little-endian machine.
#![cfg(target_endian = "little")]

use super::*;

#[test]
fn forwarding_is_set_by_three_nested_attributes() {
    #[rustfmt::skip]
    let expected = [
        52, 0, 0, 0,  19, 0,  5, 0,  7, 0, 0, 0,  0, 0, 0, 0,
        0, 0, 0, 0,  3, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
        20, 0, 26, 0,  16, 0, 2, 0,  12, 0, 1, 0,  8, 0, 1, 0,  1, 0, 0, 0,
    ];
    assert_eq!(set_forwarding(7, 3, true), expected);
    assert_eq!(set_forwarding(7, 3, false)[48..], [0, 0, 0, 0]);
}

#[test]
fn a_route_is_put_by_destination_and_gateway() {
    #[rustfmt::skip]
    let expected = [
        44, 0, 0, 0,  24, 0,  5, 5,  1, 0, 0, 0,  0, 0, 0, 0,
        2, 24, 0, 0,  254, 4, 0, 1,  0, 0, 0, 0,
        8, 0, 1, 0,  10, 1, 2, 0,  8, 0, 5, 0,  10, 9, 0, 2,
    ];
    assert_eq!(
        put_route(1, "10.1.2.0/24".parse().unwrap(), Ipv4Addr::new(10, 9, 0, 2)),
        expected
    );
}

#[test]
fn a_route_is_deleted_with_all_of_its_keys() {
    let entry = Entry {
        to: "0.0.0.0/0".parse().unwrap(),
        via: Some(Ipv4Addr::new(10, 9, 0, 1)),
        of_kernel: false,
        link: Some(5),
        priority: 100,
        tos: 0,
        scope: 0,
        kind: 1,
        protocol: 3,
    };
    let mut received = delete_route(9, &entry);
    assert_eq!(received[..8], [60, 0, 0, 0, 25, 0, 5, 0]);
    // The kernel describes a route in a message of another type than the request.
    received[4..6].copy_from_slice(&RTM_NEWROUTE.to_ne_bytes());
    assert_eq!(replies(&received, 9), [Reply::Entry(entry)]);
}

#[test]
fn links_are_read_with_their_forwarding() {
    let mut message = Message::new(RTM_NEWLINK, 0, 4);
    message
        .bytes
        .extend_from_slice(&[0, 0, 1, 0, 6, 0, 0, 0, 0x43, 0, 1, 0, 0, 0, 0, 0]);
    message.attribute(3, b"eth0\0");
    message.attribute(IFLA_ADDRESS, &[0, 0x0c, 0x29, 1, 2, 3]);
    message.nest(IFLA_AF_SPEC, |message| {
        message.nest(10, |message| message.attribute(1, &[1, 0, 0, 0]));
        message.nest(2, |message| {
            // Forwarding, multicast forwarding, proxy ARP, redirects; an old kernel returns no more.
            message.attribute(IFLA_INET_CONF, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        });
    });
    let link = Link {
        index: 6,
        loopback: false,
        mac: Some(Mac([0, 0x0c, 0x29, 1, 2, 3])),
        forwarding: Some(true),
        guards: vec![(Guard::AcceptRedirects, 1), (Guard::ProxyArp, 0)],
    };
    assert_eq!(replies(&message.finish(), 4), [Reply::Link(link)]);
}

#[test]
fn a_hardware_address_is_set_by_one_attribute() {
    #[rustfmt::skip]
    let expected = [
        44, 0, 0, 0,  19, 0,  5, 0,  7, 0, 0, 0,  0, 0, 0, 0,
        0, 0, 0, 0,  3, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0,
        10, 0, 1, 0,  0, 12, 41, 1,  2, 3, 0, 0,
    ];
    assert_eq!(set_mac(7, 3, Mac([0, 0x0c, 0x29, 1, 2, 3])), expected);
}

#[test]
fn guards_are_set_together() {
    let sent = set_guards(7, 3, &[Guard::AcceptRedirects, Guard::ReversePathFilter]);
    #[rustfmt::skip]
    let expected = [
        28, 0, 26, 0,  24, 0, 2, 0,  20, 0, 1, 0,  8, 0, 4, 0,  0, 0, 0, 0,  8, 0, 8, 0,  2, 0, 0, 0,
    ];
    assert_eq!(sent[32..], expected);
}

#[test]
fn a_cached_route_of_the_kernel_is_ignored() {
    let subnet = "10.1.2.3/32".parse().unwrap();
    let mut cached = put_route(1, subnet, Ipv4Addr::new(10, 9, 0, 2));
    assert!(matches!(replies(&cached, 1)[..], [Reply::Entry(_)]));
    // The flags of `struct rtmsg`.
    cached[24..28].copy_from_slice(&RTM_F_CLONED.to_ne_bytes());
    assert_eq!(replies(&cached, 1), [Reply::Other]);
}

#[test]
fn errors_and_ends_carry_the_errno() {
    let error = |kind: u16, code: i32| {
        let mut message = Message::new(kind, 0, 1);
        message.bytes.extend_from_slice(&code.to_ne_bytes());
        message.finish()
    };
    assert_eq!(replies(&error(NLMSG_ERROR, -101), 1), [Reply::End(101)]);
    assert_eq!(
        replies(&[error(NLMSG_ERROR, 0), error(NLMSG_DONE, 0)].concat(), 1),
        [Reply::End(0), Reply::End(0)]
    );
}

#[test]
fn answers_to_other_requests_and_routes_of_other_tables_are_ignored() {
    assert_eq!(replies(&get_links(3), 4), []);
    let mut local = put_route(1, "10.1.2.0/24".parse().unwrap(), Ipv4Addr::new(10, 9, 0, 2));
    local[20] = 255;
    assert_eq!(replies(&local, 1), [Reply::Other]);
}

#[test]
fn truncated_messages_do_not_panic() {
    let whole = [
        get_routes(1),
        put_route(1, "10.1.2.0/24".parse().unwrap(), Ipv4Addr::new(10, 9, 0, 2)),
    ]
    .concat();
    for length in 0..whole.len() {
        let mut cut = whole[..length].to_vec();
        assert!(replies(&cut, 1).len() <= 1);
        if length > MESSAGE_HEADER {
            let claimed = u32::try_from(length).unwrap();
            cut[..4].copy_from_slice(&claimed.to_ne_bytes());
            assert_eq!(replies(&cut, 1).len(), 1);
        }
    }
}
