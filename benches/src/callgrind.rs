//! What callgrind counted, function by function.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// As many functions as are listed: those that take the most.
const LISTED: usize = 16;

/// The instructions of each function, without those of the functions that it calls.
#[derive(Debug)]
pub struct Functions(BTreeMap<String, f64>);

impl Functions {
    /// Reads what callgrind wrote.
    ///
    /// # Errors
    ///
    /// If valgrind's own reader does not start, or finds nothing.
    pub fn read(out: &Path) -> Result<Self, Box<dyn Error>> {
        let output = Command::new("callgrind_annotate")
            .args(["--threshold=100", "--show-percs=no", "--auto=no"])
            .arg(out)
            .output()
            .map_err(|error| format!("callgrind_annotate does not start: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut counts = BTreeMap::new();
        for (count, function) in said.lines().filter_map(function) {
            *counts.entry(function.to_owned()).or_default() += count;
        }
        if counts.values().sum::<f64>() > 0.0 { Ok(Self(counts)) } else { Err("callgrind counted nothing".into()) }
    }

    /// What each takes more than in another run.
    #[must_use]
    pub fn since(mut self, other: &Self) -> Self {
        for (function, count) in &mut self.0 {
            *count -= other.0.get(function).unwrap_or(&0.0);
        }
        self.0.retain(|_, count| *count != 0.0);
        self
    }

    /// All of them, and those that take the most, of what was done so many times.
    #[must_use]
    pub fn listed(&self, times: f64) -> String {
        let mut taken: Vec<(f64, &str)> = self.0.iter().map(|(function, count)| (count / times, &**function)).collect();
        taken.sort_by(|one, other| other.0.total_cmp(&one.0));
        let sum = |of: &[(f64, &str)]| of.iter().map(|(count, _)| count).sum::<f64>();
        let mut text = format!("{:8.0}  in all\n", sum(&taken));
        for (count, function) in taken.iter().take(LISTED) {
            let _ = writeln!(text, "{count:8.0}  {function}");
        }
        if let Some(others @ [_, ..]) = taken.get(LISTED..) {
            let _ = writeln!(text, "{:8.0}  in {} others", sum(others), others.len());
        }
        text
    }
}

/// What a line says of a function: `1,234  file:function [object]`.
fn function(line: &str) -> Option<(f64, &str)> {
    let (count, place) = line.trim_start().split_once(' ')?;
    let count = count.replace(',', "").parse().ok()?;
    let (_, function) = place.trim_start().split_once(':')?;
    Some((count, function.split(" [").next().unwrap_or(function)))
}
