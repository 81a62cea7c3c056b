//! What a bench found: rows of what was asked for and what was measured, printed and written to a file for `cargo xtask bench`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde::Serialize;

/// Begins the report of the bench that calls it.
#[macro_export]
macro_rules! report {
    () => {
        $crate::report::Report::new(::std::path::Path::new(env!("CARGO_TARGET_TMPDIR")), env!("CARGO_CRATE_NAME"))
    };
}

/// What a bench found so far.
#[derive(Debug, Serialize)]
pub struct Report {
    bench: String,
    /// What the bench was told to do; nothing, and it does all it can.
    args: Vec<String>,
    /// What is measured: the commit, with `+` if the work tree differs from it; empty if that is not known.
    commit: String,
    machine: Machine,
    rows: Vec<Row>,
    profiles: Vec<Profile>,
    #[serde(skip)]
    folder: PathBuf,
}

/// What it was measured on.
#[derive(Debug, Serialize)]
struct Machine {
    cpu: String,
    cores: usize,
    memory: String,
    kernel: String,
    rustc: String,
    /// How busy it was when the bench began: the system's load average over a minute.
    load: String,
}

/// Where the time or the instructions of something go.
#[derive(Debug, Serialize)]
struct Profile {
    of: String,
    text: String,
}

/// One comparison or figure, turn by turn.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    what: String,
    unit: String,
    target: Option<Target>,
    /// What is judged: the median unless `judged_by` says otherwise.
    judged: f64,
    judged_by: &'static str,
    min: f64,
    median: f64,
    max: f64,
    /// Whether the target is held, where there is one.
    held: Option<bool>,
    /// The medians of the two that a ratio is of.
    figures: String,
    /// What the other side gives for its time, and what else is to be known.
    beside: String,
    /// Where the target is missed, what stands in its way; empty if nothing is known to.
    limit: String,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtMost(most) => figure <= most,
            Self::AtLeast(least) => figure >= least,
        }
    }
}

impl Row {
    /// A figure, turn by turn.
    ///
    /// # Panics
    ///
    /// If there is no turn.
    #[must_use]
    pub fn of(what: &str, unit: &str, turns: &[f64]) -> Self {
        let [min, median, max] = spread(turns);
        Self {
            what: what.to_owned(),
            unit: unit.to_owned(),
            target: None,
            judged: median,
            judged_by: "median",
            min,
            median,
            max,
            held: None,
            figures: String::new(),
            beside: String::new(),
            limit: String::new(),
        }
    }

    /// How many times the one is the other, turn by turn; both in `unit`.
    ///
    /// # Panics
    ///
    /// If there is no turn.
    #[must_use]
    pub fn ratio(what: &str, unit: &str, one: &[f64], other: &[f64]) -> Self {
        let turns: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
        let ([_, one, _], [_, other, _]) = (spread(one), spread(other));
        Self { figures: format!("{} against {} {unit}", short(one), short(other)), ..Self::of(what, "times", &turns) }
    }

    /// As [`Row::ratio`], judged by the least of each: for what only ever gets slower by what else runs.
    ///
    /// # Panics
    ///
    /// If there is no turn.
    #[must_use]
    pub fn ratio_of_minima(what: &str, unit: &str, one: &[f64], other: &[f64]) -> Self {
        let ([one_min, ..], [other_min, ..]) = (spread(one), spread(other));
        Self { judged: one_min / other_min, judged_by: "minima", ..Self::ratio(what, unit, one, other) }
    }

    /// How many times each turn of one and the same is the next: what of a ratio of two is chance.
    ///
    /// # Panics
    ///
    /// If there is no turn.
    #[must_use]
    pub fn chance(what: &str, unit: &str, turns: &[f64]) -> Self {
        let mut next = turns.to_vec();
        next.rotate_left(1);
        Self::ratio(what, unit, turns, &next).beside("what of a ratio of this figure is chance, turn by turn")
    }

    /// Judged by the least turn.
    #[must_use]
    pub fn by_the_least(self) -> Self {
        Self { judged: self.min, judged_by: "least", ..self }
    }

    /// Judged by another figure of the same turns, and how that came about.
    #[must_use]
    pub fn judged(self, figure: f64, by: &'static str) -> Self {
        Self { judged: figure, judged_by: by, ..self }
    }

    /// The target.
    #[must_use]
    pub fn at_most(self, most: f64) -> Self {
        self.target(Target::AtMost(most))
    }

    /// The target.
    #[must_use]
    pub fn at_least(self, least: f64) -> Self {
        self.target(Target::AtLeast(least))
    }

