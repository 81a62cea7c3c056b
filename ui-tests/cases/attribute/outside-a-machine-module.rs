// errors: 1
use hotswap::machine;

#[machine(version = 1)]
pub struct V1 {
    pub count: i64,
}

fn main() {}
