//! What redis says of itself: `INFO`, `CONFIG` and `CLIENT LIST`.

use jiff::Timestamp;

use super::{Redis, hex::hex, keyspace::matches, reply::Reply};

/// `INFO` of redis 7.0.15 on Debian 12.
const INFO: &str = include_str!("info.txt");
/// `CONFIG GET *` with Debian's configuration: a name and a value on each line.
const CONFIG: &str = include_str!("config.txt");
/// Settings that cannot be changed at run time.
const IMMUTABLE: &[&str] = &[
    "aclfile",
    "always-show-logo",
    "appendfilename",
    "cluster-enabled",
    "daemonize",
    "databases",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "io-threads",
    "logfile",
    "pidfile",
    "supervised",
    "syslog-ident",
    "tcp-backlog",
    "unixsocket",
];

/// Returns when the server started, in seconds. It looks as if it restarted every few weeks.
pub(super) fn started(redis: &Redis, now: Timestamp) -> i64 {
    let period = 86_400 * (20 + i64::from(redis.context.stable::<1>("redis restarts")[0] % 40));
    let offset = i64::from(u32::from_le_bytes(redis.context.stable("redis start")));
    let now = now.as_second();
    now - (now + offset).rem_euclid(period)
}

/// Returns the number of the connection.
pub(super) fn client_id(redis: &Redis) -> i64 {
    i64::from(u16::from_le_bytes(redis.context.fresh("redis client id"))) + 3
}

/// Returns the line of `CLIENT LIST` for the visitor.
pub(super) fn client_line(redis: &Redis) -> String {
    let session = &redis.context.session;
    format!(
        "id={} addr={} laddr={}:{} fd=8 name={} age=0 idle=0 flags=N db={} sub={} psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=20448 argv-mem=10 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=0 tot-mem=22298 events=r cmd=client|list user=default redir=-1 resp={}\n",
        client_id(redis),
        session.remote,
        session.local,
        session.port,
        String::from_utf8_lossy(&redis.name),
        redis.keys.database,
        redis.channels,
        if redis.is_resp3 { 3 } else { 2 },
    )
}

/// Returns the sections of `INFO` that were asked for.
pub(super) fn text(redis: &Redis, sections: &[Vec<u8>], now: Timestamp) -> String {
    let context = &redis.context;
    let start = started(redis, now);
    let uptime = now.as_second() - start;
    let kernel = if context.persona().is_windows() {
        "Windows".to_owned()
    } else {
        format!("Linux {} x86_64", context.kernel().release)
    };
    let memory = context.hardware().memory * 1024;
    let load = uptime / (30 + i64::from(context.stable::<1>("redis load")[0]));
    let values = [
        ("{version}", redis.version.clone()),
        ("{os}", kernel),
        (
            "{pid}",
            (400 + u16::from_le_bytes(context.stable("redis pid")) % 900).to_string(),
        ),
        ("{run_id}", hex(&context.stable::<20>("redis run id"))),
        ("{build_id}", "ae4d7c971a948f0".to_owned()),
        ("{port}", context.session.port.to_string()),
        ("{usec}", now.as_microsecond().to_string()),
        ("{uptime}", uptime.to_string()),
        ("{days}", (uptime / 86_400).to_string()),
        ("{lru}", (now.as_second() & 0xff_ffff).to_string()),
        ("{memory}", memory.to_string()),
        (
            "{memory_human}",
            format!(
                "{}.{:02}G",
                memory / 1_073_741_824,
                memory % 1_073_741_824 * 100 / 1_073_741_824
            ),
        ),
        ("{started}", start.to_string()),
        ("{connections}", (load / 5 + 3).to_string()),
        ("{commands}", (load * 3 + 17).to_string()),
        ("{reads}", (load * 2 + 20).to_string()),
        ("{net_input}", (load * 91 + 423).to_string()),
        ("{net_output}", (load * 870 + 10_311).to_string()),
        ("{replid}", hex(&context.stable::<20>("redis replication id"))),
        ("{cpu}", (uptime / 700).to_string()),
        ("{role}", role(redis)),
    ];
    let names: Vec<String> = sections
        .iter()
        .map(|name| String::from_utf8_lossy(name).to_lowercase())
        .collect();
    let wants_all = names.is_empty()
        || names
            .iter()
            .any(|name| matches!(name.as_str(), "all" | "default" | "everything"));
    let mut chosen = Vec::new();
    for section in INFO.split("\n\n") {
        let title = section.trim_start().lines().next().unwrap_or_default();
        let name = title.trim_start_matches("# ").to_lowercase();
        if !wants_all && !names.contains(&name) {
            continue;
        }
        let mut lines: Vec<String> = section.trim().lines().map(ToOwned::to_owned).collect();
        if name == "keyspace" {
            let sizes = redis.keys.sizes().into_iter();
            lines.extend(sizes.map(|(database, keys)| format!("db{database}:keys={keys},expires=0,avg_ttl=0")));
        }
        chosen.push(lines.join("\n") + "\n");
    }
    let mut text = chosen.join("\n");
    for (mark, value) in values {
        text = text.replace(mark, &value);
    }
    text.replace('\n', "\r\n")
}

