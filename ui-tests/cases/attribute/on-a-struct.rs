// errors: 1
use hotswap::machine;

#[machine]
pub struct Counter;

fn main() {}
