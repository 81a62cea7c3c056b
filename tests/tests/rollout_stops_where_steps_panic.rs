//! A rollout over five programs under load, to a version whose steps panic for one key of a thousand: it is stopped in its first
//! wave, the one program that it had upgraded goes back, and nothing is lost in any.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hotswap::Why;
use hotswap::machine;
use hotswap::remote::{Options, serve};
use hotswap_tests::{Ending, quietly};
use serde_json::{Value, json};

mod command;

use command::Place;
use command::program::{Program, role, say, told};

const PROGRAMS: usize = 5;
const KEYS: u32 = 1000;
/// The one of them.
const CURSED: u32 = 7;

/// A till. Version 2 also counts the sales, and one of its tills has a number that it cannot stand.
#[machine]
mod till {
    use serde::{Deserialize, Serialize};

    use super::CURSED;

    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Sell;
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct Taken;

    #[machine(version = 1)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V1 {
        pub number: u32,
        pub taken: u64,
    }
    #[machine(version = 1)]
    fn sell(state: &mut V1, _: Sell) -> u64 {
        state.taken += 1;
        state.taken
    }
    #[machine(version = 1)]
    fn taken(state: &V1, _: Taken) -> u64 {
        state.taken
    }

    #[machine(version = 2, migrates_from = 1, reversible)]
    #[derive(Debug, Clone, Serialize, Deserialize)]
    pub struct V2 {
        pub number: u32,
        pub taken: u64,
        #[machine(added = 0)]
        pub sales: u64,
    }
    #[machine(version = 2)]
    fn sell_counted(state: &mut V2, _: Sell) -> u64 {
        state.sales += 1;
        assert_ne!(state.number, CURSED, "nobody thought of this one");
        state.taken += 1;
        state.taken
    }
    #[machine(version = 2)]
    fn taken_2(state: &V2, _: Taken) -> u64 {
        state.taken
    }
}

/// What the load has seen, of each key.
#[derive(Default)]
struct Seen {
    taken: BTreeMap<u32, u64>,
    panics: u64,
    wrong: Vec<String>,
}

#[test]
fn the_program() {
    let Some(socket) = role() else { return };
    let switch = till::Switch::builder().starting_at(1).build().expect("a free label");
    let fleet = switch.fleet::<u32>();
    for number in 0..KEYS {
        fleet.insert(number, till::V1 { number, taken: 0 }).expect("there is none");
    }
    let _remote = serve(Options::default().socket(&socket)).expect("it can be opened");
    let (over, seen) = (AtomicBool::new(false), Mutex::new(Seen::default()));
    // one key, held against what it has to be
    let sell = |number: u32, seen: &mut Seen| {
        let expected = seen.taken.get(&number).copied().unwrap_or_default() + 1;
        match quietly(|| catch_unwind(AssertUnwindSafe(|| fleet.step(&number, till::Sell)))) {
            Ok(Ok(taken)) if taken == expected => {
                seen.taken.insert(number, taken);
            }
            Err(_) if number == CURSED => seen.panics += 1,
            Ok(Err(refused)) if number == CURSED && refused.why == Why::Poisoned => {}
            other => seen.wrong.push(format!("{number}: {other:?}, {expected} expected")),
        }
    };
    thread::scope(|scope| {
        let _ending = Ending(&over);
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for number in 0..KEYS {
                    sell(number, &mut seen.lock().expect("no panic gets there"));
                }
                thread::yield_now();
            }
        });
        say("ready");
        for _ in told() {
            let mut seen = seen.lock().expect("no panic gets there");
            // once more each: all serve, the one that panicked too
            (0..KEYS).for_each(|number| sell(number, &mut seen));
            let is_whole = |number: &u32| fleet.step(number, till::Taken).ok() == seen.taken.get(number).copied();
            let whole = (0..KEYS).filter(is_whole).count();
            say(&json!({ "whole": whole, "panics": seen.panics, "wrong": seen.wrong }).to_string());
        }
    });
}

fn check(program: &mut Program) -> Value {
    program.tell("check");
    serde_json::from_str(&program.says()).expect("JSON")
}

#[test]
fn the_first_wave_goes_back_the_others_never_went_and_nothing_is_lost() {
    let place = Place::new();
    let sockets: Vec<_> = (1..=PROGRAMS).map(|at| format!("till-{at}.sock")).collect();
    let mut programs: Vec<_> = sockets.iter().map(|socket| Program::start(&place, socket)).collect();
    programs.iter_mut().for_each(|program| assert_eq!(program.says(), "ready"));

    let named: Vec<_> = sockets.iter().map(String::as_str).collect();
    // longer than it takes the load to come to that key
    let args = ["rollout", "2", "--wave", "1,2,rest", "--pause", "5m", "--keep-previous", "--commit", "--json"];
    let said = place.run(&[&args[..], &named].concat());
    assert_eq!(said.code, 6, "{said:?}");
    let lines: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let events: Vec<_> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(
        events,
        ["begun", "seen", "seen", "seen", "seen", "seen", "upgraded", "failed", "rolled-back", "ended"],
        "{said:?}"
    );
    let last = lines.last().expect("an end");
    assert_eq!(
        (&last["ok"], &last["exit"], &last["reason"], &last["how"]),
        (&json!(false), &json!(6), &json!("gate"), &json!("rolled-back"))
    );
    assert_eq!(last["faults"], json!([{ "program": "till-1.sock", "reason": "panics", "message": "a step panicked" }]));
    let stands: Vec<_> = last["programs"].as_array().expect("a list").iter().map(|it| it["stands"].clone()).collect();
    assert_eq!(stands, ["rolled-back", "untouched", "untouched", "untouched", "untouched"]);

    for (at, (program, socket)) in programs.iter_mut().zip(&sockets).enumerate() {
        let (status, _) = place.json(&["status", "--socket", socket]);
        let status = &status["switches"][0];
        let first = at == 0;
        assert_eq!(
            (&status["version"], &status["phase"], &status["epoch"], &status["held_back"]),
            (&json!(1), &json!("permanent"), &json!(if first { 3 } else { 1 }), &json!(0)),
            "{socket}"
        );
        assert_eq!(check(program), json!({ "whole": KEYS, "panics": u64::from(first), "wrong": [] }), "{socket}");
    }
}
