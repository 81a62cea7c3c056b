//! Which machines are compiled into the program, and which switches are live in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use crate::admin::Status;
use crate::machine::{Identity, Machine, VersionInfo};
use crate::roster::Shared;

/// A live switch, whatever its machine.
pub trait Live: Send + Sync {
    /// Its label, unique in the process.
    fn label(&self) -> &str;
    /// Which machine it switches.
    fn machine(&self) -> Identity;
    /// What it runs now.
    fn status(&self) -> Status;
    /// The switch as images see it.
    #[cfg(feature = "load")]
    #[doc(hidden)]
    fn host(&self) -> &dyn crate::load::Host;
    /// Tells the recorder of metrics how it stands.
    #[cfg(feature = "metrics")]
    #[doc(hidden)]
    fn measure(&self);
    /// The switch as it is driven from outside.
    #[cfg(feature = "remote")]
    #[doc(hidden)]
    fn drive(self: Arc<Self>) -> Arc<dyn crate::remote::Drive>;
}

impl<M: Machine> Live for Shared<M> {
    fn label(&self) -> &str {
        &self.core.label
    }
    fn machine(&self) -> Identity {
        M::IDENTITY
    }
    fn status(&self) -> Status {
        Status::of(self)
    }
    #[cfg(feature = "load")]
    fn host(&self) -> &dyn crate::load::Host {
        self
    }
    #[cfg(feature = "metrics")]
    fn measure(&self) {
        Self::measure(self);
    }
    #[cfg(feature = "remote")]
    fn drive(self: Arc<Self>) -> Arc<dyn crate::remote::Drive> {
        Arc::new(crate::admin::Admin::new(self))
    }
}

static LIVE: std::sync::Mutex<BTreeMap<String, Weak<dyn Live>>> = std::sync::Mutex::new(BTreeMap::new());

fn with_live<R>(run: impl FnOnce(&mut BTreeMap<String, Weak<dyn Live>>) -> R) -> R {
    run(&mut LIVE.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn is_free(live: &BTreeMap<String, Weak<dyn Live>>, label: &str) -> bool {
    live.get(label).is_none_or(|switch| switch.strong_count() == 0)
}

/// Forgets the dead now and then, so that it costs each new switch next to nothing.
fn purge(live: &mut BTreeMap<String, Weak<dyn Live>>) {
    if live.len().is_power_of_two() {
        live.retain(|_, switch| switch.strong_count() > 0);
    }
}

/// Makes a switch and lists it, in one: no image is let go between what it is made of and that it is seen to use that.
fn list<L: Live + 'static, E>(
    live: &mut BTreeMap<String, Weak<dyn Live>>,
    label: String,
    make: impl FnOnce(&str) -> Result<L, E>,
) -> Result<Arc<L>, E> {
    let switch = Arc::new(make(&label)?);
    let weak = Arc::downgrade(&switch);
    live.insert(label, weak);
    Ok(switch)
}

/// Lists a new switch under exactly this label; `None` when another live one has it.
pub(crate) fn claim<L: Live + 'static, E>(
    label: &str,
    make: impl FnOnce(&str) -> Result<L, E>,
) -> Option<Result<Arc<L>, E>> {
    with_live(|live| {
        purge(live);
        is_free(live, label).then(|| list(live, label.to_owned(), make))
    })
}

/// Lists a new switch under this label, or the first of `label-2`, `label-3`, … that is free.
pub(crate) fn claim_numbered<L: Live + 'static, E>(
    label: &str,
    make: impl FnOnce(&str) -> Result<L, E>,
) -> Result<Arc<L>, E> {
    with_live(|live| {
        purge(live);
        let mut free = label.to_owned();
        let mut number = live.len().max(1);
        if !is_free(live, &free) {
            // numbers that went before may be free again, but looking for them would cost every new switch
            loop {
                number += 1;
                free = format!("{label}-{number}");
                if is_free(live, &free) {
                    break;
                }
            }
        }
        list(live, free, make)
    })
}

/// Every switch that is live in this process, by label.
#[must_use]
pub fn switches() -> Vec<Arc<dyn Live>> {
    with_live(|live| live.values().filter_map(Weak::upgrade).collect())
}

/// The live switch of this label.
#[must_use]
pub fn switch(label: &str) -> Option<Arc<dyn Live>> {
    with_live(|live| live.get(label).and_then(Weak::upgrade))
}

/// Every machine that is compiled into this program, with its versions, in no particular order.
pub fn machines() -> impl Iterator<Item = (Identity, &'static [VersionInfo])> {
    inventory::iter::<crate::__private::Compiled>.into_iter().map(|compiled| (compiled.identity, compiled.versions))
}
