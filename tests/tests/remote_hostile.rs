//! Whatever is sent to the routes of remote admin: an answer that blames the call, never the server, and a refused call
//! changes nothing.

use std::sync::LazyLock;

use axum::http::Method;
use hotswap::remote::{Api, Role};
use hotswap_tests::remote::{Call, Reply, Server, caller};
use hotswap_tests::tally::{Fleet, Mood, Switch, V1, Version};
use proptest::collection::{hash_map, vec};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// A switch on probation at version 2 with one instance, and a server: every route has something to do.
struct Rig {
    switch: Switch,
    _fleet: Fleet<String>,
}

/// One for all cases, as a program has one for all its callers.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::new(Api::default()));

impl Rig {
    fn new(label: &str) -> Self {
        let switch = Switch::builder().label(label).starting_at(Version::V1).build().expect("the label is free");
        let fleet = switch.fleet();
        fleet.insert("door".to_owned(), V1 { sum: 7, mood: Mood::Willing }).expect("enters");
        let on = hotswap::UpgradeOptions::default().id("first");
        switch.admin().upgrade_with(2, "", &on).expect("not refused");
        Self { switch, _fleet: fleet }
    }

    /// All that a refused call must leave as it was; what was refused is in the audit, as it is to be.
    fn all(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let admin = self.switch.admin();
        (admin.status(), admin.audit().changes, admin.outcomes(), admin.get_state("door"))
    }

    /// The call is refused, and blamed.
    fn refused(&self, call: Call) -> Result<Reply, TestCaseError> {
        let before = self.all();
        let reply = SERVER.call(call.clone());
        prop_assert!((400..500).contains(&reply.status), "{call:?}: {reply:?}");
        let (status, _) = reply.problem();
        prop_assert_eq!(status, reply.status);
        let after = self.all();
        prop_assert!(after == before, "{:?}: {:?}, before {:?}", call, after, before);
        Ok(reply)
    }
}

/// The calls that take a body, each with one that can be read, its fields that must be there last.
fn bodies() -> Vec<(Method, &'static str, Value, &'static [&'static str])> {
    let expect = json!({"boot": "0123456789abcdef", "epoch": 1});
    let (post, put) = (Method::POST, Method::PUT);
    vec![
        (post.clone(), "/plans", json!({"to": 3}), &["to"]),
        (
            post.clone(),
            "/upgrades",
            json!({"to": 3, "reason": "", "expect": expect, "keep_previous": false, "accept_loss": false, "rollback_after": 1,
                "wait_ms": 1}),
            &["to"],
        ),
        (post.clone(), "/commit", json!({"reason": "", "expect": expect, "leave_held_back": false, "wait_ms": 1}), &[]),
        (post.clone(), "/rollback", json!({"reason": "", "expect": expect, "accept_loss": false, "wait_ms": 1}), &[]),
        (post.clone(), "/upgrades/first/retry", json!({"reason": "", "expect": expect, "wait_ms": 1}), &[]),
        (
            put,
            "/instances/door/state",
            json!({"version": 1, "state": {"sum": 1, "mood": "Willing"}}),
            &["version", "state"],
        ),
        (post, "/instances/door/step", json!({"input": "Add", "value": 1}), &["input"]),
    ]
}

/// Any JSON.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            hash_map(".{0,8}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// A number that counts something: `2.0` is one.
fn whole(value: &Value) -> Option<u64> {
    let float = value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..18_446_744_073_709_551_616.0).contains(n));
    value.as_u64().or(float.map(|n| n as u64))
}

/// Whether a value is of the type that a field has.
fn fits(field: &str, value: &Value, sound: &Value) -> bool {
    match (field, sound) {
        ("state" | "value", _) => true,
        // what may be left out may be nothing
        ("expect" | "rollback_after" | "wait_ms", _) if value.is_null() => true,
        ("expect", _) => value.get("epoch").and_then(whole).is_some(),
        ("to" | "version", _) => whole(value).is_some_and(|n| u32::try_from(n).is_ok()),
        (_, Value::Number(_)) => whole(value).is_some(),
        (_, Value::String(_)) => value.is_string(),
        (_, Value::Bool(_)) => value.is_boolean(),
        _ => false,
    }
}