/// Returns the value of `role:`, with the lines that follow it on a replica.
fn role(redis: &Redis) -> String {
    redis.master.as_ref().map_or("master".to_owned(), |(host, port)| {
        let host = String::from_utf8_lossy(host).replace(['\r', '\n', '{'], " ");
        format!("slave\nmaster_host:{host}\nmaster_port:{port}\nmaster_link_status:down\nmaster_last_io_seconds_ago:-1\nmaster_sync_in_progress:0\nslave_read_repl_offset:0\nslave_repl_offset:0\nmaster_link_down_since_seconds:-1\nslave_priority:100\nslave_read_only:1\nreplica_announced:1")
    })
}

/// Returns all settings.
fn settings(redis: &Redis) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    CONFIG.lines().map(|line| {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = match (redis.settings.get(name), value) {
            (Some(changed), _) => changed.clone(),
            (None, "{password}") => redis.password.clone().unwrap_or_default().into_bytes(),
            (None, "{master}") => redis.master.as_ref().map_or(Vec::new(), |(host, port)| {
                [host, &b" "[..], port.to_string().as_bytes()].concat()
            }),
            (None, value) if name == "port" && value == "6379" => redis.context.session.port.to_string().into_bytes(),
            (None, value) => value.as_bytes().to_vec(),
        };
        (name, value)
    })
}

/// Answers `CONFIG`.
pub(super) fn config(redis: &mut Redis, what: &str, rest: &[Vec<u8>]) -> Reply {
    match what {
        "get" => {
            let patterns: Vec<Vec<u8>> = rest.iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
            let chosen =
                settings(redis).filter(|(name, _)| patterns.iter().any(|pattern| matches(pattern, name.as_bytes())));
            Reply::Map(
                chosen
                    .map(|(name, value)| (Reply::bulk(name), Reply::Bulk(value)))
                    .collect(),
            )
        }
        "set" => {
            if rest.len() % 2 == 1 {
                return Reply::error("ERR wrong number of arguments for 'config|set' command");
            }
            for pair in rest.chunks(2) {
                if let [name, value] = pair
                    && let Err(error) = set(redis, name, value)
                {
                    return error;
                }
            }
            Reply::ok()
        }
        _ => Reply::ok(),
    }
}

fn set(redis: &mut Redis, name: &[u8], value: &[u8]) -> Result<(), Reply> {
    let asked = String::from_utf8_lossy(name).into_owned();
    let name = asked.to_lowercase();
    let Some(known) = CONFIG
        .lines()
        .filter_map(|line| line.split(' ').next())
        .find(|known| *known == name)
    else {
        return Err(Reply::Error(if redis.is_old() {
            format!("ERR Unsupported CONFIG parameter: {asked}")
        } else {
            format!("ERR Unknown option or number of arguments for CONFIG SET - '{asked}'")
        }));
    };
    let refuse = |why: &str| {
        Reply::Error(format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"
        ))
    };
    if IMMUTABLE.contains(&known) {
        return Err(if redis.is_old() {
            Reply::Error(format!("ERR Unsupported CONFIG parameter: {asked}"))
        } else {
            refuse("can't set immutable config")
        });
    }
    match known {
        "dir" | "dbfilename" if !redis.is_old() => return Err(refuse("can't set protected config")),
        "dbfilename" if value.contains(&b'/') => {
            return Err(Reply::error(
                "ERR CONFIG SET failed - dbfilename can't be a path, just a filename",
            ));
        }
        "requirepass" => {
            redis.password = Some(String::from_utf8_lossy(value).into_owned()).filter(|password| !password.is_empty());
        }
        _ => {
            redis
                .settings
                .insert(known, value.get(..value.len().min(256)).unwrap_or_default().to_vec());
        }
    }
    Ok(())
}
