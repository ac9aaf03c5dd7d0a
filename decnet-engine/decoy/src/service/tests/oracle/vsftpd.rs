//! `vsftpd`.

use super::{
    Step::{Finish, Part, Say},
    *,
};

#[test]
fn ftp_answers_as_vsftpd_does() {
    let Some(plan) = real::Plan::new("usr/sbin/vsftpd") else {
        return;
    };
    // As in Debian's /etc/vsftpd.conf, except that it needs no root.
    let config = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={}\nrun_as_launching_user=YES\nbackground=NO\nanonymous_enable=NO\n\
         local_enable=YES\ndirmessage_enable=YES\nuse_localtime=YES\nxferlog_enable=NO\nconnect_from_port_20=NO\n\
         pam_service_name=vsftpd\n",
        plan.port
    );
    let config = plan.write("vsftpd.conf", config);
    let real = plan.start("usr/sbin/vsftpd", &[&config]);
    finds_the_real_server(&real);
    let comparison = Comparison {
        service: "ftp",
        fields: json!({}),
        greets: true,
        at_once: 8,
        mask: text,
        on_purpose: &[],
    };
    let long = [&[b'A'; 5000][..], b"\r\n"].concat();
    comparison.check(
        &real,
        &[
            &[Part(b"."), Say(b"\r\n"), Say(b"\r\n"), Say(b" \r\n")],
            &[
                Part(b"US"),
                Say(b"ER root\r\n"),
                Say(b"PASS wrong\r\n"),
                Say(b"QUIT\r\n"),
            ],
            &[Say(b"USER root\r\n"), Say(b"PASS \r\n")],
            &[Say(b"USER anonymous\r\n"), Say(b"PASS a@b.org\r\n")],
            &[Say(b"USER\r\n"), Say(b"USER \r\n"), Say(b"PASS x\r\n")],
            &[
                Say(b"PASS x\r\n"),
                Say(b"FOO\r\n"),
                Say(b"SYST\r\n"),
                Say(b"FEAT\r\n"),
                Say(b"HELP\r\n"),
                Say(b"NOOP\r\n"),
            ],
            &[
                Say(b"AUTH TLS\r\n"),
                Say(b"OPTS UTF8 ON\r\n"),
                Say(b"OPTS FOO\r\n"),
                Say(b"STAT\r\n"),
                Say(b"PASV\r\n"),
            ],
            &[
                Say(b"PBSZ 0\r\n"),
                Say(b"PROT P\r\n"),
                Say(b"USER a\r\n"),
                Say(b"LIST\r\n"),
                Say(b"USER b\r\n"),
            ],
            &[Say(b"GET / HTTP/1.0\r\n"), Say(b"user x\n"), Say(b"quit\n")],
            &[Say(b"\xff\xf4\xff\xf2ABOR\r\n"), Say(b"QUIT now\r\n")],
            &[Say(&long)],
            &[Say(b"USER a\0b\r\n"), Finish],
        ],
    );
}
