//! `vsftpd` after a login: transfers over a second connection, and files.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::chown,
    time::Duration,
};

use serde_json::json;

use self::Act::{Connect, Fetch, Put, Say};
use super::{
    super::{
        changes::{Process, tcp},
        service, state_of,
    },
    real, text,
};

/// What a visitor does after the login.
#[derive(Clone, Copy, Debug)]
enum Act<'a> {
    /// Sends a command whose answer is one reply.
    Say(&'a str),
    /// Sends PASV or EPSV and connects to the port in the reply.
    Connect(&'a str),
    /// Sends a command and reads the second connection to its end, if the reply announces a transfer.
    Fetch(&'a str),
    /// Sends a command and a file over the second connection, if the reply announces a transfer.
    Put(&'a str, &'a [u8]),
}

/// A connection after the login.
struct Visitor {
    control: BufReader<TcpStream>,
    data: Option<TcpStream>,
}

/// The user and group `daemon`.
const DAEMON: u32 = 1;

const TIMEOUT: Duration = Duration::from_secs(20);

fn connect(port: u16) -> TcpStream {
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port));
    let mut tries = std::iter::repeat_with(connect).inspect(|tried| {
        if tried.is_err() {
            std::thread::sleep(Duration::from_millis(5));
        }
    });
    let stream = tries.by_ref().take(1000).find_map(Result::ok).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

impl Visitor {
    fn login(port: u16) -> Self {
        let mut visitor = Self {
            control: BufReader::new(connect(port)),
            data: None,
        };
        visitor.reply();
        let login = [visitor.say("USER ftp"), visitor.say("PASS x")];
        let expected = ["331 Please specify the password.", "230 Login successful."];
        assert_eq!(login, expected, "port {port}");
        visitor
    }

    /// Reads a reply, which may have several lines.
    fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.control.read_line(&mut line).unwrap() == 0 {
                return reply + "(closed)";
            }
            let is_last = line
                .get(..3)
                .is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()))
                && line.as_bytes().get(3) == Some(&b' ');
            reply.push_str(&masked(&line));
            if is_last {
                return reply.trim_end().to_owned();
            }
        }
    }

    fn say(&mut self, command: &str) -> String {
        // The server may have closed the connection.
        let line = format!("{command}\r\n");
        let _ = self.control.get_mut().write_all(line.as_bytes());
        self.reply()
    }

    /// Does something, and returns the replies and what came over the second connection.
    fn act(&mut self, act: Act) -> Vec<String> {
        match act {
            Act::Say(command) => vec![self.say(command)],
            Act::Connect(command) => {
                let reply = self.say(command);
                let Some(port) = port(&reply) else { return vec![reply] };
                self.data = Some(connect(port));
                vec![without_port(&reply)]
            }
            Act::Fetch(command) => self.transfer(command, |mut data| {
                let mut received = Vec::new();
                data.read_to_end(&mut received).unwrap();
                received
            }),
            Act::Put(command, bytes) => self.transfer(command, |mut data| {
                data.write_all(bytes).unwrap();
                Vec::new()
            }),
        }
    }

    fn transfer(&mut self, command: &str, act: impl FnOnce(TcpStream) -> Vec<u8>) -> Vec<String> {
        let reply = self.say(command);
        if !reply.starts_with('1') {
            return vec![reply];
        }
        let Some(data) = self.data.take() else {
            return vec![reply, self.reply()];
        };
        let received = act(data);
        let received = received.split_inclusive(|byte| *byte == b'\n');
        let received = received.map(|line| masked(&text(line))).collect();
        vec![reply, received, self.reply()]
    }
}

/// Returns the port in the reply to PASV or EPSV.
fn port(reply: &str) -> Option<u16> {
    if let Some(extended) = reply.strip_prefix("229 Entering Extended Passive Mode (|||") {
        return extended.strip_suffix("|)")?.parse().ok();
    }
    let numbers = reply.strip_prefix("227 Entering Passive Mode (")?.strip_suffix(").")?;
    let mut last = numbers.rsplit(',');
    let (low, high) = (last.next()?.parse::<u16>().ok()?, last.next()?.parse::<u16>().ok()?);
    Some(high * 256 + low)
}

fn without_port(reply: &str) -> String {
    reply
        .rsplit_once("|||")
        .or_else(|| reply.match_indices(',').nth(3).map(|(at, _)| reply.split_at(at)))
        .map_or(reply, |(start, _)| start)
        .to_owned()
}

/// Hides the owners and the time in the line of a folder, and the time of a file.
fn masked(line: &str) -> String {
    let is_row = line.len() > 55 && matches!(line.as_bytes()[0], b'-' | b'd');
    if is_row {
        return format!("{} owners {} time {}", &line[..15], &line[34..42], &line[55..]);
    }
    if line.starts_with("213 20") && line.trim_end().len() == 18 {
        return "213 time\r\n".into();
    }
    line.to_owned()
}

