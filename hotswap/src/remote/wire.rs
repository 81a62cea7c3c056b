//! What goes over the wire: every body and every answer, for the server and for its clients.
//!
//! A body that has a field which is not here is refused, so that a client that is ahead of its server learns of it. An answer
//! may get more fields in later versions.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::who::Role;

/// A run of the program as text: 16 hexadecimal digits, for 64 bits are more than a number in a browser holds.
#[must_use]
pub fn boot(boot: u64) -> String {
    format!("{boot:016x}")
}

/// The tag of a release, as `ETag` and `If-Match` have it: `"boot-epoch"`, quotes included.
#[must_use]
pub fn tag(boot: &str, epoch: u64) -> String {
    format!("\"{boot}-{epoch}\"")
}

/// The server serves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
}

/// Every live switch of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Switches {
    /// By label.
    pub switches: Vec<Status>,
}

/// What a switch runs, and who lives on it, at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The switch's label.
    pub label: String,
    /// The machine's name.
    pub machine: String,
    /// Tells this run of the program from others: 16 hexadecimal digits.
    pub boot: String,
    /// The present epoch; it rises with every flip and never repeats.
    pub epoch: u64,
    /// The version that runs.
    pub version: u32,
    /// The version that a rollback goes to.
    pub permanent: u32,
    /// Whether the version that runs may still be rolled back.
    pub phase: Phase,
    /// The id of the command that made this release.
    pub id: String,
    /// Live instances.
    pub live: u64,
    /// Live instances by version and place; version 0 counts states that a panic lost.
    pub by_version: Vec<Population>,
    /// Instances that have not arrived.
    pub held_back: u64,
    /// Instances that nothing has touched since the flip.
    pub not_reached: u64,
}

impl Status {
    /// The tag of the release that it shows, for `If-Match`.
    #[must_use]
    pub fn tag(&self) -> String {
        tag(&self.boot, self.epoch)
    }
}

impl From<crate::Status> for Status {
    fn from(status: crate::Status) -> Self {
        Self {
            label: status.label,
            machine: status.machine,
            boot: boot(status.boot),
            epoch: status.epoch,
            version: status.version,
            permanent: status.permanent,
            phase: status.phase.into(),
            id: status.id,
            live: status.live,
            by_version: all(status.by_version),
            held_back: status.held_back,
            not_reached: status.not_reached,
        }
    }
}

/// Whether the version that runs may still be rolled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// After an upgrade.
    Probation,
    /// After a commit or a rollback, and at the start.
    Permanent,
}

impl From<crate::Phase> for Phase {
    fn from(phase: crate::Phase) -> Self {
        match phase {
            crate::Phase::Probation => Self::Probation,
            crate::Phase::Permanent => Self::Permanent,
        }
    }
}

/// Where an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// In a cell.
    Cell,
    /// In a fleet.
    Fleet,
    /// With its owner: counted, never reached by a sweep.
    Owned,
}

impl From<crate::Place> for Place {
    fn from(place: crate::Place) -> Self {
        match place {
            crate::Place::Cell => Self::Cell,
            crate::Place::Fleet => Self::Fleet,
            crate::Place::Owned => Self::Owned,
        }
    }
}

/// How many instances of one version live in one kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Population {
    /// The version they run, or will leave when they are touched.
    pub version: u32,
    /// Where they live.
    pub place: Place,
    /// How many there are.
    pub live: u64,
}

impl From<crate::Population> for Population {
    fn from(crate::Population { version, place, live }: crate::Population) -> Self {
        Self { version, place: place.into(), live }
    }
}

/// A switch with everybody who is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SwitchView {
    /// What it runs, and who lives on it.
    #[serde(flatten)]
    pub status: Status,
    /// The first 1,000 of the held back that have a name.
    pub held: Vec<HeldBack>,
    /// The id of the command that runs, if one does.
    pub pending: Option<String>,
    /// Who runs what since when, the newest release first.
    pub since: Vec<Since>,
    /// How both sides of a canary do, while one runs.
    #[serde(default)]
    pub canary: Option<CanaryReport>,
}

