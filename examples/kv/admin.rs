//! `HOTSWAP`: the switch's commands, on a client's connection.

use bytes::Bytes;
use hotswap::{AdminError, Outcome, RollbackOptions, UpgradeOptions, Wait};
use serde::Serialize;

use crate::keyspace::Keyspace;
use crate::reply::Reply;

const USAGE: &str = "ERR usage: HOTSWAP STATUS | VERSIONS | PLAN n | UPGRADE n [ACCEPT-LOSS] [reason] | COMMIT | \
                     ROLLBACK [ACCEPT-LOSS] | OUTCOME id | AUDIT";

/// Runs one command. An upgrade or a rollback answers when everything is swept; meanwhile others are served.
pub(crate) async fn run(keyspace: &Keyspace, args: &[Bytes]) -> Reply {
    let words: Vec<String> = args.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((verb, _)) = words.split_first() else {
        return Reply::error(USAGE);
    };
    let verb = verb.to_ascii_uppercase();
    words.remove(0);
    let accept = |word: Option<&&str>| word.is_some_and(|word| word.eq_ignore_ascii_case("ACCEPT-LOSS"));
    let admin = keyspace.admin();
    match (verb.as_str(), &*words) {
        ("STATUS", []) => report(&admin.status()),
        ("VERSIONS", []) => report(&admin.versions()),
        ("AUDIT", []) => report(&admin.audit()),
        ("PLAN", [to]) => match number(to) {
            // it looks at every key: not on a thread that serves
            Ok(to) => match tokio::task::spawn_blocking(move || admin.plan(to)).await {
                Ok(Ok(plan)) => report(&plan),
                Ok(Err(refused)) => refusal(&refused),
                Err(failed) => Reply::error(format_args!("ERR {failed}")),
            },
            Err(error) => error,
        },
        ("UPGRADE", [to, rest @ ..]) => match number(to) {
            Ok(to) => {
                let accepted = accept(rest.first());
                let reason = rest[usize::from(accepted)..].join(" ");
                let options = UpgradeOptions::default().accept_loss(accepted).wait(Wait::No);
                settled(keyspace, admin.upgrade_with(to, &reason, &options)).await
            }
            Err(error) => error,
        },
        ("ROLLBACK", rest @ ([] | [_])) if rest.is_empty() || accept(rest.first()) => {
            let options = RollbackOptions::default().accept_loss(!rest.is_empty()).wait(Wait::No);
            settled(keyspace, admin.rollback_with("HOTSWAP ROLLBACK", &options)).await
        }
        ("COMMIT", []) => settled(keyspace, admin.commit()).await,
        ("OUTCOME", [id]) => match admin.outcome(id) {
            Some(outcome) => report(&outcome),
            None => Reply::error(format_args!("ERR no outcome is kept of `{id}`")),
        },
        _ => Reply::error(USAGE),
    }
}

/// The outcome, once it is settled or overtaken by another command.
async fn settled(keyspace: &Keyspace, outcome: Result<Outcome, AdminError>) -> Reply {
    match outcome {
        Err(refused) => refusal(&refused),
        Ok(outcome) if outcome.settled || !outcome.done => report(&outcome),
        Ok(outcome) => {
            keyspace.flipped();
            let over = || {
                let now = keyspace.admin().outcome(&outcome.id)?;
                (now.settled || now.superseded_by.is_some()).then_some(now)
            };
            report(&keyspace.settled(over).await)
        }
    }
}

fn number(text: &str) -> Result<u32, Reply> {
    text.parse().map_err(|_| Reply::error(format_args!("ERR `{text}` is no version number")))
}

fn refusal(refused: &AdminError) -> Reply {
    Reply::error(format_args!("REFUSED {refused}"))
}

fn report(report: &impl Serialize) -> Reply {
    serde_json::to_value(report).map_or_else(|error| Reply::error(format_args!("ERR {error}")), Reply::from_json)
}
