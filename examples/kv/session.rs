//! One client's session: what concerns the connection or all keys is answered here, the rest is the keys'.

use std::mem;

use bytes::Bytes;

use crate::glob;
use crate::keyspace::Keyspace;
use crate::reply::Reply;
use crate::wire::Protocol;

/// The most bytes that one reply, or one queue of commands, may come to.
const MAX_REPLY: usize = 512 << 20;

/// What a client has agreed with the server.
#[derive(Debug)]
pub(crate) struct Session {
    keyspace: Keyspace,
    pub(crate) protocol: Protocol,
    name: Bytes,
    id: i64,
    queue: Option<Queue>,
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
    /// Reply, and close.
    Quit(Reply),
    /// Ask the switch, with what follows `HOTSWAP`.
    Hotswap(Vec<Bytes>),
}

impl Session {
    pub(crate) fn new(keyspace: Keyspace, id: i64) -> Self {
        Self { keyspace, protocol: Protocol::default(), name: Bytes::new(), id, queue: None }
    }

    pub(crate) fn keyspace(&self) -> &Keyspace {
        &self.keyspace
    }

    /// Takes a command: its name, then its arguments.
    pub(crate) fn take(&mut self, words: Vec<Bytes>) -> Todo {
        let verb = words[0].to_ascii_uppercase();
        match (verb.as_slice(), &mut self.queue) {
            (b"QUIT", _) => Todo::Quit(Reply::OK),
            (b"EXEC", _) if words.len() == 1 => Todo::Reply(self.exec()),
            (b"MULTI", Some(_)) => Todo::Reply(Reply::error("ERR MULTI calls can not be nested")),
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
            (_, None) => Todo::Reply(self.run(&verb, words)),
        }
    }

    /// Runs what was queued, in order and without a pause of this thread. With one thread, nobody else's commands come
    /// between; with several, each command by itself is whole. Nothing is undone if one fails.
    fn exec(&mut self) -> Reply {
        let Some(queue) = self.queue.take() else {
            return Reply::error("ERR EXEC without MULTI");
        };
        if queue.spoiled {
            return Reply::error("EXECABORT Transaction discarded because of previous errors.");
        }
        let mut size = 0;
        let replies = queue.commands.into_iter().map(|words| {
            let verb = words[0].to_ascii_uppercase();
            bounded(self.run(&verb, words), &mut size)
        });
        Reply::Array(replies.collect())
    }

    fn run(&mut self, verb: &[u8], mut words: Vec<Bytes>) -> Reply {
        let args = &words[1..];
        let arity = || Reply::arity(&String::from_utf8_lossy(&words[0]));
        match (verb, args) {
            (b"PING", []) => Reply::Status("PONG".into()),
            (b"PING" | b"ECHO", [text]) => Reply::Bulk(text.clone()),
            (b"SELECT", [db]) if **db == *b"0" => Reply::OK,
            (b"SELECT", [_]) => Reply::error("ERR DB index is out of range"),
            (b"HELLO", _) => self.hello(args).unwrap_or_else(|error| error),
            (b"CLIENT", [verb, args @ ..]) => self.client(verb, args),
            (b"COMMAND", [verb, ..]) if verb.eq_ignore_ascii_case(b"DOCS") => Reply::Map(Vec::new()),
            (b"COMMAND", [verb]) if verb.eq_ignore_ascii_case(b"COUNT") => Reply::Integer(0),
            (b"COMMAND", _) => Reply::Array(Vec::new()),
            (b"CONFIG", [verb, names @ ..]) if verb.eq_ignore_ascii_case(b"GET") => config(names),
            (b"INFO", _) => self.info(),
            (b"DBSIZE", []) => Reply::count(self.keyspace.len()),
            (b"FLUSHALL" | b"FLUSHDB", [] | [_]) => self.keyspace.clear(),
            (b"KEYS", [pattern]) => {
                let found = self.keyspace.scan(0, usize::MAX, |key| glob::matches(pattern, key));
                found.map_or_else(|error| error, |(_, keys)| Reply::Array(keys))
            }
            (b"SCAN", [cursor, options @ ..]) => self.scan(cursor, options).unwrap_or_else(|error| error),
            (b"DISCARD", []) => Reply::error("ERR DISCARD without MULTI"),
            (
                b"PING" | b"ECHO" | b"SELECT" | b"CLIENT" | b"CONFIG" | b"DBSIZE" | b"FLUSHALL" | b"FLUSHDB" | b"KEYS"
                | b"SCAN" | b"DISCARD" | b"EXEC",
                _,
            ) => arity(),
            // commands for several keys are as many commands
            (b"DEL" | b"EXISTS", [_, _, ..]) => {
                let name = words.remove(0);
                let mut sum = 0;
                for key in words {
                    match self.keyspace.run(&name, vec![key]) {
                        Reply::Integer(n) => sum += n,
                        other => return other,
                    }
                }
                Reply::Integer(sum)
            }
            (b"MGET", [_, ..]) => {
                let name = words.remove(0);
                let mut size = 0;
                let replies = words.into_iter().map(|key| bounded(self.keyspace.run(&name, vec![key]), &mut size));
                Reply::Array(replies.collect())
            }
            (b"MSET", pairs) if pairs.len() > 2 && pairs.len().is_multiple_of(2) => {
                let name = words.remove(0);
                for pair in words.chunks(2) {
                    let reply = self.keyspace.run(&name, pair.to_vec());
                    if reply != Reply::OK {
                        return reply;
                    }
                }
                Reply::OK
            }
            (b"MSET", [_, _, ..]) if args.len() != 2 => arity(),
            _ => {
                let name = words.remove(0);
                self.keyspace.run(&name, words)
            }
        }
    }

