//! The answers to commands.

use std::time::Duration;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{
    Redis,
    hex::hex,
    info,
    keyspace::integer,
    reply::Reply,
    table::{Found, commands, find},
};
use crate::service::dialogue::Turn;

impl Redis {
    /// Answers a command that may run.
    #[expect(clippy::too_many_lines, reason = "it has one arm for each command")]
    pub(super) fn answer(&mut self, found: &Found, name: &str, arguments: &[Vec<u8>], turn: &mut Turn) -> Reply {
        let lower = |at: usize| {
            let argument = arguments.get(at).map_or(&[][..], Vec::as_slice);
            String::from_utf8_lossy(argument).to_ascii_lowercase()
        };
        let rest = arguments.get(1..).unwrap_or_default();
        match name {
            "ping" if self.channels > 0 && !self.is_resp3 => {
                let text = rest.first().cloned().unwrap_or_default();
                Reply::Array(vec![Reply::bulk("pong"), Reply::Bulk(text)])
            }
            "ping" => match rest {
                [] => Reply::simple("PONG"),
                [text] => Reply::bulk(text.clone()),
                _ => Reply::error("ERR wrong number of arguments for 'ping' command"),
            },
            "quit" => {
                turn.close();
                Reply::ok()
            }
            "auth" => self.auth(rest),
            "hello" => self.hello(rest),
            "reset" => {
                self.is_admitted = self.password.is_none();
                (self.is_resp3, self.queue, self.channels) = (false, None, 0);
                self.name.clear();
                self.keys.database = 0;
                Reply::simple("RESET")
            }
            "info" => Reply::Bulk(info::text(self, rest, turn.now()).into_bytes()),
            "config" => info::config(self, &lower(1), arguments.get(2..).unwrap_or_default()),
            "client" => self.client(found, &lower(1), arguments),
            "command" if rest.is_empty() || lower(1) == "info" => commands(),
            "multi" if self.queue.is_some() => Reply::error("ERR MULTI calls can not be nested"),
            "multi" => {
                self.queue = Some(Vec::new());
                Reply::ok()
            }
            "exec" => self.exec(turn),
            "discard" if self.queue.take().is_some() => Reply::ok(),
            "subscribe" | "psubscribe" | "ssubscribe" => {
                let replies = rest.iter().map(|channel| {
                    self.channels = self.channels.saturating_add(1);
                    let count = Reply::Number(self.channels.into());
                    Reply::Array(vec![Reply::bulk(name), Reply::bulk(channel.clone()), count]).encode(false)
                });
                Reply::Raw(replies.collect::<Vec<_>>().concat())
            }
            "unsubscribe" | "punsubscribe" | "sunsubscribe" => {
                let channel = rest.first().map_or(Reply::Nil, |channel| Reply::bulk(channel.clone()));
                self.channels = if rest.is_empty() {
                    0
                } else {
                    self.channels.saturating_sub(1)
                };
                Reply::Array(vec![Reply::bulk(name), channel, Reply::Number(self.channels.into())])
            }
            "slaveof" | "replicaof" => self.replicate(rest),
            "role" => match &self.master {
                None => Reply::Array(vec![Reply::bulk("master"), Reply::Number(0), Reply::Array(Vec::new())]),
                Some((host, port)) => Reply::Array(vec![
                    Reply::bulk("slave"),
                    Reply::bulk(host.clone()),
                    Reply::Number((*port).into()),
                    Reply::bulk("connect"),
                    Reply::Number(-1),
                ]),
            },
            "psync" | "sync" => self.synchronize(name),
            "module" if matches!(lower(1).as_str(), "load" | "loadex") => Reply::error(if self.is_old() {
                "ERR Error loading the extension. Please check the server logs."
            } else {
                "ERR MODULE command not allowed. If the enable-module-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."
            }),
            "module" if lower(1) == "unload" => {
                Reply::error("ERR Error unloading module: no such module with that name")
            }
            "debug" if !self.is_old() => Reply::error(
                "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
            ),
            "eval" | "eval_ro" => eval(arguments),
            "script" if lower(1) == "load" => {
                Reply::bulk(hex(&Sha1::digest(arguments.get(2).map_or(&[][..], Vec::as_slice))))
            }
            "acl" if lower(1) == "list" => Reply::Array(vec![Reply::bulk(match &self.password {
                None => "user default on nopass ~* &* +@all".to_owned(),
                Some(password) => format!("user default on #{} ~* &* +@all", hex(&Sha256::digest(password))),
            })]),
            "time" => {
                let microseconds = turn.now().as_microsecond();
                let part = |number: i64| Reply::bulk(number.to_string());
                Reply::Array(vec![part(microseconds / 1_000_000), part(microseconds % 1_000_000)])
            }
            "lastsave" => Reply::Number(info::started(self, turn.now())),
            "bgsave" => Reply::simple("Background saving started"),
            "shutdown"
                if rest.iter().any(|option| {
                    !matches!(
                        &option.to_ascii_lowercase()[..],
                        b"save" | b"nosave" | b"now" | b"force" | b"abort"
                    )
                }) =>
            {
                Reply::error("ERR syntax error")
            }
            "shutdown" => {
                turn.close();
                Reply::Raw(Vec::new())
            }
            "echo" => Reply::bulk(arguments.get(1).cloned().unwrap_or_default()),
            "lolwut" => Reply::bulk(format!("Redis ver. {}\n", self.version)),
            "monitor" | "replconf" => Reply::ok(),
            "wait" => Reply::Number(0),
            "failover" => Reply::error("ERR FAILOVER requires connected replicas."),
            "migrate" => Reply::error("IOERR error or timeout connecting to the client"),
            "restore" | "restore-asking" => Reply::error("ERR DUMP payload version or checksum are wrong"),
            _ if found.answer == "."
                && (name.starts_with("bl") || name.starts_with("br") || name.starts_with("bz")) =>
            {
                turn.pause(Duration::from_secs(5));
                Reply::Raw(b"*-1\r\n".to_vec())
            }
            _ => self.of_keys(name, rest).unwrap_or_else(|| match found.answer {
                "." if lower(1) == "help" => Reply::Array(vec![
                    Reply::simple(&format!(
                        "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
                        name.to_ascii_uppercase()
                    )),
                    Reply::simple("HELP"),
                    Reply::simple("    Print this help."),
                ]),
                "." => Reply::Array(Vec::new()),
                answer => Reply::of_table(answer),
            }),
        }
    }

