//! How long a step takes in each way of keeping its state: 128 instances in turn, time a step.

use divan::Bencher;
use divan::counter::ItemsCount;
use hotswap_benches::{Bare, BareMutex, BareTable, ByKey, Cells, INSTANCES, Kept, Owned, names, round};

fn main() {
    divan::main();
}

#[divan::bench(types = [Bare, Owned, BareMutex, Cells, BareTable, ByKey])]
fn step<K: Kept>(bencher: Bencher<'_, '_>) {
    let mut kept = K::new(INSTANCES);
    let names = names::<K>(&(0..INSTANCES).collect::<Vec<_>>());
    bencher.counter(ItemsCount::new(INSTANCES)).bench_local(|| round(&mut kept, names.iter().copied()));
}