    fn target(self, target: Target) -> Self {
        Self { held: Some(target.holds(self.judged)), target: Some(target), ..self }
    }

    /// What a reader should know beside the figures.
    #[must_use]
    pub fn beside(self, what: &str) -> Self {
        Self { beside: what.to_owned(), ..self }
    }

    /// What stands in the way of the target, for when it is missed.
    #[must_use]
    pub fn limit(self, what: &str) -> Self {
        Self { limit: what.to_owned(), ..self }
    }
}

impl Report {
    /// Begins the report of `bench`, which goes into cargo's folder for what benches write; [`report!`](crate::report!) knows both.
    ///
    /// # Panics
    ///
    /// If the folder for the reports cannot be made.
    #[must_use]
    pub fn new(temporary: &Path, bench: &str) -> Self {
        let folder = temporary.join("reports");
        fs::create_dir_all(&folder).expect("the folder can be made");
        println!("{:<72} {:>10}   {:>10} {:>10} {:>10}", "", "target", "min", "median", "max");
        Self {
            bench: bench.to_owned(),
            // cargo adds `--bench`
            args: env::args().skip(1).filter(|arg| arg != "--bench").collect(),
            commit: commit().unwrap_or_default(),
            machine: Machine::here(),
            rows: Vec::new(),
            profiles: Vec::new(),
            folder,
        }
    }

    /// Prints a row and keeps it.
    pub fn add(&mut self, row: Row) {
        let target = match row.target {
            None => String::new(),
            Some(Target::AtMost(figure)) => format!("<= {figure}"),
            Some(Target::AtLeast(figure)) => format!(">= {figure}"),
        };
        let [min, median, max] = [row.min, row.median, row.max].map(short);
        let what = format!("{}, {}", row.what, row.unit);
        let verdict = match row.held {
            None => String::new(),
            Some(held) => {
                format!("  {} by {}: {}", if held { "held" } else { "MISSED" }, row.judged_by, short(row.judged))
            }
        };
        println!("{what:<72} {target:>10}   {min:>10} {median:>10} {max:>10}{verdict}");
        let limit = if row.held == Some(false) { row.limit.as_str() } else { "" };
        for line in [&row.figures, &row.beside, limit] {
            if !line.is_empty() {
                println!("    {line}");
            }
        }
        self.rows.push(row);
    }

    /// Prints a profile and keeps it.
    pub fn profile(&mut self, of: &str, text: String) {
        println!("\n{of}\n\n{text}");
        self.profiles.push(Profile { of: of.to_owned(), text });
    }

    /// Where a plot of this bench's goes.
    #[must_use]
    pub fn plot(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}.svg", self.bench))
    }

    /// Writes the file.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn close(self) {
        let path = self.folder.join(format!("{}.json", self.bench));
        let text = serde_json::to_string_pretty(&self).expect("a report is plain data");
        fs::write(path, text).expect("the report can be written");
    }
}

impl Machine {
    fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let after = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line.split_once(':').map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
        };
        Self {
            cpu: after(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory: gibibytes(&after(&read("/proc/meminfo"), "MemTotal")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: rustc(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// Of the system's `123 kB`.
fn gibibytes(kilobytes: &str) -> String {
    match kilobytes.trim_end_matches(" kB").parse::<u32>() {
        Ok(kilobytes) => format!("{:.1} GiB", f64::from(kilobytes) / 1024.0 / 1024.0),
        Err(_) => kilobytes.to_owned(),
    }
}

/// As git says; what `cargo xtask bench` writes is no change.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let output = Command::new("git").args(args).current_dir(root).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--", ".", ":!benches/RESULTS.md", ":!benches/plots"])?;
    Some(if changes.is_empty() { commit } else { commit + "+" })
}

/// The compiler, as it names itself.
#[must_use]
pub fn rustc() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// The least, the median and the most. The median of an even number of turns is between the two in the middle.
///
/// # Panics
///
/// If there is no turn.
#[must_use]
pub fn spread(turns: &[f64]) -> [f64; 3] {
    let mut turns = turns.to_vec();
    turns.sort_by(f64::total_cmp);
    let last = turns.len().checked_sub(1).expect("there are turns");
    [turns[0], f64::midpoint(turns[last / 2], turns[turns.len() / 2]), turns[last]]
}

/// Four figures that count, or as many as stand before the point.
fn short(figure: f64) -> String {
    let places = match figure.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    };
    format!("{figure:.places$}")
}
