//! Single instances by key: their state, a step; and all those of a switch's fleets to files, and such files at another version.

use std::path::PathBuf;

use axum::Json as Body;
use axum::extract::State;
use serde_json::Value;

use super::ask::{Asked, At, Json};
use super::{Served, Shared};
use crate::convert::ConvertOptions;
use crate::encoded::{Encoded, EncodedError, NotEncoded};
use crate::remote::drive::NotStepped;
use crate::remote::problem::{ABSENT, Refused};
use crate::remote::wire::{self, ConvertBody, Converted, Snapshot, SnapshotBody, Snapshots, StepAnswer, StepBody};

/// The state of an instance, brought to the version that runs first.
#[utoipa::path(get, path = "/v1/switches/{label}/instances/{key}/state", tag = "instances",
    params(("label" = String, Path, description = "the switch's label"),
        ("key" = String, Path, description = "its key in a fleet, or its cell's name")),
    responses((status = 200, body = wire::State, description = "under its version")))]
pub(super) async fn state(
    State(served): State<Shared>,
    At((label, key)): At<(String, String)>,
) -> Result<Body<wire::State>, Refused> {
    let switch = served.switch(&label)?;
    Ok(Body(served.turns.instances.run(move || switch.state(&key)).await??))
}

/// Gives an instance another state, of any version that is compiled in and has a way to the one that runs. It heals one that
/// was held back or poisoned.
#[utoipa::path(put, path = "/v1/switches/{label}/instances/{key}/state", tag = "instances", request_body = wire::State,
    params(("label" = String, Path, description = "the switch's label"),
        ("key" = String, Path, description = "its key in a fleet, or its cell's name")),
    responses((status = 200, body = wire::State, description = "as it is now, at the version that runs")))]
pub(super) async fn put_state(
    State(served): State<Shared>,
    At((label, key)): At<(String, String)>,
    asked: Asked,
    Json(state): Json<wire::State>,
) -> Result<Body<wire::State>, Refused> {
    let switch = served.switch(&label)?;
    let asking = asked.asking();
    Ok(Body(served.turns.instances.run(move || switch.put_state(&key, state, &asking)).await??))
}

/// Runs one step of an instance. Its input may be of a version that came as a file.
#[utoipa::path(post, path = "/v1/switches/{label}/instances/{key}/step", tag = "instances", request_body = StepBody,
    params(("label" = String, Path, description = "the switch's label"),
        ("key" = String, Path, description = "its key in a fleet, or its cell's name")),
    responses((status = 200, body = StepAnswer, description = "what the step gave back")))]
pub(super) async fn step(
    State(served): State<Shared>,
    At((label, key)): At<(String, String)>,
    asked: Asked,
    Json(StepBody { input, value }): Json<StepBody>,
) -> Result<Body<StepAnswer>, Refused> {
    let switch = served.switch(&label)?;
    let asking = asked.asking();
    let step = move || {
        let lost = |error: NotEncoded| NotStepped::Encoded(EncodedError::Unencodable { reason: error.to_string() });
        let output = switch.step(&key, Encoded::json(&input, &value).map_err(lost)?, &asking)?;
        let answer = StepAnswer { output: output.name().map_err(lost)?, value: output.value::<Value>().map_err(lost)? };
        Ok::<_, NotStepped>(answer)
    };
    Ok(Body(served.turns.instances.run(step).await??))
}

/// Saves every fleet of a switch to a file in the server's folder of snapshots, under traffic.
#[utoipa::path(post, path = "/v1/switches/{label}/snapshots", tag = "instances", request_body = SnapshotBody,
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = Snapshots, description = "the files")))]
pub(super) async fn snapshot(
    State(served): State<Shared>,
    At(label): At<String>,
    asked: Asked,
    Json(SnapshotBody { name }): Json<SnapshotBody>,
) -> Result<Body<Snapshots>, Refused> {
    let switch = served.switch(&label)?;
    let (path, asking) = (in_folder(&served, "name", &name)?, asked.asking());
    let saved = served.turns.instances.run(move || switch.save(&path, &asking)).await??;
    let file = |(path, saved): (std::path::PathBuf, crate::Saved)| Snapshot {
        file: path.display().to_string(),
        bytes: saved.bytes,
        instances: saved.instances,
        left_out: saved.left_out,
    };
    Ok(Body(Snapshots { files: saved.into_iter().map(file).collect() }))
}

/// Writes a file in the server's folder of snapshots anew, all its states at another version. No live instance is touched.
#[utoipa::path(post, path = "/v1/switches/{label}/snapshots/convert", tag = "instances", request_body = ConvertBody,
    params(("label" = String, Path, description = "the switch's label")),
    responses((status = 200, body = Converted, description = "the new file")))]
pub(super) async fn convert(
    State(served): State<Shared>,
    At(label): At<String>,
    asked: Asked,
    Json(ConvertBody { name, to, out, accept_loss }): Json<ConvertBody>,
) -> Result<Body<Converted>, Refused> {
    let switch = served.switch(&label)?;
    let (from, path) = (in_folder(&served, "name", &name)?, in_folder(&served, "out", &out)?);
    let (file, asking) = (path.display().to_string(), asked.asking());
    let on = ConvertOptions::default().accept_loss(accept_loss);
    let converted = served.turns.instances.run(move || switch.convert(&from, to, &path, &on, &asking)).await??;
    let crate::Converted { instances, moved, bytes, losses } = converted;
    Ok(Body(Converted { file, bytes, instances, moved, losses: losses.into_iter().map(Into::into).collect() }))
}

/// The file of this name, which a field of the body has.
fn in_folder(served: &Served, field: &str, name: &str) -> Result<PathBuf, Refused> {
    let folder = served.api.snapshots.as_ref();
    let folder = folder.ok_or_else(|| Refused::new(ABSENT, "this program was given no folder for snapshots"))?;
    if plain(name) {
        return Ok(folder.join(name));
    }
    let said = "is to be 1 to 128 letters, digits, `-`, `_` or `.`, not begin with `.`, and not end in `.new`, `.lock` or \
                `.before`";
    Err(Refused::field(field, format!("`{field}` {said}")))
}

/// Whether a name stays in the folder, and is none of those that stand beside a file while it is written.
fn plain(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let beside = [".new", ".lock", ".before"];
    (1..=128).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(known)
        && !beside.iter().any(|end| name.to_ascii_lowercase().ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_name_stays_in_its_folder_and_beside_no_other_file() {
        for name in ["a", "monday-2.snapshot", "A_b.c", &"x".repeat(128)] {
            assert!(plain(name), "{name}");
        }
        let long = "x".repeat(129);
        let other =
            ["", ".", "..", ".a", "a/b", "/a", "..\\a", "a\0", "a b", "é", "a.lock", "a.NEW", "a.before", &long];
        for name in other {
            assert!(!plain(name), "{name}");
        }
    }
}
