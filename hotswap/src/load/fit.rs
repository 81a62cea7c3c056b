//! Whether a machine in an image is the one that runs here, further on: decided from what both say, before anything runs.

use crate::loaded::{GuestInput, GuestLine, GuestVersion};
use crate::machine::{Identity, InputInfo, VersionInfo};

/// A machine in an image that cannot go on where the program's stands. Nothing of the image has run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// A machine of this name is here, and it is another.
    #[error("the image's machine `{name}` is declared in {found}; the one that runs here in {here}")]
    OtherMachine {
        /// The name that both have.
        name: String,
        /// Where the image's is declared.
        found: String,
        /// Where the program's is.
        here: String,
    },
    /// A version that instances here run, or may go back to, is not in the image.
    #[error("version {version} of machine `{machine}` is in use here, and the image does not have it")]
    Missing {
        /// The machine.
        machine: String,
        /// The version.
        version: u32,
    },
    /// A version that was released has another shape in the image.
    #[error(
        "version {version} of machine `{machine}` has the shape {found} in the image, and {here} here: \
         a released version must not change; make the change a further version"
    )]
    Changed {
        /// The machine.
        machine: String,
        /// The version.
        version: u32,
        /// Its fingerprint in the image.
        found: String,
        /// Its fingerprint here.
        here: String,
    },
    /// An input, or the output that it gives, has another shape in the image.
    #[error(
        "input `{input}` of machine `{machine}` or its output has another shape in the image: \
         a released input must not change; take the new one as an input of its own, with an adapter"
    )]
    InputChanged {
        /// The machine.
        machine: String,
        /// The input.
        input: String,
    },
    /// The image has a version between, or before, those that are here.
    #[error("version {version} of machine `{machine}` is not in the line that runs here, whose newest is {newest}")]
    OutOfLine {
        /// The machine.
        machine: String,
        /// The version.
        version: u32,
        /// The newest that is compiled in.
        newest: u32,
    },
    /// Another image brought this version, and it is in use.
    #[error(
        "version {version} of machine `{machine}` is in use from image {image}, and this is another build of it: give what changed a \
         version of its own, or go back and let that image go first"
    )]
    Taken {
        /// The machine.
        machine: String,
        /// The version.
        version: u32,
        /// The image that brought it.
        image: String,
    },
}

/// What is here of one machine, as one switch has it.
pub(crate) struct Here {
    pub(crate) identity: Identity,
    /// Each with the image that brought it.
    pub(crate) versions: Vec<(GuestVersion, Option<String>)>,
    /// The same for inputs.
    pub(crate) inputs: Vec<(GuestInput, Option<String>)>,
    /// The versions that instances run, or that the switch runs or would go back to.
    pub(crate) used: Vec<u32>,
}

impl Here {
    /// What is compiled in, where no switch runs it.
    pub(crate) fn compiled(identity: Identity, versions: &[VersionInfo], inputs: &[InputInfo]) -> Self {
        Self {
            identity,
            versions: versions.iter().map(|info| (GuestVersion::from(info), None)).collect(),
            inputs: inputs.iter().map(|input| (GuestInput::from(input), None)).collect(),
            used: Vec::new(),
        }
    }

    fn in_use(&self, image: &str) -> bool {
        self.versions.iter().any(|(version, by)| by.as_deref() == Some(image) && self.used.contains(&version.number))
    }

    /// The image's versions that would become available.
    pub(crate) fn fit(&self, line: &GuestLine) -> Result<Vec<u32>, Unfit> {
        self.same_machine(line)?;
        self.released_ones_are_there(line)?;
        self.same_inputs(line)?;
        self.further(line)
    }

    fn same_machine(&self, line: &GuestLine) -> Result<(), Unfit> {
        if line.is_of(self.identity) {
            return Ok(());
        }
        let Identity { krate, module, name, .. } = self.identity;
        Err(Unfit::OtherMachine {
            name: name.to_owned(),
            found: format!("{} of {}", line.module, line.krate),
            here: format!("{module} of {krate}"),
        })
    }

