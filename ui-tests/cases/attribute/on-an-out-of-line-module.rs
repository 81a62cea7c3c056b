// errors: 2
use hotswap::machine;

#[machine]
#[path = "on-an-out-of-line-module/counter.rs"]
mod counter;

fn main() {}
