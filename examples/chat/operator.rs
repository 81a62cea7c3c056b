//! `/hotswap`: the switch's commands, as lines. Whoever is connected is an operator here, since it is an example.

use crate::machine::room::Admin;

const USAGE: &str = "usage: /hotswap status | versions | upgrade N [reason] | commit | rollback [reason]";

/// Runs one command; what is to be shown, or why it was refused. It may wait for a sweep over all rooms.
pub(crate) fn run(admin: &Admin, command: &str) -> Result<String, String> {
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    let outcome = match verb {
        "status" => return Ok(admin.status().to_string()),
        "versions" => return Ok(admin.versions().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        "upgrade" => {
            let (to, reason) = rest.split_once(' ').unwrap_or((rest, "by an operator"));
            let to: u32 = to.parse().map_err(|_| format!("`{to}` is no version number"))?;
            admin.upgrade(to, reason)
        }
        "commit" => admin.commit(),
        "rollback" => admin.rollback(rest),
        _ => return Err(USAGE.to_owned()),
    };
    outcome.map(|outcome| outcome.to_string()).map_err(|refused| refused.to_string())
}
