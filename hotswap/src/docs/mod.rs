//! The guide: how to build with hotswap, what it does not do, and how it works. Text only; every example is run.
//!
//! The [front page](crate) comes first. Then, by what you want to know:
//!
//! | chapter | answers |
//! |---|---|
//! | [`restart_or_upgrade`] | whether your program needs this at all |
//! | [`migrating`] | how a program that is one enum and one `match` becomes a machine, step by step |
//! | [`patterns`] | how to shape states and inputs, and how to do what comes up again and again |
//! | [`retiring`] | how an old version goes: its steps, its adapters, its state, its number |
//! | `loading` (feature `load`) | how a version comes into a program that was built without it |
//! | [`limits`] | what hotswap does not do, what cannot be checked, what it costs |
//! | [`internals`] | what happens inside, for those who want to know before they trust it |

#[doc = include_str!("../../doc/internals.md")]
pub mod internals {}

#[doc = include_str!("../../doc/limits.md")]
pub mod limits {}

#[cfg(feature = "load")]
#[doc = include_str!("../../doc/loading.md")]
pub mod loading {}

#[doc = include_str!("../../doc/migrating.md")]
pub mod migrating {}

#[doc = include_str!("../../doc/patterns.md")]
pub mod patterns {}

#[doc = include_str!("../../doc/restart_or_upgrade.md")]
pub mod restart_or_upgrade {}

#[doc = include_str!("../../doc/retiring.md")]
pub mod retiring {}
