//! One client's session: what concerns the connection or all keys is answered here, the rest is the keys'.

use std::mem;

use kv_store::commands::{capitals, integer, shown};
use kv_store::{Bytes, Command, Reply};

use crate::glob;
use crate::keyspace::{How, Keyspace};
use crate::wire::{self, Protocol};

/// The most bytes that the commands which wait for EXEC may come to, and the values that one EXEC or MGET replies with.
const MAX_REPLY: usize = 512 << 20;
/// The Redis whose commands these are, for clients that ask.
const VERSION: &str = "7.0.0";

/// What a client has agreed with the server.
#[derive(Debug)]
pub(crate) struct Session {
    keyspace: Keyspace,
    pub(crate) protocol: Protocol,
    name: Bytes,
    id: i64,
    queue: Option<Queue>,
    /// When the commands that it takes arrived, in milliseconds since 1970.
    pub(crate) now: u64,
}

/// The commands between MULTI and EXEC.
#[derive(Debug, Default)]
struct Queue {
    commands: Vec<Vec<Bytes>>,
    bytes: usize,
    spoiled: bool,
}

/// What is to be done about a command.
pub(crate) enum Todo {
    Reply(Reply),
    /// Agree, and close.
    Quit,
    /// Ask the switch, with what follows `HOTSWAP`.
    Hotswap(Vec<Bytes>),
    /// Write the keys to disk.
    Save(How),
    /// Close at once, for this reason.
    Drop(&'static str),
}

impl Session {
    pub(crate) fn new(keyspace: Keyspace, id: i64) -> Self {
        Self { keyspace, protocol: Protocol::default(), name: Bytes::new(), id, queue: None, now: 0 }
    }

    pub(crate) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// Takes a command: its name, then its arguments.
    pub(crate) fn take(&mut self, words: Vec<Bytes>) -> Todo {
        self.todo(&words).unwrap_or_else(|| Todo::Reply(self.run(words)))
    }

    /// What is to be done about a command; `None` if it is for one key.
    fn todo(&mut self, words: &[Bytes]) -> Option<Todo> {
        let verb = capitals(&words[0]);
        Some(match (&**verb, &mut self.queue) {
            // a web page can make a browser send these, and any command in what follows
            (b"POST" | b"HOST:", _) => Todo::Drop("speaks HTTP, perhaps for a web page that attacks; let go"),
            (b"QUIT", _) => Todo::Quit,
            (b"EXEC", _) => Todo::Reply(self.exec(&words[1..])),
            (b"MULTI" | b"DISCARD", queue) if words.len() > 1 => {
                if let Some(queue) = queue {
                    queue.spoiled = true;
                }
                Todo::Reply(Reply::arity(&words[0]))
            }
            (b"MULTI", Some(_)) => Todo::Reply(Reply::error("ERR MULTI calls can not be nested")),
            (b"DISCARD", None) => Todo::Reply(Reply::error("ERR DISCARD without MULTI")),
            (b"DISCARD", Some(_)) => {
                self.queue = None;
                Todo::Reply(Reply::OK)
            }
            (b"HOTSWAP", Some(queue)) => {
                queue.spoiled = true;
                Todo::Reply(Reply::error("ERR HOTSWAP inside MULTI is not allowed"))
            }
            (_, Some(queue)) => Todo::Reply(queue.add(words)),
            (b"MULTI", None) => {
                self.queue = Some(Queue::default());
                Todo::Reply(Reply::OK)
            }
            (b"HOTSWAP", None) => Todo::Hotswap(words[1..].to_vec()),
            (b"SAVE", None) if words.len() == 1 => Todo::Save(How::Before),
            (b"BGSAVE", None) if words.len() == 1 => Todo::Save(How::Meanwhile),
            (_, None) => Todo::Reply(self.answer(&verb, words)?),
        })
    }

