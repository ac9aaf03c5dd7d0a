use super::*;

fn written(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    write(&mut writer);
    writer.finish()
}

#[test]
fn integers_have_the_shortest_form() {
    for (number, bytes) in [
        (0, &[2, 1, 0][..]),
        (127, &[2, 1, 0x7f]),
        (128, &[2, 2, 0, 0x80]),
        (256, &[2, 2, 1, 0]),
        (-1, &[2, 1, 0xff]),
        (-128, &[2, 1, 0x80]),
        (-129, &[2, 2, 0xff, 0x7f]),
        (i64::MAX, &[2, 8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (i64::MIN, &[2, 8, 0x80, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(written(|w| _ = w.integer(number)), bytes, "{number}");
        assert_eq!(Reader::new(bytes).integer(), Ok(number), "{bytes:?}");
    }
}

#[test]
fn counters_are_not_negative() {
    for (number, bytes) in [
        (0, &[0x41, 1, 0][..]),
        (u64::from(u32::MAX), &[0x41, 5, 0, 0xff, 0xff, 0xff, 0xff]),
        (u64::MAX, &[0x41, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]),
    ] {
        assert_eq!(written(|w| _ = w.unsigned(tag::COUNTER_32, number)), bytes);
        let element = Reader::new(bytes).expect(tag::COUNTER_32).unwrap();
        assert_eq!(element.unsigned(), Ok(number));
    }
    for content in [&[][..], &[0x80], &[1; 9]] {
        let bytes = written(|w| _ = w.element(tag::TIME_TICKS, content));
        let element = Reader::new(&bytes).element().unwrap();
        assert_eq!(element.unsigned(), Err(BerError::Content(tag::TIME_TICKS)));
    }
}

#[test]
fn oids_are_those_of_x690() {
    for (text, content) in [
        ("1.3.6.1.2.1.1.5.0", &[0x2b, 6, 1, 2, 1, 1, 5, 0][..]),
        ("2.100.3", &[0x81, 0x34, 3]),
        ("1.3.6.1.4.1.311.2.2.10", &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0a]),
        ("1.3.4294967295", &[0x2b, 0x8f, 0xff, 0xff, 0xff, 0x7f]),
        ("0.0", &[0]),
    ] {
        let oid: Oid = text.parse().unwrap();
        assert_eq!(oid.to_string(), text);
        let bytes = written(|w| _ = w.oid(&oid));
        assert_eq!(bytes[2..], *content, "{text}");
        assert_eq!(Reader::new(&bytes).oid(), Ok(oid));
    }
    for content in [&[][..], &[0x2b, 0x81], &[0x2b, 0x9f, 0xff, 0xff, 0xff, 0x7f], &[1; 200]] {
        let bytes = written(|w| _ = w.element(tag::OID, content));
        assert_eq!(
            Reader::new(&bytes).oid(),
            Err(BerError::Content(tag::OID)),
            "{content:?}"
        );
    }
}

#[test]
fn oids_are_in_the_order_of_a_walk() {
    let oid = |text: &str| text.parse::<Oid>().unwrap();
    assert!(oid("1.3.6") < oid("1.3.6.0"));
    assert!(oid("1.3.6.9") < oid("1.3.6.10"));
    assert_eq!(oid(".1.3").with(&[6, 1]), oid("1.3.6.1"));
}

#[test]
fn lengths_are_long_when_they_must_be() {
    for (length, head) in [
        (0, &[4, 0][..]),
        (127, &[4, 127]),
        (128, &[4, 0x81, 128]),
        (256, &[4, 0x82, 1, 0]),
        (70_000, &[4, 0x83, 1, 0x11, 0x70]),
    ] {
        let bytes = written(|w| _ = w.octets(vec![7; length]));
        assert!(bytes.starts_with(head), "{length}");
        assert_eq!(frame(&bytes), Ok(Some(head.len() + length)));
        assert_eq!(Reader::new(&bytes).octets().map(<[u8]>::len), Ok(length));
    }
}

#[test]
fn active_directory_writes_wide_lengths() {
    let mut writer = Writer::wide();
    writer.sequence(|w| _ = w.integer(7).sequence(|w| _ = w.octets("a")));
    assert_eq!(
        writer.finish(),
        [0x30, 0x84, 0, 0, 0, 12, 2, 1, 7, 0x30, 0x84, 0, 0, 0, 3, 4, 1, b'a']
    );
}

#[test]
fn a_message_of_several_elements_is_read_in_order() {
    let bytes = written(|w| {
        w.sequence(|w| {
            w.integer(1).octets("public").null().boolean(true);
            w.inside(tag::context(0, true), |w| _ = w.integer(-5));
        });
    });
    let mut reader = Reader::new(&bytes);
    let mut inside = reader.sequence().unwrap();
    assert!(reader.is_empty());
    assert_eq!(inside.integer(), Ok(1));
    assert_eq!(inside.integer(), Err(BerError::Unexpected(tag::OCTETS)));
    assert_eq!(inside.octets(), Ok(&b"public"[..]));
    assert!(inside.optional(tag::OCTETS).unwrap().is_none());
    assert!(inside.optional(tag::NULL).unwrap().is_some());
    assert_eq!(inside.element().unwrap().boolean(), Ok(true));
    assert_eq!(inside.inside(0xa0).unwrap().integer(), Ok(-5));
    assert_eq!(inside.integer(), Err(BerError::Truncated));
}

#[test]
fn faults_are_errors() {
    for (bytes, error) in [
        (&[][..], BerError::Truncated),
        (&[0x30], BerError::Truncated),
        (&[0x30, 5, 1], BerError::Truncated),
        (&[0x30, 0x82, 1], BerError::Truncated),
        (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], BerError::Truncated),
        (&[0x3f, 1, 1], BerError::LongTag),
        (&[0x30, 0x80, 0, 0], BerError::Length),
        (&[0x30, 0x85, 0, 0, 0, 0, 1], BerError::Length),
    ] {
        assert_eq!(Reader::new(bytes).element().map(|_| ()), Err(error), "{bytes:?}");
    }
    assert_eq!(frame(&[0x30, 0x82, 1]), Ok(None));
    assert_eq!(frame(&[0x30, 0x80]), Err(BerError::Length));
    assert_eq!(
        Reader::new(&[2, 9, 1, 1, 1, 1, 1, 1, 1, 1, 1]).integer(),
        Err(BerError::Content(2))
    );
    assert_eq!(Reader::new(&[2, 0]).integer(), Err(BerError::Content(2)));
}

#[test]
fn deep_nesting_is_an_error() {
    let mut bytes = Vec::new();
    for _ in 0..100 {
        bytes = written(|w| _ = w.element(tag::SEQUENCE, &bytes));
    }
    let mut reader = Reader::new(&bytes);
    let mut depth = 0;
    let error = loop {
        match reader.sequence() {
            Ok(inside) => reader = inside,
            Err(error) => break error,
        }
        depth += 1;
    };
    assert_eq!((depth, error), (32, BerError::Nested));
}
