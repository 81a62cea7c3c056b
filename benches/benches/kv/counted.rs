//! Where the instructions of `kv` are, function by function, while `redis-benchmark` asks.

use std::error::Error;
use std::fs;
use std::path::Path;

use hotswap_benches::callgrind::Functions;
use hotswap_benches::report::Report;
use hotswap_benches::turns::exact;

use crate::server::{Folder, Server};
use crate::tool;

/// So many requests, and so many more: what these take more is theirs.
const FEW: u64 = 2_000;
const MORE: u64 = 20_000;

pub(crate) fn by_function(kv: &str, report: &mut Report) {
    for test in ["set", "get", "incr"] {
        let [few, many] = [FEW, FEW + MORE].map(|requests| taken(kv, test, requests).expect("callgrind counts"));
        let what =
            format!("Where kv's instructions outside the kernel are, each request: {}, -P 16", test.to_uppercase());
        report.profile(&what, many.since(&few).listed(exact(MORE)));
    }
}

/// What `kv` takes for so many requests, and to start, to make the keys and to end.
fn taken(kv: &str, test: &str, requests: u64) -> Result<Functions, Box<dyn Error>> {
    let folder = Folder::new();
    fs::create_dir_all(folder.path())?;
    let out = Path::new(folder.path()).join("kv.callgrind");
    let mut server = Server::counted(kv, &out);
    for made in ["set", "incr"] {
        tool::run(&server, made, &[&["-n", "1"]]);
    }
    tool::run(&server, test, &[&["-c", "50", "-P", "16", "-n", &requests.to_string()]]);
    server.end();
    Functions::read(&out)
}
