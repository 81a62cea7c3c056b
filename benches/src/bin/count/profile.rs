//! Where the instructions of a step are: each that most steps run, as callgrind counts them and objdump shows them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use super::valgrind;

/// The instructions that at least half of `steps` ran, of what this program does when it is told so.
pub(crate) fn profile(scratch: &Path, told: &[&str], steps: f64) -> Result<String, Box<dyn Error>> {
    let out = scratch.join("count.callgrind");
    valgrind(&["--tool=callgrind", "--dump-instr=yes", &format!("--callgrind-out-file={}", out.display())], told)?;
    let counts = counts(&fs::read_to_string(&out)?)?;
    let often = |count: f64| count / steps >= 0.5 && count / steps <= 1.5;
    let mut hot = counts.into_iter().filter(|(_, count)| often(*count)).collect::<BTreeMap<_, _>>();
    let mut text = String::new();
    for (address, instruction) in disassembled(&hot)? {
        if let Some(count) = hot.remove(&address) {
            let _ = writeln!(text, "{:5.2}  {instruction}", count / steps);
        }
    }
    if text.is_empty() { Err("no instruction was found that every step runs".into()) } else { Ok(text) }
}

/// How often each address was run. The format is callgrind's own: a line is an address, a source line and a cost, the address
/// in full or as the distance from the last one; the line after a `calls=` is what the callee cost.
fn counts(out: &str) -> Result<BTreeMap<u64, f64>, Box<dyn Error>> {
    let (mut counts, mut at, mut of_callee) = (BTreeMap::new(), 0_u64, false);
    for line in out.lines() {
        of_callee |= line.starts_with("calls=");
        let mut words = line.split(' ');
        let (Some(address), Some(_), Some(cost), None) = (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Ok(cost) = cost.parse::<f64>() else { continue };
        at = match (address.strip_prefix("0x"), address.strip_prefix('+'), address.strip_prefix('-')) {
            (Some(full), _, _) => u64::from_str_radix(full, 16)?,
            (_, Some(on), _) => at + on.parse::<u64>()?,
            (_, _, Some(back)) => at - back.parse::<u64>()?,
            _ if address == "*" => at,
            _ => continue,
        };
        if !std::mem::take(&mut of_callee) {
            *counts.entry(at).or_default() += cost;
        }
    }
    Ok(counts)
}

/// The instructions of this program from the first of these addresses to the last.
fn disassembled(addresses: &BTreeMap<u64, f64>) -> Result<Vec<(u64, String)>, Box<dyn Error>> {
    let (Some((first, _)), Some((last, _))) = (addresses.first_key_value(), addresses.last_key_value()) else {
        return Ok(Vec::new());
    };
    let output = Command::new("objdump")
        .args(["--disassemble", "--no-show-raw-insn", "--demangle"])
        .args([format!("--start-address={first:#x}"), format!("--stop-address={:#x}", last + 16)])
        .arg(env::current_exe()?)
        .output()
        .map_err(|error| format!("objdump does not start: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let instruction = |line: &str| {
        let (address, instruction) = line.trim().split_once(":\t")?;
        let address = u64::from_str_radix(address, 16).ok()?;
        Some((address, instruction.split_whitespace().collect::<Vec<_>>().join(" ")))
    };
    Ok(text.lines().filter_map(instruction).collect())
}
