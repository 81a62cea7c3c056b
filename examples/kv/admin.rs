//! `HOTSWAP`: the switch's commands, on a client's connection.

use std::fmt::Display;

use hotswap::{AdminError, CommitOptions, Outcome, RollbackOptions, Status, UpgradeOptions, Wait};
use kv_store::{Bytes, Reply, knows_expiry};
use serde::Serialize;
use serde_json::Value as Json;
use tokio::sync::Mutex;

use crate::images::Incoming;
use crate::keyspace::Keyspace;

const USAGE: &str = "ERR usage: HOTSWAP STATUS | VERSIONS | PLAN n | UPGRADE n [ACCEPT-LOSS] [reason] | RETRY | \
                     COMMIT [LEAVE-HELD-BACK] | ROLLBACK [ACCEPT-LOSS] | OUTCOME id | AUDIT | LOAD file | UNLOAD id | \
                     IMAGES";

/// The longest reason of an upgrade, in bytes: thousands of outcomes are kept, and each keeps its own.
const MAX_REASON: usize = 1024;

/// Runs one command. An upgrade or a rollback answers when everything is swept; meanwhile others are served.
pub(crate) async fn run(keyspace: &Keyspace, args: &[Bytes]) -> Reply {
    let words: Vec<String> = args.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((verb, _)) = words.split_first() else {
        return Reply::error(USAGE);
    };
    let verb = verb.to_ascii_uppercase();
    words.remove(0);
    let is = |word: Option<&&str>, known: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(known));
    let admin = keyspace.admin();
    match (verb.as_str(), &*words) {
        ("STATUS", []) => status(&admin.status()),
        ("VERSIONS", []) => report(&admin.versions()),
        ("AUDIT", []) => report(&admin.audit()),
        ("PLAN", [to]) => match number(to) {
            Ok(to) => apart(move || admin.plan(to)).await,
            Err(error) => error,
        },
        ("UPGRADE", [to, rest @ ..]) => {
            let accepted = is(rest.first(), "ACCEPT-LOSS");
            let reason = rest[usize::from(accepted)..].join(" ");
            match number(to) {
                Ok(_) if reason.len() > MAX_REASON => {
                    Reply::error(format_args!("ERR a reason has at most {MAX_REASON} bytes"))
                }
                Ok(to) => {
                    before(keyspace, to).await;
                    let options = UpgradeOptions::default().accept_loss(accepted).wait(Wait::No);
                    settled(keyspace, commanded(keyspace, move || admin.upgrade_with(to, &reason, &options)).await)
                        .await
                }
                Err(error) => error,
            }
        }
        ("RETRY", []) => {
            let tried = apart(move || admin.retry()).await;
            keyspace.flipped();
            tried
        }
        ("ROLLBACK", rest @ ([] | [_])) if rest.is_empty() || is(rest.first(), "ACCEPT-LOSS") => {
            before(keyspace, admin.status().permanent).await;
            let options = RollbackOptions::default().accept_loss(!rest.is_empty()).wait(Wait::No);
            settled(keyspace, commanded(keyspace, move || admin.rollback_with("HOTSWAP ROLLBACK", &options)).await)
                .await
        }
        ("COMMIT", rest @ ([] | [_])) if rest.is_empty() || is(rest.first(), "LEAVE-HELD-BACK") => {
            let options = CommitOptions::default().leave_held_back(!rest.is_empty()).wait(Wait::No);
            settled(keyspace, commanded(keyspace, move || admin.commit_with("HOTSWAP COMMIT", &options)).await).await
        }
        ("OUTCOME", [id]) => match admin.outcome(id) {
            Some(outcome) => report(&outcome),
            None => Reply::error(format_args!("ERR no outcome is kept of `{id}`")),
        },
        ("LOAD", [file]) => {
            let file = (*file).to_owned();
            image(keyspace, move |incoming| incoming.load(&file)).await
        }
        ("UNLOAD", [id]) => {
            let id = (*id).to_owned();
            image(keyspace, move |incoming| incoming.unload(&id)).await
        }
        ("IMAGES", []) => match keyspace.incoming() {
            Some(incoming) => report(&incoming.list()),
            None => no_images(),
        },
        _ => Reply::error(USAGE),
    }
}

/// Does something with an image, which reads files and waits for the loader.
async fn image<T: Serialize + Send + 'static, E: Display + Send + 'static>(
    keyspace: &Keyspace,
    work: impl FnOnce(&Incoming) -> Result<T, E> + Send + 'static,
) -> Reply {
    match keyspace.incoming().cloned() {
        Some(incoming) => apart(move || work(&incoming)).await,
        None => no_images(),
    }
}

fn no_images() -> Reply {
    Reply::error("ERR kv takes in no images: start it with --images and --key")
}

/// Ends what has expired before a version runs for which all keys are for ever. What expires between this look at all
/// keys and the switch stays: it is among the expiry that is lost.
async fn before(keyspace: &Keyspace, to: u32) {
    if !knows_expiry(to) {
        keyspace.end_expired().await;
    }
}

