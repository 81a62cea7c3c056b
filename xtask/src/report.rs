//! Runs named steps, goes on after one that fails, and closes with what became of each and how long it took.

use std::time::{Duration, Instant};

use xshell::Cmd;

/// The steps so far.
#[derive(Default)]
pub(crate) struct Report {
    steps: Vec<Step>,
}

struct Step {
    name: String,
    took: Duration,
    /// Why it failed.
    failure: Option<String>,
}

impl Report {
    /// Runs `command` as the step `name`.
    pub(crate) fn command(&mut self, name: impl Into<String>, command: Cmd<'_>) {
        self.step(name, || command.quiet().run());
    }

    /// Runs `work` as the step `name`, and hands on what it gave.
    pub(crate) fn step<T>(&mut self, name: impl Into<String>, work: impl FnOnce() -> xshell::Result<T>) -> Option<T> {
        let name = name.into();
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let (value, failure) = match work() {
            Ok(value) => (Some(value), None),
            Err(error) => (None, Some(error.to_string())),
        };
        if let Some(failure) = &failure {
            eprintln!("=== {name} failed: {failure}");
        }
        self.steps.push(Step { name, took: start.elapsed(), failure });
        value
    }

    /// Prints the table; whether every step succeeded.
    pub(crate) fn close(self) -> bool {
        let width = self.steps.iter().map(|step| step.name.len()).max().unwrap_or(0);
        eprintln!();
        for Step { name, took, failure } in &self.steps {
            let result = if failure.is_none() { "ok" } else { "FAILED" };
            eprintln!("{name:width$}  {:7.1} s  {result}", took.as_secs_f64());
        }
        self.steps.iter().all(|step| step.failure.is_none())
    }
}
