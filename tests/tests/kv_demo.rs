//! The demo loses nothing, and shows each version and each switch.

mod kv;

use std::process::Command;

#[test]
fn the_demo_loses_nothing() {
    // it needs more clients than that, and sees to it
    let output = Command::new(kv::binary()).args(["--demo", "--max-clients", "1"]).output().expect("the demo runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    for phase in ["version 1", "1 → 2", "version 2", "2 → 3", "version 3", "3 → 2"] {
        assert!(said.contains(phase), "{phase} is missing in {said}");
    }
    assert!(said.contains(" 0 errors;") && said.contains(" 0 lost"), "{said}");
}