/// Runs a command that does not wait for the keys: here, or, if it may wait for the disk, on a thread that does not serve.
async fn commanded(
    keyspace: &Keyspace,
    command: impl FnOnce() -> Result<Outcome, AdminError> + Send + 'static,
) -> Result<Outcome, Reply> {
    let done = if keyspace.on_disk() { tokio::task::spawn_blocking(command).await } else { Ok(command()) };
    done.map_err(|failed| Reply::error(format_args!("ERR {failed}")))?.map_err(|refused| refusal(&refused))
}

/// The outcome, once it is settled or overtaken by another command.
async fn settled(keyspace: &Keyspace, outcome: Result<Outcome, Reply>) -> Reply {
    match outcome {
        Err(refused) => refused,
        Ok(outcome) if outcome.settled || !outcome.done => report(&outcome),
        Ok(outcome) => {
            keyspace.flipped();
            let over = || match keyspace.admin().outcome(&outcome.id) {
                Some(now) => (now.settled || now.superseded_by.is_some()).then_some(now),
                // overtaken so often that it is not kept any more: nothing will be known of it but what is
                None => Some(outcome.clone()),
            };
            report(&keyspace.settled(over).await)
        }
    }
}

/// Runs what visits every key on a thread that does not serve; one at a time, or a few clients would take all such threads.
async fn apart<T: Serialize + Send + 'static, E: Display + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Reply {
    static ONE: Mutex<()> = Mutex::const_new(());
    let turn = ONE.lock().await;
    let work = move || {
        let _turn = turn;
        work()
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => report(&done),
        Ok(Err(refused)) => refusal(&refused),
        Err(failed) => Reply::error(format_args!("ERR {failed}")),
    }
}

fn number(text: &str) -> Result<u32, Reply> {
    text.parse().map_err(|_| Reply::error(format_args!("ERR `{text}` is no version number")))
}

fn refusal(refused: &impl Display) -> Reply {
    Reply::error(format_args!("REFUSED {refused}"))
}

fn report(report: &impl Serialize) -> Reply {
    shown(serde_json::to_value(report))
}

fn status(status: &Status) -> Reply {
    shown(serde_json::to_value(status).map(|mut report| {
        // as ids begin, and as text: not all of these numbers fit into a reply
        report["boot"] = format!("{:016x}", status.boot).into();
        report
    }))
}

fn shown(report: serde_json::Result<Json>) -> Reply {
    report.map_or_else(|error| Reply::error(format_args!("ERR {error}")), from_json)
}

/// What Redis clients can show of a report: objects are maps, and truth is 1.
fn from_json(json: Json) -> Reply {
    match json {
        Json::Null => Reply::Null,
        Json::Bool(truth) => Reply::Integer(truth.into()),
        Json::Number(n) => n.as_i64().map_or_else(|| Reply::bulk(n.to_string()), Reply::Integer),
        Json::String(text) => Reply::bulk(text),
        Json::Array(items) => Reply::Array(items.into_iter().map(from_json).collect()),
        Json::Object(pairs) => {
            Reply::Map(pairs.into_iter().map(|(key, value)| (Reply::bulk(key), from_json(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use kv_store::Command;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A keyspace with something to move. Nobody sweeps it, so nothing that moves it settles.
    fn unswept() -> Keyspace {
        let keyspace = Keyspace::open(1, None, None).unwrap();
        keyspace.run(Command { now: 0, words: [b"SET".as_slice(), b"k", b"v"].map(Bytes::from).to_vec() });
        keyspace
    }

    fn flip(keyspace: &Keyspace, to: u32) -> Outcome {
        let options = UpgradeOptions::default().accept_loss(true).wait(Wait::No);
        keyspace.admin().upgrade_with(to, "", &options).unwrap()
    }

    fn field(told: Reply, name: &str) -> Reply {
        let Reply::Map(pairs) = told else { panic!("no outcome: {told:?}") };
        pairs.into_iter().find_map(|(key, value)| (key == Reply::bulk(name)).then_some(value)).unwrap()
    }

    #[tokio::test]
    async fn who_is_overtaken_hears_at_once() {
        let keyspace = unswept();
        let first = settled(&keyspace, Ok(flip(&keyspace, 2)));
        let second = async { settled(&keyspace, Ok(flip(&keyspace, 1))).await };
        let told = tokio::select! {
            biased;
            told = first => told,
            _ = second => panic!("the second cannot settle"),
            () = tokio::time::sleep(LIMIT) => panic!("the first is not told"),
        };
        assert!(matches!(field(told, "superseded_by"), Reply::Bulk(_)));
    }

    #[test]
    fn the_boot_of_a_status_is_what_ids_begin_with() {
        let small = Status { boot: 0xbeef, ..unswept().admin().status() };
        assert_eq!(field(status(&small), "boot"), Reply::bulk("000000000000beef"));
    }

    #[tokio::test]
    async fn a_wait_ends_when_its_outcome_is_not_kept_any_more() {
        let keyspace = unswept();
        let first = flip(&keyspace, 2);
        for to in [1, 2].repeat(2500) {
            flip(&keyspace, to);
        }
        assert!(keyspace.admin().outcome(&first.id).is_none());
        let id = Reply::bulk(&first.id);
        let told = tokio::time::timeout(LIMIT, settled(&keyspace, Ok(first))).await.unwrap();
        assert_eq!(field(told, "id"), id);
    }
}
