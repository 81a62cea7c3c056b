//! redis-py runs every command group before and after each switch.

mod kv;

use std::env;
use std::process::Command;

use kv::{Server, missing, upgrade};

/// The Python that has redis-py: the one that `cargo xtask test` made, or the one on the path.
fn python() -> Option<String> {
    let python = env::var("HOTSWAP_PYTHON").unwrap_or_else(|_| "python3".into());
    let check = "import redis; assert redis.__version__.startswith('8.')";
    let there = Command::new(&python).args(["-c", check]).output().is_ok_and(|output| output.status.success());
    (!missing("redis-py 8", there)).then_some(python)
}

#[test]
fn every_group_before_and_after_each_switch() {
    let Some(python) = python() else {
        return;
    };
    let server = Server::start(&[]);
    let mut operator = server.client();
    for (turn, version) in [1, 2, 3, 2, 3, 2, 1].into_iter().enumerate() {
        if turn > 0 {
            upgrade(&mut operator, version);
        }
        for protocol in ["2", "3"] {
            let output = Command::new(&python)
                .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/kv.py"))
                .args([server.port.to_string(), version.to_string(), protocol.into()])
                .output()
                .expect("python runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "version {version}, RESP{protocol}: {said}");
        }
    }
}