/// How both sides of a canary do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanaryReport {
    /// The share of the keys that goes to the version of the canary, in percent.
    pub percent: u8,
    /// The present epoch; a retry makes another one, and the counts go on.
    pub epoch: u64,
    /// Those at the version before: the other keys, cells, and owned instances; and those that could not leave it.
    pub before: CanarySide,
    /// Those at the version of the canary.
    pub canary: CanarySide,
    /// Live instances at other versions: an earlier release could not move them, or nothing has touched them since.
    pub elsewhere: u64,
}

impl From<crate::CanaryReport> for CanaryReport {
    fn from(report: crate::CanaryReport) -> Self {
        let crate::CanaryReport { percent, epoch, before, canary, elsewhere } = report;
        Self { percent, epoch, before: before.into(), canary: canary.into(), elsewhere }
    }
}

/// One side of a canary. What happened since it began is counted; the times are of one step in eight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CanarySide {
    /// The version that it runs.
    pub version: u32,
    /// Live instances.
    pub live: u64,
    /// Steps that ran, those included that failed or panicked.
    pub steps: u64,
    /// Steps that returned an error.
    pub failures: u64,
    /// Steps that panicked.
    pub panics: u64,
    /// How long steps took, once one was timed.
    pub latency: Option<Latency>,
}

impl From<crate::CanarySide> for CanarySide {
    fn from(side: crate::CanarySide) -> Self {
        let crate::CanarySide { version, live, steps, failures, panics, latency } = side;
        Self { version, live, steps, failures, panics, latency: latency.map(Into::into) }
    }
}

/// How long steps took, in nanoseconds. The quantiles are at most a sixteenth too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    /// So many steps were timed.
    pub timed: u64,
    /// Half of them took no longer.
    pub p50_ns: u64,
    /// 99 in 100 took no longer.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl From<crate::Latency> for Latency {
    fn from(crate::Latency { timed, p50_ns, p99_ns, max_ns }: crate::Latency) -> Self {
        Self { timed, p50_ns, p99_ns, max_ns }
    }
}

/// Instances that have come to the same release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Since {
    /// The version they run, or will leave when they are touched.
    pub version: u32,
    /// Where they live.
    pub place: Place,
    /// The epoch that they have come to.
    pub epoch: u64,
    /// When that epoch began, in milliseconds since 1970; `null` if the audit no longer knows.
    pub since_ms: Option<u64>,
    /// How many there are.
    pub live: u64,
    /// Those of them that are held back at their version.
    pub held_back: u64,
    /// Those of the held back that a panic poisoned.
    pub poisoned: u64,
}

/// An instance that still runs its version because its migration failed, or that a panic poisoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeldBack {
    /// Its key in a fleet, or its cell's name.
    pub who: String,
    /// Where it lives.
    pub place: Place,
    /// The version it still runs; 0 if its state was lost.
    pub version: u32,
    /// What its migration said, or that a step panicked.
    pub reason: String,
    /// A step panicked: it takes no input until its state is replaced.
    pub poisoned: bool,
}

impl From<crate::HeldBack> for HeldBack {
    fn from(crate::HeldBack { who, place, version, reason, poisoned }: crate::HeldBack) -> Self {
        Self { who, place: place.into(), version, reason, poisoned }
    }
}

/// The versions of a switch's machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Versions {
    /// The lowest first.
    pub versions: Vec<VersionStatus>,
}

/// One version, as it stands in the running program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionStatus {
    /// Its number.
    pub number: u32,
    /// Where it stands.
    pub standing: Standing,
    /// The name of its state type.
    pub state: String,
    /// The structural hash of its state.
    pub fingerprint: String,
    /// Types that the fingerprint knows by name only.
    pub leaves: Vec<String>,
    /// The names of the inputs it takes; none for a decode-only version.
    pub takes: Vec<String>,
    /// The image that brought it; `null` if it is compiled in.
    pub image: Option<String>,
    /// How many instances run it.
    pub live: u64,
    /// Nobody needs its steps any more.
    pub can_retire: bool,
}

