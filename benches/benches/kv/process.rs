//! What the kernel counts of a process.

use std::fs;
use std::path::Path;
use std::process::Child;

/// What a process, as far as its threads live, has had of the cores so far, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// It had one, or several.
    pub(crate) ran: f64,
    /// And was in the kernel then.
    pub(crate) kernel: f64,
    /// Its first thread could have run and had none.
    pub(crate) waited: f64,
    /// How often that thread gave its core away: a server's, where it has nothing to do, and sleeps.
    pub(crate) sleeps: f64,
}

impl Spent {
    /// Of one that runs, or that has ended and was not waited for.
    pub(crate) fn by(child: &Child) -> Self {
        let folder = Path::new("/proc").join(child.id().to_string());
        let threads = fs::read_dir(folder.join("task")).expect("the kernel knows it");
        let threads = threads.map(|thread| schedstat(&thread.expect("it can be listed").path())[0]);
        let ran = threads.sum();
        let [_, waited] = schedstat(&folder);
        Self { ran, kernel: ran * in_kernel(&folder), waited, sleeps: sleeps(&folder) }
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            ran: self.ran - before.ran,
            kernel: self.kernel - before.kernel,
            waited: self.waited - before.waited,
            sleeps: self.sleeps - before.sleeps,
        }
    }
}

/// How long a thread ran, and how long it waited for a core. The kernel counts both in nanoseconds.
fn schedstat(folder: &Path) -> [f64; 2] {
    let said = fs::read_to_string(folder.join("schedstat")).expect("the kernel keeps count");
    let mut counts = said.split(' ').map(|count| count.parse::<f64>().expect("nanoseconds") / 1e9);
    [(); 2].map(|()| counts.next().expect("both"))
}

/// The share of its time that a process was in the kernel, which is only counted in ticks.
fn in_kernel(folder: &Path) -> f64 {
    let stat = fs::read_to_string(folder.join("stat")).expect("the kernel knows it");
    // the name may hold anything; after it, user and system time are the 12th and 13th
    let fields = stat.rsplit_once(") ").expect("a name").1.split(' ');
    let mut ticks = fields.skip(11).map(|field| field.parse::<f64>().expect("ticks"));
    let [own, kernel] = [(); 2].map(|()| ticks.next().expect("both"));
    kernel / (own + kernel).max(1.0)
}

/// How often a thread gave its core away.
fn sleeps(folder: &Path) -> f64 {
    let status = fs::read_to_string(folder.join("status")).expect("the kernel knows it");
    let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.and_then(|count| count.trim().parse().ok()).expect("the kernel keeps count")
}