#[test]
fn ftp_transfers_files_as_vsftpd_does() {
    let Some(plan) = real::Plan::new("usr/sbin/vsftpd") else {
        return;
    };
    // One process for a session: vsftpd is the first process of its namespace, and crashes when the second one of a session ends.
    // A user's own folder in the place where the service has it.
    let root = plan.folder.path().join("root");
    let home = root.join("home/ftp");
    let empty = plan.folder.path().join("empty");
    // The service has a folder there too.
    for folder in [&home.join("docs"), &empty] {
        fs::create_dir_all(folder).unwrap();
    }
    // The user must have a home.
    chown(&home, Some(DAEMON), Some(DAEMON)).unwrap();
    let config = format!(
        "listen=YES\nlisten_address=127.0.0.1\nlisten_port={}\nbackground=NO\nanonymous_enable=YES\nftp_username=daemon\n\
         nopriv_user=nobody\nanon_root={}\nsecure_chroot_dir={}\nlocal_enable=NO\nwrite_enable=YES\nanon_upload_enable=YES\n\
         anon_mkdir_write_enable=YES\nanon_other_write_enable=YES\nanon_umask=022\nanon_world_readable_only=NO\n\
         dirmessage_enable=YES\nxferlog_enable=NO\nconnect_from_port_20=NO\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\none_process_model=YES\n",
        plan.port,
        root.display(),
        empty.display(),
    );
    let path = plan.path("vsftpd.conf");
    // vsftpd reads only a file of its own user.
    fs::write(&path, config).unwrap();
    let real = plan.start_as("usr/sbin/vsftpd", &[&path], false);
    let port = crate::ports::tests::free();
    let ours = state_of(service("ftp", vec![tcp(port)], json!({"password": "x"})));
    let own = Process::with(&ours, port);
    let mut differences = Vec::new();
    for acts in CONVERSATIONS {
        let (mut theirs, mut ours) = (Visitor::login(real.port), Visitor::login(own.port));
        for act in *acts {
            let (their, our) = (theirs.act(*act), ours.act(*act));
            if their != our {
                differences.push(format!("{act:?}\n      real: {their:?}\n      ours: {our:?}"));
                break;
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

const CONVERSATIONS: &[&[Act]] = &[
    &[
        Say("CWD /home/ftp"),
        Say("PWD"),
        Say("MKD one"),
        Say("MKD one"),
        Say("CWD one"),
        Say("PWD"),
        Connect("PASV"),
        Fetch("LIST"),
        Say("LIST"),
        Connect("EPSV"),
        Put("STOR a.txt", b"hello\r\nworld\n"),
        Connect("PASV"),
        Fetch("LIST"),
        Connect("PASV"),
        Fetch("NLST"),
        Connect("PASV"),
        Fetch("LIST -la"),
        Connect("EPSV 1"),
        Fetch("RETR a.txt"),
        Say("SIZE a.txt"),
        Say("MDTM a.txt"),
        Say("TYPE I"),
        Say("SIZE a.txt"),
        Connect("EPSV"),
        Fetch("RETR a.txt"),
        Connect("PASV"),
        Put("APPE a.txt", b"more"),
        Say("SIZE a.txt"),
        Say("REST 6"),
        Connect("PASV"),
        Fetch("RETR a.txt"),
        Connect("PASV"),
        Fetch("RETR a.txt"),
    ],
    &[
        Say("CWD /home/ftp"),
        Say("MKD two"),
        Say("CWD two"),
        Connect("PASV"),
        Put("STOR b", b""),
        Connect("PASV"),
        Fetch("NLST b"),
        Connect("PASV"),
        Fetch("LIST b"),
        Connect("PASV"),
        Fetch("LIST nothing"),
        Connect("PASV"),
        Fetch("NLST nothing"),
        Connect("PASV"),
        Fetch("RETR nothing"),
        Fetch("RETR b"),
        Connect("PASV"),
        Put("STOR nowhere/b", b"x"),
        Put("STOR /etc/x", b"x"),
        Fetch("RETR b"),
        Say("RETR b"),
    ],
    &[
        Say("CWD /home/ftp"),
        Say("MKD three"),
        Say("CWD three"),
        Connect("PASV"),
        Put("STOU", b"x"),
        Connect("PASV"),
        Put("STOU c", b"x"),
        Connect("PASV"),
        Put("STOU c", b"x"),
        Connect("PASV"),
        Fetch("NLST"),
    ],
    &[
        Say("CWD /home/ftp"),
        Say("MKD four"),
        Say("CWD four"),
        Connect("PASV"),
        Put("STOR d", b"x"),
        Say("RNTO e"),
        Say("RNFR nothing"),
        Say("RNFR d"),
        Say("RNTO e"),
        Say("RNTO f"),
        Say("RNFR e"),
        Say("NOOP"),
        Say("RNTO g"),
        Say("MKD sub"),
        Say("RMD e"),
        Say("DELE sub"),
        Say("DELE nothing"),
        Say("DELE g"),
        Say("RMD sub"),
        Say("RMD sub"),
        Say("CDUP"),
        Say("PWD"),
        Say("RMD four"),
        Say("CWD four"),
        Say("CWD"),
        Say("SIZE /home"),
        Say("MDTM /home"),
        Say("MDTM nothing"),
    ],
    &[
        Say("EPSV 2"),
        Say("EPSV x"),
        Say("PORT 127,0,0,1,0,80"),
        Say("PORT 10,0,0,1,200,80"),
        Say("PORT x"),
        Say("PORT 127,0,0,1,200,80"),
        Say("EPRT |1|127.0.0.1|80|"),
        Say("EPRT |1|127.0.0.1|51280|"),
        Say("EPRT |2|::1|51280|"),
        Say("EPSV ALL"),
        Say("PASV"),
        Say("PORT 127,0,0,1,200,80"),
        Connect("EPSV"),
        Say("ABOR"),
    ],
    &[
        Say("TYPE I"),
        Say("TYPE E"),
        Say("TYPE A N"),
        Say("TYPE"),
        Say("MODE S"),
        Say("MODE B"),
        Say("STRU F"),
        Say("STRU R"),
        Say("REST 7"),
        Say("REST x"),
        Say("ALLO 5"),
        Say("ABOR"),
        Say("SYST"),
        Say("REIN"),
        Say("ACCT"),
        Say("SMNT"),
        Say("PASS y"),
        Say("FOO"),
        Say("QUIT"),
    ],
];