impl From<crate::VersionStatus> for VersionStatus {
    fn from(version: crate::VersionStatus) -> Self {
        Self {
            number: version.number,
            standing: version.standing.into(),
            state: version.state,
            fingerprint: version.fingerprint,
            leaves: version.leaves,
            takes: version.takes,
            image: version.image,
            live: version.live,
            can_retire: version.can_retire,
        }
    }
}

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// A rollback, or a restart, comes up here.
    Permanent,
    /// It runs, on probation.
    Current,
    /// It has run before.
    Old,
    /// It has not.
    Available,
}

impl From<crate::Standing> for Standing {
    fn from(standing: crate::Standing) -> Self {
        match standing {
            crate::Standing::Permanent => Self::Permanent,
            crate::Standing::Current => Self::Current,
            crate::Standing::Old => Self::Old,
            crate::Standing::Available => Self::Available,
        }
    }
}

/// Asks what an upgrade would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// The version to go to.
    #[serde(deserialize_with = "whole")]
    pub to: u32,
}

/// What an upgrade would do: every migration was run, nothing was installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// The version that runs.
    pub from: u32,
    /// The version asked for.
    pub to: u32,
    /// The versions that the way goes through, both ends included.
    pub path: Vec<u32>,
    /// Live instances when the plan began.
    pub live: u64,
    /// Instances whose migrations were run.
    pub examined: u64,
    /// Those of them that would be held back.
    pub failed: u64,
    /// The first 1,000 of those.
    pub failures: Vec<PlanFailure>,
    /// Instances that were not examined: owned, poisoned or new.
    pub not_examined: u64,
    /// Encoded size of the examined states that would move, in bytes, before.
    pub bytes_before: u64,
    /// The same, after.
    pub bytes_after: u64,
    /// What would be lost.
    pub loses: Vec<Loss>,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
}

impl From<crate::Plan> for Plan {
    fn from(plan: crate::Plan) -> Self {
        Self {
            from: plan.from,
            to: plan.to,
            path: plan.path,
            live: plan.live,
            examined: plan.examined,
            failed: plan.failed,
            failures: all(plan.failures),
            not_examined: plan.not_examined,
            bytes_before: plan.bytes_before,
            bytes_after: plan.bytes_after,
            loses: all(plan.loses),
            took_ms: plan.took.as_secs_f64() * 1000.0,
        }
    }
}

/// An instance that would be held back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanFailure {
    /// Its key or name.
    pub who: String,
    /// What its migration said.
    pub reason: String,
}

impl From<crate::PlanFailure> for PlanFailure {
    fn from(crate::PlanFailure { who, reason }: crate::PlanFailure) -> Self {
        Self { who, reason }
    }
}

/// Something that going to another version would lose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Loss {
    /// What is lost.
    pub what: String,
    /// How many instances take the way that loses it.
    pub instances: u64,
}

impl From<crate::Loss> for Loss {
    fn from(crate::Loss { what, instances }: crate::Loss) -> Self {
        Self { what, instances }
    }
}

/// The release that a command expects to find; `If-Match` says the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The run of the program, from a status; any, if none is given.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{16}$")]
    pub boot: Option<String>,
    /// The epoch, from a status.
    #[serde(deserialize_with = "whole")]
    pub epoch: u64,
}

/// Reads an object, or nothing: of itself serde reads a list of the fields in their order as well, which nobody means.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_none<E>(self) -> Result<Option<T>, E> {
            Ok(None)
        }
        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
            deserializer.deserialize_map(self)
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }
    deserializer.deserialize_option(Object(PhantomData))
}