    fn auth(&mut self, rest: &[Vec<u8>]) -> Reply {
        let (user, password) = match rest {
            [_] if self.password.is_none() => {
                return Reply::error(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?",
                );
            }
            [password] => (&b"default"[..], password),
            [user, password] => (user.as_slice(), password),
            _ => return Reply::error("ERR syntax error"),
        };
        if self.knows(user, password) {
            self.is_admitted = true;
            Reply::ok()
        } else if self.major() < 6 {
            Reply::error("ERR invalid password")
        } else {
            Reply::error("WRONGPASS invalid username-password pair or user is disabled.")
        }
    }

    fn hello(&mut self, rest: &[Vec<u8>]) -> Reply {
        let mut is_resp3 = self.is_resp3;
        if let Some(version) = rest.first() {
            is_resp3 = match integer(version) {
                Some(2) => false,
                Some(3) => true,
                Some(_) => return Reply::error("NOPROTO unsupported protocol version"),
                None => return Reply::error("ERR Protocol version is not an integer or out of range"),
            };
        }
        let mut options = rest.get(1..).unwrap_or_default();
        let mut name = None;
        let mut is_admitted = self.is_admitted;
        while let Some((option, more)) = options.split_first() {
            options = match (option.to_ascii_lowercase().as_slice(), more) {
                (b"auth", [user, password, more @ ..]) => {
                    if !self.knows(user, password) {
                        return Reply::error("WRONGPASS invalid username-password pair or user is disabled.");
                    }
                    is_admitted = true;
                    more
                }
                (b"setname", [new, more @ ..]) => {
                    name = Some(new.clone());
                    more
                }
                _ => {
                    let option = String::from_utf8_lossy(option);
                    return Reply::Error(format!("ERR Syntax error in HELLO option '{option}'"));
                }
            };
        }
        if !is_admitted {
            let parts: Vec<u32> = self.version.split('.').map_while(|part| part.parse().ok()).collect();
            let option = if parts >= vec![7, 2] {
                "HELLO <proto> AUTH"
            } else {
                "HELLO AUTH"
            };
            return Reply::Error(format!(
                "NOAUTH HELLO must be called with the client already authenticated, otherwise the {option} <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time"
            ));
        }
        (self.is_admitted, self.is_resp3) = (true, is_resp3);
        self.name = name.unwrap_or_else(|| std::mem::take(&mut self.name));
        let role = if self.master.is_some() { "replica" } else { "master" };
        Reply::Map(vec![
            (Reply::bulk("server"), Reply::bulk("redis")),
            (Reply::bulk("version"), Reply::bulk(self.version.clone())),
            (Reply::bulk("proto"), Reply::Number(if is_resp3 { 3 } else { 2 })),
            (Reply::bulk("id"), Reply::Number(info::client_id(self))),
            (Reply::bulk("mode"), Reply::bulk("standalone")),
            (Reply::bulk("role"), Reply::bulk(role)),
            (Reply::bulk("modules"), Reply::Array(Vec::new())),
        ])
    }