    fn released_ones_are_there(&self, line: &GuestLine) -> Result<(), Unfit> {
        let machine = || self.identity.name.to_owned();
        for (here, by) in &self.versions {
            // one that nobody uses may be replaced by another build of it
            let replaced = by.as_deref().is_some_and(|image| !self.in_use(image));
            match line.version(here.number) {
                _ if replaced => {}
                Some(found) if found.fingerprint != here.fingerprint => {
                    let (found, here, version) = (found.fingerprint.clone(), here.fingerprint.clone(), here.number);
                    return Err(Unfit::Changed { machine: machine(), version, found, here });
                }
                None if self.used.contains(&here.number) => {
                    return Err(Unfit::Missing { machine: machine(), version: here.number });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// An input that the image lacks is refused where the image runs: it may have retired every version that took it.
    fn same_inputs(&self, line: &GuestLine) -> Result<(), Unfit> {
        let changed = |(here, by): &&(GuestInput, Option<String>)| {
            let replaced = by.as_deref().is_some_and(|image| !self.in_use(image));
            !replaced && line.inputs.iter().any(|it| it.name == here.name && it.fingerprint != here.fingerprint)
        };
        match self.inputs.iter().find(changed) {
            Some((input, _)) => {
                let (machine, input) = (self.identity.name.to_owned(), input.name.clone());
                Err(Unfit::InputChanged { machine, input })
            }
            None => Ok(()),
        }
    }

    fn further(&self, line: &GuestLine) -> Result<Vec<u32>, Unfit> {
        let machine = || self.identity.name.to_owned();
        let compiled = || self.versions.iter().filter(|(_, by)| by.is_none()).map(|(version, _)| version.number);
        let newest = compiled().max().unwrap_or(0);
        let mut further = Vec::new();
        let mut taken = None;
        for version in line.versions.iter().map(|version| version.number) {
            if compiled().any(|here| here == version) {
                continue;
            }
            if version < newest {
                return Err(Unfit::OutOfLine { machine: machine(), version, newest });
            }
            let by = self.versions.iter().find(|(here, _)| here.number == version).and_then(|(_, by)| by.clone());
            match by.filter(|image| self.in_use(image)) {
                Some(image) => taken = Some(Unfit::Taken { machine: machine(), version, image }),
                None => further.push(version),
            }
        }
        // the line of an image goes on from those in use: they stay whose they are
        match taken {
            Some(taken) if further.is_empty() => Err(taken),
            _ => Ok(further),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity { krate: "shop", crate_version: "1.0.0", module: "shop::till", name: "till" };

    fn version(number: u32, fingerprint: &str) -> GuestVersion {
        let (state, fingerprint) = (format!("V{number}"), fingerprint.to_owned());
        GuestVersion { number, state, fingerprint, leaves: Vec::new(), takes: vec!["Get".to_owned()] }
    }

    fn line(versions: &[(u32, &str)]) -> GuestLine {
        GuestLine {
            machine: "till".to_owned(),
            krate: "shop".to_owned(),
            module: "shop::till".to_owned(),
            crate_version: "1.1.0".to_owned(),
            versions: versions.iter().map(|(number, fingerprint)| version(*number, fingerprint)).collect(),
            edges: Vec::new(),
            retired: Vec::new(),
            inputs: vec![GuestInput { name: "Get".to_owned(), fingerprint: "1-g".to_owned() }],
        }
    }

    /// Versions 1 and 2 are compiled in, 2 runs and 1 is permanent.
    fn here() -> Here {
        Here {
            identity: IDENTITY,
            versions: vec![(version(1, "1-a"), None), (version(2, "1-b"), None)],
            inputs: vec![(GuestInput { name: "Get".to_owned(), fingerprint: "1-g".to_owned() }, None)],
            used: vec![1, 2],
        }
    }

    #[test]
    fn further_versions_become_available() {
        assert_eq!(here().fit(&line(&[(1, "1-a"), (2, "1-b"), (3, "1-c"), (5, "1-d")])), Ok(vec![3, 5]));
        assert_eq!(here().fit(&line(&[(1, "1-a"), (2, "1-b")])), Ok(vec![]));
    }

    #[test]
    fn another_machine_of_the_same_name_is_refused() {
        let other = GuestLine { module: "bar::till".to_owned(), ..line(&[(1, "1-a"), (2, "1-b"), (3, "1-c")]) };
        assert!(matches!(here().fit(&other), Err(Unfit::OtherMachine { .. })));
        let other = GuestLine { krate: "bar".to_owned(), ..line(&[(1, "1-a"), (2, "1-b"), (3, "1-c")]) };
        assert!(matches!(here().fit(&other), Err(Unfit::OtherMachine { .. })));
    }

    #[test]
    fn a_released_version_must_not_change() {
        let fit = here().fit(&line(&[(1, "1-a"), (2, "1-x"), (3, "1-c")]));
        assert!(matches!(fit, Err(Unfit::Changed { version: 2, .. })), "{fit:?}");
    }

    #[test]
    fn an_input_must_not_change() {
        let mut changed = line(&[(1, "1-a"), (2, "1-b"), (3, "1-c")]);
        changed.inputs[0].fingerprint = "1-h".to_owned();
        assert_eq!(
            here().fit(&changed),
            Err(Unfit::InputChanged { machine: "till".to_owned(), input: "Get".to_owned() })
        );
        changed.inputs.clear();
        assert_eq!(here().fit(&changed), Ok(vec![3]));
    }

    #[test]
    fn only_what_nobody_uses_may_be_missing() {
        let retired = line(&[(2, "1-b"), (3, "1-c")]);
        assert_eq!(here().fit(&retired), Err(Unfit::Missing { machine: "till".to_owned(), version: 1 }));
        assert_eq!(Here { used: vec![2], ..here() }.fit(&retired), Ok(vec![3]));
    }

    #[test]
    fn the_line_only_goes_on_at_its_end() {
        let between =
            Here { versions: vec![(version(1, "1-a"), None), (version(4, "1-d"), None)], used: vec![1], ..here() };
        let fit = between.fit(&line(&[(1, "1-a"), (3, "1-c"), (4, "1-d")]));
        assert_eq!(fit, Err(Unfit::OutOfLine { machine: "till".to_owned(), version: 3, newest: 4 }));
    }

    #[test]
    fn what_another_image_brought_is_replaced_only_if_nobody_uses_it() {
        let mut loaded = here();
        loaded.versions.push((version(3, "1-c"), Some("0001".to_owned())));
        let again = line(&[(1, "1-a"), (2, "1-b"), (3, "1-z")]);
        assert_eq!(loaded.fit(&again), Ok(vec![3]));
        loaded.used.push(3);
        assert!(matches!(loaded.fit(&again), Err(Unfit::Changed { version: 3, .. })));
        let same = line(&[(1, "1-a"), (2, "1-b"), (3, "1-c")]);
        let taken = Unfit::Taken { machine: "till".to_owned(), version: 3, image: "0001".to_owned() };
        assert_eq!(loaded.fit(&same), Err(taken));
        assert_eq!(loaded.fit(&line(&[(1, "1-a"), (2, "1-b"), (3, "1-c"), (4, "1-d")])), Ok(vec![4]));
    }
}