/// Reads a whole number, `2.0` among them: to the document, and to some who write JSON, they are the same.
fn whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<T, D::Error> {
    struct Whole<T>(PhantomData<T>);
    impl<T: TryFrom<u64>> Visitor<'_> for Whole<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number, neither negative nor too large")
        }
        fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
            T::try_from(value).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            clippy::float_cmp,
            reason = "what does not come back the same is not taken"
        )]
        fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
            let whole = value as u64;
            // the largest is one less than any float near it
            if whole as f64 == value && whole != u64::MAX {
                return self.visit_u64(whole);
            }
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }
    deserializer.deserialize_u64(Whole(PhantomData))
}

/// As [`whole`], or nothing.
fn maybe_whole<'de, D: Deserializer<'de>, T: TryFrom<u64>>(deserializer: D) -> Result<Option<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(bound = "T: TryFrom<u64>")]
    struct Whole<T>(#[serde(deserialize_with = "whole")] T);
    Ok(Option::deserialize(deserializer)?.map(|Whole(number)| number))
}

/// Asks for an upgrade.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeBody {
    /// The version to go to.
    #[serde(deserialize_with = "whole")]
    pub to: u32,
    /// Why, for the audit.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub reason: String,
    /// The release that has to be the present one.
    #[serde(default, deserialize_with = "object")]
    pub expect: Option<Expect>,
    /// Keeps each state from before the upgrade until the probation ends.
    #[serde(default)]
    pub keep_previous: bool,
    /// Accepts what the way loses, and what an automatic rollback would.
    #[serde(default)]
    pub accept_loss: bool,
    /// Rolls back by itself at this many failures in probation.
    #[serde(default, deserialize_with = "maybe_whole")]
    pub rollback_after: Option<u64>,
    /// Takes that share of a fleet's keys first, in percent; everybody else stays until a promotion.
    #[serde(default, deserialize_with = "maybe_whole")]
    #[schema(minimum = 1, maximum = 99)]
    pub canary: Option<u8>,
    /// How long the answer may wait for the instances, in milliseconds; without it, it comes as soon as the switch has
    /// flipped. The instances move on either way.
    #[serde(default, deserialize_with = "maybe_whole")]
    pub wait_ms: Option<u64>,
}

/// Asks for a promotion.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromoteBody {
    /// Why, for the audit.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub reason: String,
    /// The release that has to be the present one.
    #[serde(default, deserialize_with = "object")]
    pub expect: Option<Expect>,
    /// Accepts what the way loses, for those who go now; not needed where it was accepted at the canary.
    #[serde(default)]
    pub accept_loss: bool,
    /// As for an upgrade.
    #[serde(default, deserialize_with = "maybe_whole")]
    pub wait_ms: Option<u64>,
}

/// Asks for a commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommitBody {
    /// Why, for the audit.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub reason: String,
    /// The release that has to be the present one.
    #[serde(default, deserialize_with = "object")]
    pub expect: Option<Expect>,
    /// Commits although instances are held back; they go on at their versions.
    #[serde(default)]
    pub leave_held_back: bool,
    /// As for an upgrade.
    #[serde(default, deserialize_with = "maybe_whole")]
    pub wait_ms: Option<u64>,
}

/// Asks for a rollback.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackBody {
    /// Why, for the audit.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub reason: String,
    /// The release that has to be the present one.
    #[serde(default, deserialize_with = "object")]
    pub expect: Option<Expect>,
    /// Accepts what the way back loses.
    #[serde(default)]
    pub accept_loss: bool,
    /// As for an upgrade.
    #[serde(default, deserialize_with = "maybe_whole")]
    pub wait_ms: Option<u64>,
}