fn of(rig: &Rig, method: &Method, path: &str) -> Call {
    Call::new(method.clone(), &format!("/v1/switches/{}{path}", rig.switch.label()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_field_of_another_type_is_refused_by_name(at in any::<prop::sample::Index>(), of_it in any::<prop::sample::Index>(), value in any_json()) {
        let rig = Rig::new(&unique());
        let bodies = bodies();
        let (method, path, sound, _) = at.get(&bodies);
        let fields: Vec<_> = sound.as_object().expect("an object").keys().cloned().collect();
        let field = of_it.get(&fields);
        prop_assume!(!fits(field, &value, &sound[field]));
        let mut body = sound.clone();
        body[field] = value;
        let reply = rig.refused(of(&rig, method, path).json(&body))?;
        prop_assert_eq!(reply.problem(), (400, "unreadable".to_owned()));
        let named = reply.blocker()["name"].as_str().unwrap_or_default().to_owned();
        prop_assert!(named.split(['.', '[']).next() == Some(field), "{}: {:?}", body, reply);
    }

    #[test]
    fn a_field_too_many_or_too_few_is_refused(at in any::<prop::sample::Index>(), name in "[a-z_]{1,12}", value in any_json()) {
        let rig = Rig::new(&unique());
        let bodies = bodies();
        let (method, path, sound, needed) = at.get(&bodies);
        if sound.get(&name).is_none() {
            let mut more = sound.clone();
            more[&name] = value;
            prop_assert_eq!(rig.refused(of(&rig, method, path).json(&more))?.problem(), (400, "unreadable".to_owned()));
        }
        for field in *needed {
            let mut less = sound.clone();
            less.as_object_mut().expect("an object").remove(*field);
            prop_assert_eq!(rig.refused(of(&rig, method, path).json(&less))?.problem(), (400, "unreadable".to_owned()));
        }
    }

    #[test]
    fn a_body_that_is_cut_short_or_is_no_json_at_all_is_refused(at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), noise in vec(any::<u8>(), 0..64)) {
        let rig = Rig::new(&unique());
        let bodies = bodies();
        let (method, path, sound, _) = at.get(&bodies);
        let whole = serde_json::to_vec(sound).expect("it can be written");
        let short = whole[..cut.index(whole.len())].to_vec();
        rig.refused(of(&rig, method, path).bytes("application/json", short))?;
        if serde_json::from_slice::<Value>(&noise).is_err() {
            rig.refused(of(&rig, method, path).bytes("application/json", noise.clone()))?;
            let behind = [whole, b" ".to_vec(), noise].concat();
            if serde_json::from_slice::<Value>(&behind).is_err() {
                rig.refused(of(&rig, method, path).bytes("application/json", behind))?;
            }
        }
    }

    #[test]
    fn a_sound_body_with_a_header_that_cannot_be_meant_is_refused(at in any::<prop::sample::Index>(), key in "[ -~é]{0,300}", tag in "[!-~]{1,40}") {
        let rig = Rig::new(&unique());
        let bodies = bodies();
        let (method, path, sound, _) = at.get(&bodies);
        if *path == "/plans" {
            // it changes nothing, and looks at neither
            return Ok(());
        }
        let mut sound = sound.clone();
        sound.as_object_mut().expect("an object").remove("expect");
        let call = of(&rig, method, path).json(&sound);
        let trimmed = key.trim();
        if trimmed.is_empty() || trimmed.len() > 255 || !trimmed.bytes().all(|byte| byte.is_ascii_graphic()) {
            rig.refused(call.clone().key(&key))?;
        }
        if tag != "*" {
            let reply = rig.refused(call.header("if-match", &tag))?;
            prop_assert_eq!(reply.problem(), (412, "stale".to_owned()));
        }
    }

    #[test]
    fn any_path_any_query_and_any_json_get_an_answer(
        method in prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"]),
        segments in vec(prop_oneof![
            prop::sample::select(vec!["v1", "switches", "upgrades", "instances", "door", "state", "step", "images", "audit",
                "plans", "commit", "retry", "first", "snapshots", "convert", "%00", "%2e%2e", "%ff", "%", "..", ""]).prop_map(str::to_owned),
            "[a-z%0-9.~-]{0,8}",
        ], 0..8),
        query in "[a-z=&%0-9]{0,16}",
        body in any_json(),
        role in prop::sample::select(vec![None, Some(Role::Viewer), Some(Role::Operator), Some(Role::Admin)]),
    ) {
        // no switch of this test's: what an answer does is for the other tests to say
        let path = format!("/{}?{query}", segments.join("/"));
        prop_assume!(!path.starts_with("/v1/events"));
        let call = Call::new(method.parse().expect("a method"), &path).json(&body).by(role.map(caller));
        let reply = SERVER.call(call);
        // 503 is for what this server was not given
        prop_assert!(reply.status < 500 || reply.status == 503, "{} {}: {:?}", method, path, reply);
        if reply.status >= 400 && method != "HEAD" {
            let (status, _) = reply.problem();
            prop_assert_eq!(status, reply.status);
        }
    }
}

/// A label that no other case has.
fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("hostile-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
