//! Builds ahead what later steps need, while a step leaves cores idle.

use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use xshell::Cmd;

/// Builds that go on beside the steps, one after the other and at the lowest priority.
///
/// They say nothing: the step that needs what one builds builds what is missing, and shows why it cannot.
pub(crate) struct Ahead(JoinHandle<()>);

impl Ahead {
    pub(crate) fn begin<'a>(builds: impl IntoIterator<Item = Cmd<'a>>) -> Self {
        let builds: Vec<Command> = builds.into_iter().map(|build| quietly(&Command::from(build))).collect();
        Self(thread::spawn(|| {
            for mut build in builds {
                let _ = build.status();
            }
        }))
    }

    /// Waits until they are over, whatever came of them.
    pub(crate) fn end(self) {
        let _ = self.0.join();
    }
}

fn quietly(build: &Command) -> Command {
    let mut quietly = Command::new("nice");
    quietly.args(["-n", "19"]).arg(build.get_program()).args(build.get_args());
    for (name, value) in build.get_envs() {
        match value {
            Some(value) => quietly.env(name, value),
            None => quietly.env_remove(name),
        };
    }
    if let Some(folder) = build.get_current_dir() {
        quietly.current_dir(folder);
    }
    quietly.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quietly
}