/// Asks to try the held back of a command again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryBody {
    /// Why, for the audit.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub reason: String,
    /// The release that has to be the present one.
    #[serde(default, deserialize_with = "object")]
    pub expect: Option<Expect>,
    /// As for an upgrade.
    #[serde(default, deserialize_with = "maybe_whole")]
    pub wait_ms: Option<u64>,
}

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The program started.
    Start,
    /// To another version, on probation.
    Upgrade,
    /// The version that runs becomes permanent.
    Commit,
    /// Back to the permanent version.
    Rollback,
    /// A canary's version for everybody, still on probation.
    Promote,
    /// The held back of an earlier command are tried again.
    Retry,
}

impl From<crate::Kind> for Kind {
    fn from(kind: crate::Kind) -> Self {
        match kind {
            crate::Kind::Start => Self::Start,
            crate::Kind::Upgrade => Self::Upgrade,
            crate::Kind::Commit => Self::Commit,
            crate::Kind::Rollback => Self::Rollback,
            crate::Kind::Promote => Self::Promote,
            crate::Kind::Retry => Self::Retry,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Upgrade => "upgrade",
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Promote => "promote",
            Self::Retry => "retry",
        })
    }
}

/// What came of a command; `moved + stayed + held_back + gone + not_reached == live`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The command's id: its `Idempotency-Key`, or `boot-epoch`; without a key, that of the present release when nothing was
    /// done.
    pub id: String,
    /// What was commanded.
    pub kind: Kind,
    /// The version before.
    pub from: u32,
    /// The version after.
    pub to: u32,
    /// The epoch that the command made; that of the present release when nothing was done.
    pub epoch: u64,
    /// Why, in the operator's words.
    pub reason: String,
    /// Whether it changed anything: false for an upgrade to the version that runs. What did nothing has no record, and is not
    /// found by its id later.
    pub done: bool,
    /// Instances live at the flip.
    pub live: u64,
    /// Those that arrived.
    pub moved: u64,
    /// Those that a canary left at the version before; 0 of any other command.
    #[serde(default)]
    pub stayed: u64,
    /// Those that could not.
    pub held_back: u64,
    /// Those that were dropped before they arrived.
    pub gone: u64,
    /// Those that nothing has touched yet.
    pub not_reached: u64,
    /// Whether all that a sweep can reach has been reached.
    pub settled: bool,
    /// The id of the command that ended this one's epoch, if one has.
    pub superseded_by: Option<String>,
    /// The first 1,000 of the held back that have a name.
    pub held: Vec<HeldBack>,
}

impl From<crate::Outcome> for Outcome {
    fn from(outcome: crate::Outcome) -> Self {
        Self {
            id: outcome.id,
            kind: outcome.kind.into(),
            from: outcome.from,
            to: outcome.to,
            epoch: outcome.epoch,
            reason: outcome.reason,
            done: outcome.done,
            live: outcome.live,
            moved: outcome.moved,
            stayed: outcome.stayed,
            held_back: outcome.held_back,
            gone: outcome.gone,
            not_reached: outcome.not_reached,
            settled: outcome.settled,
            superseded_by: outcome.superseded_by,
            held: all(outcome.held),
        }
    }
}

/// What came of the last commands of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcomes {
    /// The newest last.
    pub outcomes: Vec<Outcome>,
}

/// A state under its version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The version it is of.
    #[serde(deserialize_with = "whole")]
    pub version: u32,
    /// The state itself.
    pub state: Value,
}

/// An input for one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    /// The input's name.
    pub input: String,
    /// The input itself; a unit struct is `null`.
    #[serde(default)]
    pub value: Value,
}

/// What a step gave back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StepAnswer {
    /// The name of the input that it answers.
    pub output: String,
    /// The output itself; a float in it that JSON has no form for is `null`.
    pub value: Value,
}

/// Asks to save the fleets of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnapshotBody {
    /// A plain file name in the server's folder of snapshots; where the switch has several fleets, the files of the further
    /// ones end in `-2`, `-3` and so on.
    #[schema(
        pattern = r"^(?!.*\.([nN][eE][wW]|[lL][oO][cC][kK]|[bB][eE][fF][oO][rR][eE])$)[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"
    )]
    pub name: String,
}

