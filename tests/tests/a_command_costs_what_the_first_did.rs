//! However many commands a switch without a store has had, the next takes as much memory as the first ones, and what is kept of
//! them has an end.

use std::alloc::System;

use hotswap::{UpgradeOptions, Wait};
use hotswap_tests::tally::{Admin, Switch, Version};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};

#[global_allocator]
static ALLOCATED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn up_and_back(admin: &Admin) -> Stats {
    let region = Region::new(ALLOCATED);
    let options = UpgradeOptions::default().wait(Wait::No);
    admin.upgrade_with(Version::V2, "", &options).expect("it can go up");
    admin.rollback("").expect("it can go back");
    region.change()
}

/// What each of so many takes.
fn bytes(admin: &Admin, times: usize) -> Vec<usize> {
    (0..times).map(|_| up_and_back(admin).bytes_allocated).collect()
}

#[test]
fn an_upgrade_and_its_rollback_take_the_same_memory_after_thousands() {
    let switch = Switch::builder().starting_at(Version::V1).build().expect("version 1 can run");
    let admin = switch.admin();
    let early = bytes(&admin, 100).into_iter().min().expect("there are some");
    // until all that is kept is as long as it gets, and every epoch of it has five digits
    bytes(&admin, 10_000);
    let region = Region::new(ALLOCATED);
    let late = bytes(&admin, 640);
    let Stats { bytes_allocated, bytes_deallocated, .. } = region.change();
    // ids end in the epoch, which has more digits
    let least = late.iter().min().expect("there are some");
    assert!(*least <= early + 16, "{least} bytes for {early}");
    // now and then a block of what is remembered is full
    let most = late.iter().max().expect("there are some");
    assert!(*most <= early + 2048, "{most} bytes for {early}");
    let list = late.capacity() * size_of::<usize>();
    assert_eq!(bytes_allocated, bytes_deallocated + list, "nothing but the list of what each took is left");
}
