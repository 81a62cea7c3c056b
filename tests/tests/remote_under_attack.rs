//! Callers who mean harm, or do it, are refused or closed, and those beside them are served as before.

mod doors;

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use doors::{Answer, Served, on, port, request, socket};
use hotswap::remote::Role;
use hotswap::{UpgradeOptions, Wait};
use hotswap_tests::paused::{self, V1};
use hotswap_tests::{Stop, tally};

fn assert_serves(served: &Served) {
    assert_eq!(served.call(Some(Role::Viewer), "GET /v1/switches", &[], "").status, 200);
    assert_eq!(on(&mut socket(&served.socket), "GET /v1/switches", &[], "").status, 200);
}

#[test]
fn a_page_whose_name_leads_here_is_refused() {
    let served = Served::new(|options| options.host("admin.example"));
    let number = served.address.port();
    let status = |host: &str| {
        let bearer = format!("Bearer {}", served.token(Role::Admin));
        let answer =
            on(&mut port(served.address), "GET /v1/switches", &[("Host", host), ("Authorization", &bearer)], "");
        if answer.status != 200 {
            assert_eq!((answer.status, &*answer.problem()), (421, "misdirected"), "{host}");
        }
        answer.status
    };
    for ours in ["localhost", "LocalHost:9", "127.0.0.1", "admin.example", "admin.example:443"] {
        assert_eq!(status(ours), 200, "{ours}");
    }
    assert_eq!(status(&format!("127.0.0.1:{number}")), 200);
    for foreign in [
        "rebound.example",
        "rebound.example:80",
        "localhost.rebound.example",
        "localhost.",
        "admin.example.rebound.example",
        "127.0.0.2",
        "[::1]",
        "0.0.0.0",
        "x@localhost",
        "localhost:rebound.example",
        "127.0.0.1:80.rebound.example",
        "localhost:99999",
        "localhost, rebound.example",
        "",
    ] {
        assert_eq!(status(foreign), 421, "{foreign}");
    }
    let raw = |text: &str| {
        let mut stream = port(served.address);
        stream.write_all(text.as_bytes()).expect("it is open");
        Answer::read(&mut stream).expect("an answer").status
    };
    assert_eq!(raw("GET /livez HTTP/1.0\r\n\r\n"), 421);
    assert_eq!(raw("GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n"), 421);
    assert_eq!(raw("GET http://rebound.example/livez HTTP/1.1\r\nHost: localhost\r\n\r\n"), 421);
    assert_eq!(raw("GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
    // a socket has no address to be called by
    assert_eq!(on(&mut socket(&served.socket), "GET /livez", &[("Host", "rebound.example")], "").status, 421);
    assert_eq!(on(&mut socket(&served.socket), "GET /livez", &[("Host", "127.0.0.1")], "").status, 421);
    assert_eq!(on(&mut socket(&served.socket), "GET /livez", &[("Host", "localhost")], "").status, 200);
}

#[test]
fn a_page_from_elsewhere_is_refused() {
    let switch = tally::Switch::builder().label("pages").starting_at(1).build().expect("the label is free");
    let served = Served::new(|options| options.trust_loopback(Role::Operator));
    let here = format!("127.0.0.1:{}", served.address.port());
    let from = |origin: &str| {
        let headers = [("Host", &*here), ("Origin", origin)];
        let answer = on(&mut port(served.address), "POST /v1/switches/pages/plans", &headers, r#"{"to":2}"#);
        if answer.status != 200 {
            assert_eq!((answer.status, &*answer.problem()), (403, "foreign-origin"), "{origin}");
        }
        answer.status
    };
    assert_eq!(from(&format!("http://{here}")), 200);
    for foreign in [
        "null",
        "",
        "http://evil.example",
        &format!("https://{here}"),
        "http://127.0.0.1",
        &format!("http://{here}.evil.example"),
        &format!("http://{here}/"),
        &format!("http://localhost:{}", served.address.port()),
    ] {
        assert_eq!(from(foreign), 403, "{foreign}");
    }
    assert_eq!(switch.admin().status().epoch, 1);
    let journal = served.journal();
    assert!(journal.iter().all(|(_, path, _, status, problem, _)| {
        (&**path, *status, &**problem) == ("/v1/switches/pages/plans", 403, "foreign-origin")
    }));
    assert_eq!(journal.len(), 8);
}

#[test]
fn a_body_that_is_too_long_is_refused_and_changes_nothing() {
    let switch = tally::Switch::builder().label("bodies").starting_at(1).build().expect("the label is free");
    let served = Served::new(|options| options.body_limit(1000));
    let what = "POST /v1/switches/bodies/upgrades";
    let body = |reason: usize| format!(r#"{{"to":2,"reason":"{}"}}"#, "x".repeat(reason));
    let overhead = body(0).len();
    let said = served.call(Some(Role::Operator), what, &[], &body(1001 - overhead));
    assert_eq!((said.status, &*said.problem()), (413, "too-large"));
    // much more than fits into the buffers on the way: its sender gets the answer all the same
    let long = served.call(Some(Role::Operator), what, &[], &body(20_000_000));
    assert_eq!((long.status, &*long.problem()), (413, "too-large"));

    // without saying so beforehand, and without end
    let mut stream = socket(&served.socket);
    let chunked = [("Transfer-Encoding", "chunked"), ("Content-Type", "application/json")];
    stream.write_all(request(what, &chunked, "").as_bytes()).expect("it is open");
    let mut sending = stream.try_clone().expect("it can be");
    thread::scope(|scope| {
        scope.spawn(move || {
            let chunk = format!("100\r\n{}\r\n", "x".repeat(256));
            while sending.write_all(chunk.as_bytes()).is_ok() {}
        });
        let answer = Answer::read(&mut stream).expect("an answer");
        assert_eq!((answer.status, &*answer.problem()), (413, "too-large"));
    });
    assert_eq!(switch.admin().status().epoch, 1);
    let exact = served.call(Some(Role::Operator), what, &[], &body(1000 - overhead));
    assert!(matches!(exact.status, 200 | 202), "{exact:?}");
    assert_serves(&served);
}

/// Short, but longer than whoever means well ever needs.
const SHORT: Duration = Duration::from_secs(2);

#[test]
fn a_client_that_says_little_by_little_what_it_wants_is_closed() {
    let served = Served::new(|options| options.header_timeout(SHORT));
    let bearer = format!("Authorization: Bearer {}\r\n", served.token(Role::Operator));
    let begun = ["", "GET /v1", "GET /livez HTTP/1.1\r\nHost: localhost\r\n", &format!("GET / HTTP/1.1\r\n{bearer}")];
    let mut slow = begun.map(|begun| {
        let mut slow = port(served.address);
        slow.write_all(begun.as_bytes()).expect("it is open");
        slow
    });
    // this one never pauses for long, and is too late all the same
    let mut trickle = port(served.address);
    trickle.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").expect("it is open");
    trickle.set_read_timeout(Some(Duration::from_millis(10))).expect("not nought");
    loop {
        match trickle.write_all(b"X: y\r\n").and_then(|()| trickle.read(&mut [0; 16])) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => assert_serves(&served),
            _ => break,
        }
    }
    for slow in &mut slow {
        let mut rest = Vec::new();
        // closed at last, with or without a word
        slow.read_to_end(&mut rest).expect("closed");
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&rest));
    }
    assert_serves(&served);
}

#[test]
fn a_body_that_does_not_come_is_not_waited_for() {
    let switch = tally::Switch::builder().label("late").starting_at(1).build().expect("the label is free");
    let served = Served::new(|options| options.request_timeout(SHORT));
    let mut slow = socket(&served.socket);
    let headers = [("Content-Type", "application/json"), ("Content-Length", "100")];
    slow.write_all(request("POST /v1/switches/late/upgrades", &headers, "").as_bytes()).expect("it is open");
    slow.write_all(br#"{"to":2"#).expect("it is open");
    assert_serves(&served);
    let refused = Answer::read(&mut slow).expect("an answer");
    assert_eq!((refused.status, &*refused.problem()), (400, "unreadable"));
    assert!(refused.detail().contains("it takes longer than 2s"), "{}", refused.detail());
    assert_eq!(switch.admin().status().epoch, 1);
}

#[test]
fn a_command_that_takes_long_goes_on_and_is_accounted_for_whoever_waits_for_it() {
    let switch = paused::Switch::builder().label("long").starting_at(1).build().expect("the label is free");
    let (stop, hook) = Stop::new();
    let _cell = switch.named_cell("slow", V1 { sum: 3, hook }).expect("enters");
    let served = Served::new(|options| options.request_timeout(SHORT));
    let body = r#"{"to":2,"reason":"takes long","wait_ms":60000}"#;
    let key = [("Idempotency-Key", "long-one")];
    let late = on(&mut socket(&served.socket), "POST /v1/switches/long/upgrades", &key, body);
    assert_eq!((late.status, &*late.problem()), (504, "timed-out"));
    stop.wait();
    assert_serves(&served);
    // its client has gone by now: it has the answer that it was too late for
    assert_eq!(served.journal().len(), 0);
    stop.let_go();
    doors::wait_until("it is accounted for", || !served.journal().is_empty());
    let uid = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").expect("it is there"));
    let (method, path, who, status, problem, why) = served.journal().remove(0);
    assert_eq!((&*method, &*path), ("POST", "/v1/switches/long/upgrades"));
    assert_eq!((who, &*problem, &*why), (format!("uid {uid}"), "", "takes long"));
    assert!(matches!(status, 200 | 202), "{status}");
    assert_eq!(switch.version(), 2);
}

#[test]
fn callers_who_wait_for_an_instance_hold_up_nobody_else() {
    let switch = paused::Switch::builder().label("held").starting_at(1).build().expect("the label is free");
    let (stop, hook) = Stop::new();
    let cell = switch.named_cell("slow", V1 { sum: 3, hook }).expect("enters");
    let served = Served::new(|options| options);
    thread::scope(|scope| {
        let flip = UpgradeOptions::default().wait(Wait::No);
        switch.admin().upgrade_with(2, "", &flip).expect("not refused");
        let touched = scope.spawn(|| cell.step(paused::Get).expect("it is taken"));
        // somebody is in the middle of a migration, under the instance's lock
        stop.wait();
        let mut waiting: Vec<_> = (0..100).map(|_| socket(&served.socket)).collect();
        for stream in &mut waiting {
            let state = request("GET /v1/switches/held/instances/slow/state", &[], "");
            stream.write_all(state.as_bytes()).expect("it is open");
        }
        for _ in 0..100 {
            assert_serves(&served);
        }
        let back = on(&mut socket(&served.socket), "POST /v1/switches/held/rollback", &[], "{}");
        assert_eq!((back.status, &back.json()["to"]), (202, &1.into()));
        stop.let_go();
        for stream in &mut waiting {
            let shown = Answer::read(stream).expect("an answer");
            assert_eq!((shown.status, &shown.json()["state"]["sum"]), (200, &3.into()));
        }
        assert_eq!(touched.join().expect("no panic"), 3);
    });
}

#[test]
fn a_thousand_who_only_hold_a_connection_keep_nobody_out() {
    let served = Served::new(|options| options.connections(64));
    // one that is at work, and is not sent away for them
    let mut events = socket(&served.socket);
    events.write_all(request("GET /v1/events", &[], "").as_bytes()).expect("it is open");
    assert_eq!(Answer::read(&mut events).expect("it begins").status, 200);
    let mut idle = Vec::new();
    for at in 0..1000 {
        let mut tcp = port(served.address);
        let unix = socket(&served.socket);
        // some have said something, and none all of it
        if at % 3 == 0 {
            tcp.write_all(b"GET /livez HTTP/1.1\r\nHo").expect("it is open");
        }
        idle.push((tcp, unix));
        if at % 50 == 0 {
            assert_serves(&served);
        }
    }
    assert_serves(&served);
    // the first have gone, and the last have not
    let (tcp, unix) = &mut idle[0];
    assert!(matches!(tcp.read(&mut [0]), Ok(0) | Err(_)) && matches!(unix.read(&mut [0]), Ok(0)));
    let (_, unix) = idle.last_mut().expect("a thousand");
    assert_eq!(on(unix, "GET /livez", &[], "").status, 200);
    events.set_nonblocking(true).expect("it can");
    let still = events.read(&mut [0; 1024]);
    assert!(!matches!(still, Ok(0)), "who listens was sent away");
}

#[test]
fn when_all_are_at_work_the_next_is_told() {
    let served = Served::new(|options| options.connections(2));
    let busy: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = socket(&served.socket);
            stream.write_all(request("GET /v1/events", &[], "").as_bytes()).expect("it is open");
            assert_eq!(Answer::read(&mut stream).expect("it begins").status, 200);
            stream
        })
        .collect();
    let mut one_more = socket(&served.socket);
    let told = Answer::read(&mut one_more).expect("without having asked");
    assert_eq!((told.status, &*told.problem()), (503, "too-many-connections"));
    // the other door has places of its own
    assert_eq!(served.call(Some(Role::Viewer), "GET /v1/switches", &[], "").status, 200);
    drop(busy);
    doors::wait_until("there is a place again", || {
        let mut stream = socket(&served.socket);
        let _ = stream.write_all(request("GET /livez", &[], "").as_bytes());
        Answer::read(&mut stream).is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn what_is_no_http_is_closed_and_harms_nobody() {
    let served = Served::new(|options| options);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(1000));
    let smuggled =
        "POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for sent in [
        "\0\u{1}\u{2}",
        "\r\n\r\n\r\n\r\nGET",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET\r\n\r\n",
        &long,
        &many,
        smuggled,
    ] {
        let mut stream = port(served.address);
        // the server may close before it has read all
        let _ = stream.write_all(sent.as_bytes());
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{sent:.40}: {answer}");
    }
    assert_serves(&served);
}

#[test]
fn clients_that_vanish_give_their_places_back() {
    let served = Served::new(|options| options.connections(8));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for at in 0..100 {
                    let mut stream = socket(&served.socket);
                    let what = ["GET /v1/switches", "GET /v1/events", "GET /v1/audit"][at % 3];
                    // it may have been told that there is no place
                    let _ = stream.write_all(request(what, &[], "").as_bytes());
                }
            });
        }
    });
    let asked = |_| {
        let mut stream = socket(&served.socket);
        let _ = stream.write_all(request("GET /v1/events", &[], "").as_bytes());
        Answer::read(&mut stream).is_ok_and(|answer| answer.status == 200).then_some(stream)
    };
    doors::wait_until("all eight are free", || (0..8).map(asked).filter(Option::is_some).count() == 8);
}