/// The files that were saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshots {
    /// One for each fleet.
    pub files: Vec<Snapshot>,
}

/// One fleet in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snapshot {
    /// The file, on the server's machine.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Instances in it.
    pub instances: u64,
    /// Instances that are not: poisoned by a panic, or their state lost to one.
    pub left_out: u64,
}

/// Asks to write the file of a fleet anew, all its states at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConvertBody {
    /// The file: a plain name in the server's folder of snapshots.
    #[schema(
        pattern = r"^(?!.*\.([nN][eE][wW]|[lL][oO][cC][kK]|[bB][eE][fF][oO][rR][eE])$)[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"
    )]
    pub name: String,
    /// The version that its states are to have.
    #[serde(deserialize_with = "whole")]
    pub to: u32,
    /// The new file, in the same folder; it may be the same.
    #[schema(
        pattern = r"^(?!.*\.([nN][eE][wW]|[lL][oO][cC][kK]|[bB][eE][fF][oO][rR][eE])$)[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"
    )]
    pub out: String,
    /// Accepts what the ways lose.
    #[serde(default)]
    pub accept_loss: bool,
}

/// The file that was written anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Converted {
    /// The file, on the server's machine.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Instances in it.
    pub instances: u64,
    /// Those whose version was another.
    pub moved: u64,
    /// What was lost on their ways.
    pub losses: Vec<Loss>,
}

/// The images of the program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Images {
    /// In the order in which they came.
    pub images: Vec<ImageStatus>,
    /// Those that were let go of and are still in memory.
    pub pinned: Vec<Pinned>,
}

/// One image that is here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageStatus {
    /// What it is called.
    pub id: String,
    /// The file that it came from.
    pub from: Option<String>,
    /// The serial that it was signed with.
    pub serial: Option<u64>,
    /// The SHA-256 of the image.
    pub digest: String,
    /// Its machines.
    pub machines: Vec<ImageMachine>,
    /// Who uses it.
    pub holders: Vec<Holder>,
}

/// A machine in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImageMachine {
    /// Its name.
    pub machine: String,
    /// Its versions.
    pub versions: Vec<u32>,
}

/// Who keeps an image from being let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Holder {
    /// The switch.
    pub switch: String,
    /// The image's version that it uses.
    pub version: u32,
    /// The version runs.
    pub current: bool,
    /// A rollback or a restart comes up there.
    pub permanent: bool,
    /// So many instances run it.
    pub live: u64,
}

/// An image that was let go of and is still in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pinned {
    /// What it was called.
    pub image: String,
    /// Why, as far as can be told.
    pub reason: String,
}

/// An image that has come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Arrived {
    /// What the image is called here.
    pub id: String,
    /// The versions that became available.
    pub brought: Vec<Brought>,
    /// The images that were let go because of it.
    pub let_go: Vec<LetGo>,
}

/// Versions that became available in a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Brought {
    /// The switch.
    pub switch: String,
    /// The versions.
    pub versions: Vec<u32>,
}

/// What became of an image that was let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LetGo {
    /// What it was called.
    pub image: String,
    /// What became of it.
    pub fate: Fate,
    /// Why it cannot be taken out of memory, if it is pinned.
    pub reason: Option<String>,
}

/// What became of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is out of the process's memory.
    Gone,
    /// Nothing uses it, and it cannot be taken out of memory.
    Pinned,
    /// A state still uses it; it goes with the last of them.
    Held,
}

#[cfg(feature = "load")]
mod load {
    use super::{Arrived, Brought, Fate, Holder, ImageMachine, ImageStatus, LetGo, Pinned, all};
    use crate::load;

