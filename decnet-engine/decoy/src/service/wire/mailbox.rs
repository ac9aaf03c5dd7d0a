//! The mailbox that POP3 and IMAP show after a login: what Debian's weekly job sends, for the last weeks.

use jiff::Timestamp;

use crate::service::context::Context;

/// A mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) messages: Vec<Message>,
    /// The number that stays while the mailbox exists (RFC 3501, section 2.3.1.1).
    pub(crate) validity: u32,
    /// The identifier of the next message.
    pub(crate) next: u32,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) uid: u32,
    pub(crate) received: Timestamp,
    /// The header with its empty line, and the body.
    pub(crate) header: String,
    pub(crate) body: String,
    pub(crate) is_deleted: bool,
    pub(crate) is_seen: bool,
}

/// Seconds of a week.
const WEEK: i64 = 7 * 24 * 60 * 60;

/// The first time of the weekly job after the start of Unix time: a Sunday, 06:47.
const FIRST: i64 = 3 * 24 * 60 * 60 + 6 * 60 * 60 + 47 * 60;

impl Mailbox {
    /// Creates the mailbox of a user. It is the same all week.
    pub(crate) fn new(context: &Context, user: &[u8], now: Timestamp) -> Self {
        let user = String::from_utf8_lossy(user);
        let local = user.split('@').next().unwrap_or_default();
        // The mailbox was created in the year before October 2023.
        let age = u32::from_le_bytes(context.stable("mailbox"));
        let validity = 1_664_600_000_u32.saturating_add(age % 31_000_000);
        let week = |seconds: i64| seconds.saturating_sub(FIRST).div_euclid(WEEK);
        let last = week(now.as_second());
        let since = |number: i64| u32::try_from(number.saturating_sub(week(validity.into()))).unwrap_or_default();
        let messages = (0..2).rev().map(|ago| {
            let number = last.saturating_sub(ago);
            message(context, local, number, since(number).max(1))
        });
        Self {
            messages: messages.collect(),
            validity,
            next: since(last).max(1).saturating_add(1),
        }
    }
}

fn message(context: &Context, user: &str, number: i64, uid: u32) -> Message {
    let (host, fqdn) = (&context.persona().hostname, context.persona().fqdn());
    let random = u32::from_le_bytes(context.stable(&format!("mail {number}")));
    let second = number.saturating_mul(WEEK).saturating_add(FIRST);
    let received = Timestamp::from_second(second.saturating_add(i64::from(random % 50))).unwrap_or_default();
    let date = received.strftime("%a, %d %b %Y %H:%M:%S +0000 (UTC)");
    let id = format!("{:05X}{:X}", random % 1_000_000, (random >> 20) | 0x100);
    let at = received.strftime("%Y%m%d%H%M%S");
    let command = "test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.weekly; }";
    let header = format!(
        "Return-Path: <root@{fqdn}>\r\nX-Original-To: {user}\r\nDelivered-To: {user}@{fqdn}\r\nReceived: by {fqdn} (Postfix, from userid \
         0)\r\n\tid {id}; {date}\r\nFrom: root@{fqdn} (Cron Daemon)\r\nTo: root@{fqdn}\r\nSubject: Cron <root@{host}> {command}\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\nX-Cron-Env: \
         <SHELL=/bin/sh>\r\nX-Cron-Env: <HOME=/root>\r\nX-Cron-Env: <LOGNAME=root>\r\nMessage-Id: <{at}.{id}@{fqdn}>\r\nDate: \
         {date}\r\n\r\n"
    );
    Message {
        uid,
        received,
        header,
        body: "/etc/cron.weekly/man-db:\r\n/usr/bin/mandb: the setuid man user does not exist\r\n".into(),
        is_deleted: false,
        is_seen: false,
    }
}

impl Message {
    /// Returns the size of the whole message.
    pub(crate) fn size(&self) -> usize {
        self.header.len().saturating_add(self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{protocol::Protocol, service::testing};

    #[test]
    fn the_mailbox_changes_each_week_and_keeps_its_numbers() {
        let context = testing::context("imap", 143, Protocol::Tcp, json!({}));
        let at = |time: &str| Mailbox::new(&context, b"bob@corp.local", time.parse().unwrap());
        let uids = |mailbox: &Mailbox| mailbox.messages.iter().map(|one| one.uid).collect::<Vec<_>>();
        let (monday, saturday, next) = (
            at("2026-03-02T00:00:00Z"),
            at("2026-03-07T23:00:00Z"),
            at("2026-03-08T07:00:00Z"),
        );
        assert_eq!(uids(&monday), uids(&saturday));
        assert_eq!(uids(&monday)[1], uids(&next)[0]);
        assert_eq!((monday.next, next.next), (uids(&monday)[1] + 1, monday.next + 1));
        assert_eq!(monday.messages[1].header, next.messages[0].header);
        assert!(monday.messages[1].header.contains("Date: Sun, 01 Mar 2026 06:47:"));
        assert!(
            monday.messages[1]
                .header
                .contains("Delivered-To: bob@web-01.corp.local\r\n")
        );
    }
}
