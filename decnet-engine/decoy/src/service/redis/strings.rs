//! The commands on strings and keys.

use super::{
    Redis,
    keyspace::{full, integer},
    reply::Reply,
};

/// Commands whose first key is a list, a hash, a set or a stream: all that a visitor stores are strings.
const OF_OTHER_TYPES: &[&str] = &[
    "hdel",
    "hexists",
    "hget",
    "hgetall",
    "hincrby",
    "hkeys",
    "hlen",
    "hmget",
    "hmset",
    "hscan",
    "hset",
    "hsetnx",
    "hvals",
    "lindex",
    "linsert",
    "llen",
    "lpop",
    "lpos",
    "lpush",
    "lpushx",
    "lrange",
    "lrem",
    "lset",
    "ltrim",
    "rpop",
    "rpush",
    "rpushx",
    "sadd",
    "scard",
    "sismember",
    "smembers",
    "smismember",
    "spop",
    "srandmember",
    "srem",
    "sscan",
    "xadd",
    "xdel",
    "xlen",
    "xrange",
    "xrevrange",
    "xtrim",
    "zadd",
    "zcard",
    "zcount",
    "zincrby",
    "zpopmax",
    "zpopmin",
    "zrange",
    "zrank",
    "zrem",
    "zrevrange",
    "zscan",
    "zscore",
];

impl Redis {
    /// Answers commands on keys. Other commands behave as if no key existed.
    #[expect(clippy::too_many_lines, reason = "it has one arm for each command")]
    pub(super) fn of_keys(&mut self, name: &str, rest: &[Vec<u8>]) -> Option<Reply> {
        let first = rest.first().map_or(&[][..], Vec::as_slice);
        let count = |number: usize| Reply::Number(i64::try_from(number).unwrap_or(i64::MAX));
        if OF_OTHER_TYPES.contains(&name) && self.keys.get(first).is_some() {
            return Some(Reply::error(
                "WRONGTYPE Operation against a key holding the wrong kind of value",
            ));
        }
        Some(match (name, rest) {
            ("set", [key, value, options @ ..]) => {
                let known: &[&[u8]] = &[b"ex", b"px", b"nx", b"xx", b"get", b"keepttl", b"exat", b"pxat"];
                let has = |wanted: &[u8]| options.iter().any(|option| option.eq_ignore_ascii_case(wanted));
                if options
                    .iter()
                    .any(|option| integer(option).is_none() && !known.contains(&&option.to_ascii_lowercase()[..]))
                {
                    return Some(Reply::error("ERR syntax error"));
                }
                let is_there = self.keys.get(key).is_some();
                if (has(b"nx") && is_there) || (has(b"xx") && !is_there) {
                    return Some(Reply::Nil);
                }
                let old = self.keys.value(key);
                self.keys.remove(key);
                match self.keys.set(key, value.clone()) {
                    true if has(b"get") => old,
                    true => Reply::ok(),
                    false => full(),
                }
            }
            ("setex" | "psetex", [key, seconds, value]) => match integer(seconds) {
                Some(1..) => self.store(key, value, Reply::ok()),
                Some(_) => Reply::Error(format!("ERR invalid expire time in '{name}' command")),
                None => Reply::error("ERR value is not an integer or out of range"),
            },
            ("setnx", [key, _]) if self.keys.get(key).is_some() => Reply::Number(0),
            ("setnx", [key, value]) => self.store(key, value, Reply::Number(1)),
            ("mset", pairs) if pairs.len() % 2 == 1 => Reply::error("ERR wrong number of arguments for 'mset' command"),
            ("mset", pairs) => {
                let mut reply = Reply::ok();
                for pair in pairs.chunks(2) {
                    if let [key, value] = pair {
                        reply = self.store(key, value, reply);
                    }
                }
                reply
            }
            ("append", [key, more]) => {
                let value = [self.keys.remove(key).unwrap_or_default(), more.clone()].concat();
                let length = count(value.len());
                if self.keys.set(key, value) { length } else { full() }
            }
            ("get", _) => self.keys.value(first),
            ("getset", [key, value]) => {
                let old = self.keys.value(key);
                self.keys.remove(key);
                if self.keys.set(key, value.clone()) { old } else { full() }
            }
            ("getdel", _) => self.keys.remove(first).map_or(Reply::Nil, Reply::Bulk),
            ("mget", keys) => Reply::bounded_array(keys.iter().map(|key| self.keys.value(key))),
            ("strlen", _) => count(self.keys.get(first).map_or(0, Vec::len)),
            ("del" | "unlink", keys) => count(keys.iter().filter(|key| self.keys.remove(key).is_some()).count()),
            ("exists" | "touch", keys) => count(keys.iter().filter(|key| self.keys.get(key).is_some()).count()),
            ("type", _) if self.keys.get(first).is_some() => Reply::simple("string"),
            ("ttl" | "pttl", _) if self.keys.get(first).is_some() => Reply::Number(-1),
            ("expire" | "pexpire" | "expireat" | "pexpireat", _) if self.keys.get(first).is_some() => Reply::Number(1),
            ("incr", _) => self.keys.add(first, 1),
            ("decr", _) => self.keys.add(first, -1),
            ("incrby" | "decrby", [key, number]) => match integer(number) {
                Some(number) if name == "incrby" => self.keys.add(key, number),
                Some(number) => self.keys.add(key, number.saturating_neg()),
                None => Reply::error("ERR value is not an integer or out of range"),
            },
            ("rename", [old, new]) => match self.keys.remove(old) {
                None => Reply::error("ERR no such key"),
                Some(value) => {
                    self.keys.remove(new);
                    if self.keys.set(new, value) { Reply::ok() } else { full() }
                }
            },
            ("keys", _) => Reply::Array(self.keys.keys(first).into_iter().map(Reply::Bulk).collect()),
            ("scan", _) if integer(first).is_none() => Reply::error("ERR invalid cursor"),
            ("scan", [_, options @ ..]) => {
                let pattern = options.iter().position(|option| option.eq_ignore_ascii_case(b"match"));
                let pattern = pattern
                    .and_then(|at| options.get(at + 1))
                    .map_or(&b"*"[..], Vec::as_slice);
                let keys = self.keys.keys(pattern).into_iter().map(Reply::Bulk).collect();
                Reply::Array(vec![Reply::bulk("0"), Reply::Array(keys)])
            }
            ("randomkey", _) => self.keys.keys(b"*").into_iter().next().map_or(Reply::Nil, Reply::Bulk),
            ("dbsize", _) => count(self.keys.keys(b"*").len()),
            ("flushall" | "flushdb", _) => {
                self.keys.clear(name == "flushall");
                Reply::ok()
            }
            ("select", _) => match integer(first) {
                None => Reply::error("ERR value is not an integer or out of range"),
                Some(database) => match u8::try_from(database).ok().filter(|database| *database < 16) {
                    None => Reply::error("ERR DB index is out of range"),
                    Some(database) => {
                        self.keys.database = database;
                        Reply::ok()
                    }
                },
            },
            _ => return None,
        })
    }

    fn store(&mut self, key: &[u8], value: &[u8], reply: Reply) -> Reply {
        self.keys.remove(key);
        if self.keys.set(key, value.to_vec()) {
            reply
        } else {
            full()
        }
    }
}