    /// Runs what was queued, in order and without a pause of this thread. With one thread, nobody else's commands come
    /// between; with several, each command by itself is whole. Nothing is undone if one fails.
    fn exec(&mut self, args: &[Bytes]) -> Reply {
        let queue = self.queue.take();
        if !args.is_empty() {
            let text = "EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command";
            return Reply::error(text);
        }
        let Some(queue) = queue else {
            return Reply::error("ERR EXEC without MULTI");
        };
        if queue.spoiled {
            return Reply::error("EXECABORT Transaction discarded because of previous errors.");
        }
        let mut size = 0;
        let replies = queue.commands.into_iter().map(|words| {
            if size > MAX_REPLY {
                return Reply::error("ERR not run: the replies before this one are too large");
            }
            let reply = self.answer(&capitals(&words[0]), &words).unwrap_or_else(|| self.run(words));
            size += wire::size(&reply);
            reply
        });
        Reply::Array(replies.collect())
    }

    /// Runs a command for one key.
    fn run(&self, words: Vec<Bytes>) -> Reply {
        self.keyspace.run(Command { now: self.now, words })
    }

    /// Answers a command, be it one that waited for EXEC; `None` if it is for one key.
    fn answer(&mut self, verb: &[u8], words: &[Bytes]) -> Option<Reply> {
        let args = &words[1..];
        Some(match (verb, args) {
            (b"PING", []) => Reply::Status("PONG".into()),
            (b"PING" | b"ECHO", [text]) => Reply::Bulk(text.clone()),
            (b"SELECT", [db]) => match integer(db) {
                Ok(0) => Reply::OK,
                Ok(_) => Reply::error("ERR DB index is out of range"),
                Err(error) => error,
            },
            (b"HELLO", _) => self.hello(args).unwrap_or_else(|error| error),
            (b"CLIENT", [verb, args @ ..]) => self.client(verb, args).unwrap_or_else(|error| error),
            (b"COMMAND", []) => Reply::Array(Vec::new()),
            (b"COMMAND", [verb, args @ ..]) => command(verb, args),
            (b"CONFIG", [verb, args @ ..]) => config(verb, args),
            (b"INFO", _) => self.info(),
            (b"SAVE" | b"BGSAVE", []) => Reply::error("ERR saving inside MULTI is not allowed"),
            (b"LASTSAVE", []) => self.keyspace.last_save(),
            (b"DBSIZE", []) => Reply::count(self.keyspace.len()),
            (b"FLUSHALL" | b"FLUSHDB", []) => self.keyspace.clear(),
            (b"FLUSHALL" | b"FLUSHDB", [how])
                if how.eq_ignore_ascii_case(b"SYNC") || how.eq_ignore_ascii_case(b"ASYNC") =>
            {
                self.keyspace.clear()
            }
            (b"FLUSHALL" | b"FLUSHDB", _) => Reply::syntax(),
            (b"KEYS", [pattern]) => {
                let found = self.keyspace.scan(0, usize::MAX, |key| glob::matches(pattern, key));
                found.map_or_else(|error| error, |(_, keys)| Reply::Array(keys))
            }
            (b"SCAN", [cursor, options @ ..]) => self.scan(cursor, options).unwrap_or_else(|error| error),
            (
                b"PING" | b"ECHO" | b"SELECT" | b"CLIENT" | b"CONFIG" | b"DBSIZE" | b"SAVE" | b"BGSAVE" | b"LASTSAVE"
                | b"KEYS" | b"SCAN",
                _,
            ) => Reply::arity(&words[0]),
            // commands for several keys are as many commands
            (b"DEL" | b"EXISTS", keys @ [_, _, ..]) => {
                let mut sum = 0;
                for key in keys {
                    match self.run(vec![words[0].clone(), key.clone()]) {
                        Reply::Integer(n) => sum += n,
                        other => return Some(other),
                    }
                }
                Reply::Integer(sum)
            }
            (b"MGET", keys @ [_, ..]) => {
                let (mut size, mut replies) = (0, Vec::new());
                for key in keys {
                    let reply = self.run(vec![words[0].clone(), key.clone()]);
                    size += wire::size(&reply);
                    if size > MAX_REPLY {
                        return Some(Reply::error("ERR the values together are too large to send"));
                    }
                    replies.push(reply);
                }
                Reply::Array(replies)
            }
            (b"MSET", pairs) if pairs.len() > 2 && pairs.len().is_multiple_of(2) => {
                for pair in pairs.chunks(2) {
                    let reply = self.run([&words[..1], pair].concat());
                    if reply != Reply::OK {
                        return Some(reply);
                    }
                }
                Reply::OK
            }
            (b"MSET", [_, _, ..]) if args.len() != 2 => Reply::arity(&words[0]),
            _ => return None,
        })
    }