    fn client(&mut self, found: &Found, what: &str, arguments: &[Vec<u8>]) -> Reply {
        match (what, arguments.get(2)) {
            ("setname", Some(name)) if name.iter().any(|byte| !(b'!'..=b'~').contains(byte)) => {
                Reply::error("ERR Client names cannot contain spaces, newlines or special characters.")
            }
            ("setname", Some(name)) => {
                self.name.clone_from(name);
                Reply::ok()
            }
            ("getname", _) if self.name.is_empty() => Reply::Nil,
            ("getname", _) => Reply::bulk(self.name.clone()),
            ("id", _) => Reply::Number(info::client_id(self)),
            ("list" | "info", _) => Reply::Bulk(info::client_line(self).into_bytes()),
            ("kill", _) => Reply::error("ERR No such client"),
            ("pause" | "reply", _) => Reply::ok(),
            _ => Reply::of_table(found.answer),
        }
    }

    fn exec(&mut self, turn: &mut Turn) -> Reply {
        let Some(queue) = self.queue.take() else {
            return Reply::error("ERR EXEC without MULTI");
        };
        let mut commands = Vec::new();
        for arguments in &queue {
            let name = String::from_utf8_lossy(arguments.first().map_or(&[][..], Vec::as_slice)).to_ascii_lowercase();
            match find(&name, arguments, self.is_old()) {
                Ok(found) => commands.push((found, name, arguments)),
                Err(_) => return Reply::error("EXECABORT Transaction discarded because of previous errors."),
            }
        }
        let commands = commands.into_iter();
        Reply::bounded_array(commands.map(|(found, name, arguments)| self.answer(&found, &name, arguments, turn)))
    }

    fn replicate(&mut self, rest: &[Vec<u8>]) -> Reply {
        let [host, port] = rest else {
            return Reply::error("ERR syntax error");
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            self.master = None;
            return Reply::ok();
        }
        let Some(port) = integer(port).and_then(|port| u16::try_from(port).ok()) else {
            return Reply::error("ERR Invalid master port");
        };
        let master = Some((host.get(..host.len().min(255)).unwrap_or_default().to_vec(), port));
        if self.master == master {
            return Reply::simple("OK Already connected to specified master");
        }
        self.master = master;
        Reply::ok()
    }

    /// Sends a database without keys, as to a replica.
    fn synchronize(&self, name: &str) -> Reply {
        let id = hex(&self.context.stable::<20>("redis replication id"));
        let mut dump = b"REDIS0010\xfa\x09redis-ver".to_vec();
        dump.push(u8::try_from(self.version.len()).unwrap_or(0));
        dump.extend(self.version.bytes());
        dump.extend(b"\xfa\x0aredis-bits\xc0@\xff\0\0\0\0\0\0\0\0");
        let start = if name == "psync" {
            format!("+FULLRESYNC {id} 0\r\n")
        } else {
            String::new()
        };
        Reply::Raw([format!("{start}${}\r\n", dump.len()).into_bytes(), dump].concat())
    }
}

/// Answers a script. Only constants are evaluated.
fn eval(arguments: &[Vec<u8>]) -> Reply {
    let [_, script, keys, rest @ ..] = arguments else {
        return Reply::Nil;
    };
    let Some(keys) = integer(keys) else {
        return Reply::error("ERR value is not an integer or out of range");
    };
    if keys < 0 {
        return Reply::error("ERR Number of keys can't be negative");
    }
    if usize::try_from(keys).is_ok_and(|keys| keys > rest.len()) {
        return Reply::error("ERR Number of keys can't be greater than number of args");
    }
    let text = String::from_utf8_lossy(script);
    for global in ["package", "io", "os.execute"] {
        if text.contains(&format!("{global}.")) || text.contains(&format!("{global}(")) {
            let name = global.split('.').next().unwrap_or(global);
            return Reply::Error(format!(
                "ERR user_script:1: Script attempted to access nonexistent global variable '{name}' script: {}, on @user_script:1.",
                hex(&Sha1::digest(script))
            ));
        }
    }
    let value = text.trim().strip_prefix("return").map(str::trim).unwrap_or_default();
    let quoted = ['"', '\'']
        .iter()
        .find_map(|mark| value.strip_prefix(*mark)?.strip_suffix(*mark));
    match (value.parse(), quoted) {
        (Ok(number), _) => Reply::Number(number),
        (_, Some(text)) => Reply::bulk(text),
        _ => Reply::Nil,
    }
}