    impl From<load::ImageStatus> for ImageStatus {
        fn from(image: load::ImageStatus) -> Self {
            let machines = image.machines.into_iter();
            Self {
                id: image.id,
                from: image.from.map(|path| path.display().to_string()),
                serial: image.serial,
                digest: image.digest,
                machines: machines.map(|(machine, versions)| ImageMachine { machine, versions }).collect(),
                holders: all(image.holders),
            }
        }
    }

    impl From<load::Holder> for Holder {
        fn from(load::Holder { switch, version, current, permanent, live }: load::Holder) -> Self {
            Self { switch, version, current, permanent, live }
        }
    }

    impl From<load::Pinned> for Pinned {
        fn from(load::Pinned { image, reason }: load::Pinned) -> Self {
            Self { image, reason }
        }
    }

    impl From<load::Arrived> for Arrived {
        fn from(arrived: load::Arrived) -> Self {
            let brought = arrived.brought.into_iter();
            Self {
                id: arrived.id,
                brought: brought.map(|(switch, versions)| Brought { switch, versions }).collect(),
                let_go: all(arrived.let_go),
            }
        }
    }

    /// What the image was called, and what became of it.
    impl From<(String, load::LetGo)> for LetGo {
        fn from((image, let_go): (String, load::LetGo)) -> Self {
            match let_go {
                load::LetGo::Gone => Self { image, fate: Fate::Gone, reason: None },
                load::LetGo::Held => Self { image, fate: Fate::Held, reason: None },
                load::LetGo::Pinned { reason } => Self { image, fate: Fate::Pinned, reason: Some(reason) },
            }
        }
    }
}

/// What was done and what was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditView {
    /// The audit of each switch, by label.
    pub switches: BTreeMap<String, Audit>,
    /// The last calls that would have changed something, the oldest first, refused ones among them.
    pub remote: Vec<Call>,
    /// How many older calls are no longer kept.
    pub remote_lost: u64,
}

/// The last changes and refusals of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Audit {
    /// What was done, the oldest first.
    pub changes: Vec<Entry>,
    /// How many older changes are no longer kept.
    pub changes_lost: u64,
    /// What was refused, the oldest first.
    pub refusals: Vec<Entry>,
    /// How many older refusals are no longer kept.
    pub refusals_lost: u64,
}

/// A change or refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Entry {
    /// Its number; a missing one was overwritten.
    pub number: u64,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// The epoch at which it stands.
    pub epoch: u64,
    /// What was done or asked for.
    pub what: String,
    /// Why: the operator's reason, or that of the refusal.
    pub why: String,
    /// Who asked for it and from where; empty if the program itself did.
    pub by: String,
}

impl From<crate::Audit> for Audit {
    fn from(audit: crate::Audit) -> Self {
        let crate::Audit { changes, changes_lost, refusals, refusals_lost } = audit;
        Self { changes: all(changes), changes_lost, refusals: all(refusals), refusals_lost }
    }
}

impl From<crate::Entry> for Entry {
    fn from(crate::Entry { number, at_ms, epoch, what, why, by }: crate::Entry) -> Self {
        Self { number, at_ms, epoch, what, why, by }
    }
}

/// A call that would change something, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Call {
    /// Its number; a missing one was overwritten.
    pub number: u64,
    /// When it was answered, in milliseconds since 1970.
    pub at_ms: u64,
    /// Who called; empty if nobody was known.
    pub who: String,
    /// From where.
    pub from: String,
    /// What they may.
    pub role: Option<Role>,
    /// The method.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The `Idempotency-Key`, if it had one.
    pub key: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The type of the problem, if it was refused.
    pub problem: Option<String>,
    /// Why: the reason that was given, or that of the refusal.
    pub why: String,
}

/// Something that happened to a switch, as the `data:` of an event. The event's own name is the same as the field `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// The switch; empty where events of several were lost.
    pub switch: String,
    /// What happened.
    #[serde(flatten)]
    pub what: Happened,
}

/// What happened to a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Happened {
    /// Another release is in force.
    Flip(Flip),
    /// A command has settled, or was superseded.
    Outcome(Outcome),
    /// Events were not delivered, because the receiver was too slow.
    Lost(Lost),
}