    fn hello(&mut self, args: &[Bytes]) -> Result<Reply, Reply> {
        let (version, mut options) = args.split_first().map_or((None, args), |(first, rest)| (Some(first), rest));
        let protocol = match version.map(|version| integer(version)) {
            None => self.protocol,
            Some(Ok(2)) => Protocol::Resp2,
            Some(Ok(3)) => Protocol::Resp3,
            Some(Ok(_)) => return Err(Reply::error("NOPROTO unsupported protocol version")),
            Some(Err(_)) => return Err(Reply::error("ERR Protocol version is not an integer or out of range")),
        };
        while let [option, values @ ..] = options {
            options = match (option.to_ascii_uppercase().as_slice(), values) {
                // no password is set: any will do
                (b"AUTH", [user, _, rest @ ..]) if **user == *b"default" => rest,
                (b"AUTH", [_, _, ..]) => {
                    return Err(Reply::error("WRONGPASS invalid username-password pair or user is disabled."));
                }
                (b"SETNAME", [name, rest @ ..]) => {
                    self.set_name(name)?;
                    rest
                }
                _ => return Err(Reply::error(format_args!("ERR Syntax error in HELLO option '{}'", shown(option)))),
            };
        }
        self.protocol = protocol;
        let pair = |name: &str, value| (Reply::bulk(name), value);
        Ok(Reply::Map(vec![
            pair("server", Reply::bulk("redis")),
            pair("version", Reply::bulk(VERSION)),
            pair("proto", Reply::Integer(if protocol == Protocol::Resp3 { 3 } else { 2 })),
            pair("id", Reply::Integer(self.id)),
            pair("mode", Reply::bulk("standalone")),
            pair("role", Reply::bulk("master")),
            pair("modules", Reply::Array(Vec::new())),
        ]))
    }

    fn client(&mut self, verb: &[u8], args: &[Bytes]) -> Result<Reply, Reply> {
        match (verb.to_ascii_uppercase().as_slice(), args) {
            (b"SETNAME", [name]) => self.set_name(name).map(|()| Reply::OK),
            (b"GETNAME", []) if self.name.is_empty() => Ok(Reply::Null),
            (b"GETNAME", []) => Ok(Reply::Bulk(self.name.clone())),
            (b"ID", []) => Ok(Reply::Integer(self.id)),
            (b"SETINFO", [_, _]) => Ok(Reply::OK),
            _ => Err(subcommand("client", verb, &["SETNAME", "GETNAME", "ID", "SETINFO"])),
        }
    }

    fn set_name(&mut self, name: &[u8]) -> Result<(), Reply> {
        if !name.iter().all(u8::is_ascii_graphic) {
            return Err(Reply::error("ERR Client names cannot contain spaces, newlines or special characters."));
        }
        self.name = name.into();
        Ok(())
    }

    fn info(&self) -> Reply {
        let status = self.keyspace.admin().status();
        Reply::bulk(format!(
            "# Server\r\nredis_version:{VERSION}\r\nredis_mode:standalone\r\nprocess_id:{}\r\n\r\n# Keyspace\r\n\
             db0:keys={}\r\n\r\n# Hotswap\r\nversion:{}\r\nepoch:{}\r\nheld_back:{}\r\nnot_reached:{}\r\n",
            std::process::id(),
            self.keyspace.len(),
            status.version,
            status.epoch,
            status.held_back,
            status.not_reached,
        ))
    }