    fn hello(&mut self, args: &[Bytes]) -> Result<Reply, Reply> {
        let mut args = args.iter();
        let protocol = match args.next().map(|version| &**version) {
            None => self.protocol,
            Some(b"2") => Protocol::Resp2,
            Some(b"3") => Protocol::Resp3,
            Some(_) => return Err(Reply::error("NOPROTO unsupported protocol version")),
        };
        while let Some(option) = args.next() {
            match option.to_ascii_uppercase().as_slice() {
                b"SETNAME" => self.name = Bytes::copy_from_slice(args.next().ok_or_else(Reply::syntax)?),
                b"AUTH" => return Err(Reply::error("ERR this server knows no passwords")),
                _ => return Err(Reply::syntax()),
            }
        }
        self.protocol = protocol;
        let pair = |name: &str, value| (Reply::bulk(name), value);
        Ok(Reply::Map(vec![
            pair("server", Reply::bulk("redis")),
            pair("version", Reply::bulk("7.0.0")),
            pair("proto", Reply::Integer(if protocol == Protocol::Resp3 { 3 } else { 2 })),
            pair("id", Reply::Integer(self.id)),
            pair("mode", Reply::bulk("standalone")),
            pair("role", Reply::bulk("master")),
            pair("modules", Reply::Array(Vec::new())),
        ]))
    }

    fn client(&mut self, verb: &[u8], args: &[Bytes]) -> Reply {
        match (verb.to_ascii_uppercase().as_slice(), args) {
            (b"SETNAME", [name]) => {
                self.name = Bytes::copy_from_slice(name);
                Reply::OK
            }
            (b"GETNAME", []) if self.name.is_empty() => Reply::Null,
            (b"GETNAME", []) => Reply::Bulk(self.name.clone()),
            (b"ID", []) => Reply::Integer(self.id),
            (b"SETINFO", [_, _]) => Reply::OK,
            _ => Reply::error(format_args!(
                "ERR unknown subcommand or wrong number of arguments for '{}'",
                verb.escape_ascii()
            )),
        }
    }

    fn info(&self) -> Reply {
        let status = self.keyspace.admin().status();
        Reply::bulk(format!(
            "# Server\r\nredis_version:7.0.0\r\nredis_mode:standalone\r\nprocess_id:{}\r\n\r\n# Keyspace\r\n\
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
        let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse().ok();
        let cursor: u64 = number(cursor).ok_or_else(|| Reply::error("ERR invalid cursor"))?;
        let (mut pattern, mut count) = (&b"*"[..], 10);
        let (options, []) = options.as_chunks() else {
            return Err(Reply::syntax());
        };
        for [option, value] in options {
            match option.to_ascii_uppercase().as_slice() {
                b"MATCH" => pattern = value,
                b"COUNT" => {
                    count = number(value)
                        .filter(|n| *n > 0)
                        .ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))?;
                }
                _ => return Err(Reply::syntax()),
            }
        }
        let at_most = usize::try_from(count).unwrap_or(usize::MAX);
        let (next, keys) = self.keyspace.scan(cursor, at_most, |key| glob::matches(pattern, key))?;
        Ok(Reply::Array(vec![Reply::bulk(next.unwrap_or(0).to_string()), Reply::Array(keys)]))
    }
}

impl Queue {
    fn add(&mut self, words: Vec<Bytes>) -> Reply {
        self.bytes += words.iter().map(|word| word.len() + mem::size_of::<Bytes>()).sum::<usize>();
        if self.bytes > MAX_REPLY {
            self.commands = Vec::new();
            self.spoiled = true;
        }
        if self.spoiled {
            return Reply::error("ERR this transaction is discarded");
        }
        self.commands.push(words);
        Reply::Status("QUEUED".into())
    }
}

/// The reply, unless what it is part of grows too large to send.
fn bounded(reply: Reply, size: &mut usize) -> Reply {
    *size += reply.size();
    if *size > MAX_REPLY { Reply::error("ERR the whole reply is too large") } else { reply }
}

/// What `redis-benchmark` asks for: nothing is saved here.
fn config(names: &[Bytes]) -> Reply {
    let value = |name: &[u8]| match name {
        b"save" => Some(""),
        b"appendonly" => Some("no"),
        _ => None,
    };
    let known = names.iter().filter_map(|name| Some((Reply::bulk(name), Reply::bulk(value(name)?))));
    Reply::Map(known.collect())
}
