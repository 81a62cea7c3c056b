//! The examples print what they promise.

use std::process::Command;

fn run(example: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "-p", "hotswap-examples", "--example", example])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn counter_learns_to_reset_and_goes_back() {
    assert_eq!(
        run("counter"),
        r#"> tick
> get
1
state: [1,{"count":1}]
> reset
input `Reset` was not taken: version 1 does not take this input
> upgrade 2
upgrade 1 -> 2: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
state: [2,{"count":1,"ticks":0}]
> tick
> tick
> get
3
state: [2,{"count":3,"ticks":2}]
> reset
> get
0
> upgrade 3
upgrade 2 -> 3: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
> tick
> get
2
> rollback
rollback 3 -> 1: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
> tick
> get
3
state: [1,{"count":3}]
1    permanent  1 live
2    old        0 live
3    old        0 live
"#
    );
}

#[test]
fn pricing_changes_its_price_and_then_tells_its_version() {
    assert_eq!(
        run("pricing"),
        "The price of milk is: $0.99
upgrade 1 -> 2: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
The price of milk is: $1.03
input `WhichVersion` was not taken: version 2 does not take this input
upgrade 2 -> 3: 1 live, 1 moved, 0 held back, 0 gone, 0 not reached
The price of milk is: $1.03
The service runs version 3
Asked so far: 3
"
    );
}