    fn scan(&self, cursor: &[u8], options: &[Bytes]) -> Result<Reply, Reply> {
        let cursor: Option<u64> = str::from_utf8(cursor).ok().and_then(|text| text.parse().ok());
        let cursor = cursor.ok_or_else(|| Reply::error("ERR invalid cursor"))?;
        let (mut pattern, mut at_most, mut options) = (&b"*"[..], 10, options);
        while let [option, value, rest @ ..] = options {
            match option.to_ascii_uppercase().as_slice() {
                b"MATCH" => pattern = value,
                b"COUNT" => {
                    let count = usize::try_from(integer(value)?).ok();
                    at_most = count.filter(|count| *count > 0).ok_or_else(Reply::syntax)?;
                }
                _ => return Err(Reply::syntax()),
            }
            options = rest;
        }
        if !options.is_empty() {
            return Err(Reply::syntax());
        }
        let (next, keys) = self.keyspace.scan(cursor, at_most, |key| glob::matches(pattern, key))?;
        Ok(Reply::Array(vec![Reply::bulk(next.unwrap_or(0).to_string()), Reply::Array(keys)]))
    }
}

impl Queue {
    fn add(&mut self, words: &[Bytes]) -> Reply {
        self.bytes += words.iter().map(|word| word.len() + mem::size_of::<Bytes>()).sum::<usize>();
        if self.bytes > MAX_REPLY {
            self.commands = Vec::new();
            self.spoiled = true;
        }
        if self.spoiled {
            return Reply::error("ERR this transaction is discarded");
        }
        self.commands.push(words.to_vec());
        Reply::Status("QUEUED".into())
    }
}

/// What clients ask about commands at their start; nothing is told of any.
fn command(verb: &[u8], args: &[Bytes]) -> Reply {
    match (verb.to_ascii_uppercase().as_slice(), args) {
        (b"DOCS", _) => Reply::Map(Vec::new()),
        (b"COUNT", []) => Reply::Integer(0),
        (b"INFO", names) => Reply::Array(names.iter().map(|_| Reply::Null).collect()),
        _ => subcommand("command", verb, &["COUNT"]),
    }
}

/// What `redis-benchmark` asks for: nothing is saved here.
fn config(verb: &[u8], patterns: &[Bytes]) -> Reply {
    if !verb.eq_ignore_ascii_case(b"GET") || patterns.is_empty() {
        return subcommand("config", verb, &["GET"]);
    }
    let asked = |name: &str| patterns.iter().any(|asked| glob::matches(&asked.to_ascii_lowercase(), name.as_bytes()));
    let known = [("save", ""), ("appendonly", "no")].into_iter().filter(|(name, _)| asked(name));
    Reply::Map(known.map(|(name, value)| (Reply::bulk(name), Reply::bulk(value))).collect())
}

/// The error for a word after the name of a command: one that is not known, or comes with other arguments.
fn subcommand(name: &str, verb: &[u8], known: &[&str]) -> Reply {
    let shown = shown(verb);
    if known.iter().any(|known| known.eq_ignore_ascii_case(&shown)) {
        return Reply::arity(format!("{name}|{shown}").as_bytes());
    }
    Reply::error(format_args!("ERR unknown subcommand '{shown}'"))
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn reply(session: &mut Session, words: Vec<Bytes>) -> Reply {
        match session.take(words) {
            Todo::Reply(reply) => reply,
            _ => panic!("no reply"),
        }
    }

    #[test]
    fn work_stops_once_the_reply_is_too_large() {
        let mut session = Session::new(Keyspace::open(1, None, None).unwrap(), 1);
        // zeros that nobody touches take no memory, and a reply shares the one copy that there is
        let big = Bytes::from(vec![0; MAX_REPLY / 8]);
        let mut ask = |words: &[&Bytes]| reply(&mut session, words.iter().copied().cloned().collect());
        let [set, get, mget, incr, multi, exec, key, n] =
            ["SET", "GET", "MGET", "INCR", "MULTI", "EXEC", "big", "n"].map(|word| Bytes::from(word.as_bytes()));
        ask(&[&set, &key, &big]);
        let many: Vec<_> = iter::once(&mget).chain(iter::repeat_n(&key, 10_000)).collect();
        assert_eq!(ask(&many), Reply::error("ERR the values together are too large to send"));
        ask(&[&multi]);
        (0..10_000).for_each(|_| drop(ask(&[&get, &key])));
        ask(&[&incr, &n]);
        let Reply::Array(replies) = ask(&[&exec]) else { panic!("no array") };
        assert_eq!(replies.iter().filter(|reply| matches!(reply, Reply::Bulk(_))).count(), 8);
        assert_eq!(replies.len(), 10_001);
        assert_eq!(ask(&[&get, &n]), Reply::Null, "what comes after is not run");
    }
}
