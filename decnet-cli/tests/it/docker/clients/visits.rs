//! The visits, and the products that `nmap` names.

mod others;
mod web_and_mail;

use super::{Expected, Visit};

const fn visit(
    client: &'static str,
    to: (&'static str, &'static str),
    command: &'static str,
    prints: &'static str,
    events: &'static [Expected],
) -> Visit {
    Visit {
        client,
        to,
        command,
        prints,
        events,
    }
}

/// Returns all visits.
pub(super) fn visits() -> Vec<&'static Visit> {
    web_and_mail::VISITS.iter().chain(others::VISITS).collect()
}

/// The decky, the port, and the start of the product that `nmap` names there.
pub(super) const PRODUCTS: &[(&str, u16, &str)] = &[
    ("web", 21, "ftp vsftpd"),
    ("web", 22, "ssh OpenSSH"),
    ("web", 23, "telnet Linux telnetd"),
    ("web", 80, "http nginx"),
    ("web", 443, "ssl/http nginx"),
    ("mail", 25, "smtp Postfix smtpd"),
    ("mail", 53, "domain ISC BIND 9.18."),
    ("mail", 110, "pop3 Dovecot pop3d"),
    ("mail", 143, "imap Dovecot imapd"),
    ("mail", 587, "smtp Postfix smtpd"),
    ("mail", 993, "ssl/imap Dovecot imapd"),
    ("mail", 995, "ssl/pop3 Dovecot pop3d"),
    ("relay", 25, "smtp Postfix smtpd"),
    ("db", 1883, "mosquitto version 2."),
    ("db", 3306, "mysql M"),
    ("db", 5432, "postgresql PostgreSQL DB"),
    ("db", 6379, "redis Redis key-value store"),
    ("db", 27017, "mongodb MongoDB"),
    ("win", 139, "netbios-ssn Microsoft Windows netbios-ssn"),
    ("win", 389, "ldap Microsoft Windows Active Directory LDAP"),
    ("win", 636, "ssl/ldap Microsoft Windows Active Directory LDAP"),
    ("win", 1433, "ms-sql-s Microsoft SQL Server 2019"),
    ("win", 3389, "ms-wbt-server Microsoft Terminal Services"),
    ("win", 5900, "vnc VNC"),
    ("misc", 2375, "docker Docker"),
    ("misc", 2376, "ssl/docker Docker"),
    ("misc", 5060, "sip-proxy Asterisk PBX"),
    ("misc", 9200, "http Elasticsearch REST API"),
    ("plc", 80, "http Siemens"),
    ("plc", 102, "iso-tsap Siemens S7 PLC"),
    ("plc", 502, "modbus Modbus TCP"),
];