impl Happened {
    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Flip(_) => "flip",
            Self::Outcome(_) => "outcome",
            Self::Lost(_) => "lost",
        }
    }
}

/// A new release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flip {
    /// Its epoch.
    pub epoch: u64,
    /// What made it.
    pub kind: Kind,
    /// The version before.
    pub from: u32,
    /// The version that runs now.
    pub to: u32,
    /// Whether it may still be rolled back.
    pub phase: Phase,
    /// The command's id.
    pub id: String,
}

/// How many events were not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lost {
    /// So many.
    pub events: u64,
}

impl From<crate::Event> for Happened {
    fn from(event: crate::Event) -> Self {
        match event {
            crate::Event::Flip { epoch, kind, from, to, phase, id } => {
                Self::Flip(Flip { epoch, kind: kind.into(), from, to, phase: phase.into(), id })
            }
            crate::Event::Outcome(outcome) => Self::Outcome((*outcome).into()),
            crate::Event::Lost(events) => Self::Lost(Lost { events }),
        }
    }
}

/// Why a call was refused, as `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Which problem it is: `urn:hotswap:problem:` and its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same in a few words.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What exactly, for people.
    pub detail: String,
    /// What stands in the way, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocker: Option<Blocker>,
}

impl Problem {
    /// What every type begins with.
    pub const PREFIX: &'static str = "urn:hotswap:problem:";

    /// The name of the problem: its type without what every type begins with.
    #[must_use]
    pub fn name(&self) -> &str {
        self.kind.strip_prefix(Self::PREFIX).unwrap_or(&self.kind)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

/// What stands in the way of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Blocker {
    /// Another command runs.
    Pending {
        /// Its id.
        id: String,
    },
    /// The id was used for another command.
    IdReused {
        /// The id.
        id: String,
        /// What it was used for.
        was: String,
    },
    /// Another release is the present one.
    Stale {
        /// The epoch that was expected.
        expected: u64,
        /// The present epoch.
        present: u64,
    },
    /// Another command came after the one that was to go on.
    Superseded {
        /// Its id.
        by: String,
    },
    /// There is no such version to run.
    Version {
        /// The number that was asked for.
        asked: u32,
        /// The versions that there are.
        known: Vec<u32>,
    },
    /// A migration is missing.
    NoWay {
        /// The version that it would leave.
        from: u32,
        /// The version that it would come to.
        to: u32,
        /// The neighbours between which it is missing.
        missing: String,
    },
    /// Something would be lost, and that was not accepted.
    Losses {
        /// The version that was asked for.
        to: u32,
        /// What would be lost.
        losses: Vec<Loss>,
    },
    /// Instances are held back.
    HeldBack {
        /// How many.
        count: u64,
        /// The first of those that have a name.
        named: Vec<String>,
    },
    /// Instances in a file cannot come along.
    NotMoved {
        /// How many.
        count: u64,
        /// The first 1,000 of them.
        failures: Vec<PlanFailure>,
    },
    /// A canary runs.
    Canary {
        /// Its share in percent.
        percent: u8,
        /// The version at which the others stay.
        before: u32,
        /// The version that is tried.
        to: u32,
    },
    /// The switch is not in probation.
    Permanent {
        /// Its permanent version.
        version: u32,
    },
    /// An instance: there is none of this name, or several, or it cannot be used.
    Instance {
        /// The key that was asked for.
        key: String,
    },
    /// Switches use the image.
    Holders {
        /// Which, and for what.
        holders: Vec<Holder>,
    },
    /// The caller may not.
    Role {
        /// What it takes.
        needs: Role,
        /// What the caller has.
        has: Role,
    },
    /// A field of the body, or a header.
    Field {
        /// Its path.
        name: String,
    },
    /// Something that this version of the client does not know.
    #[serde(other)]
    Other,
}

fn all<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}
