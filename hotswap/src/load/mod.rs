//! Versions that did not exist when the program was built: the files that hold them, whether they are trusted, and
//! loading them.
//!
//! An **image** is a machine's crate, built as a library that can be loaded. It comes in a signed **envelope**, which
//! says for which application it is, in which order it comes, and until when. A program that is given public keys as
//! its [`Trust`] opens an envelope into a [`Verified`] image, or says by [`TrustError`] why not; nothing in the image
//! has run then. [`Images`] takes it in: its further versions become available in the switches of its machines.
//!
//! All unsafe code of the crate is in here. An image is built with the feature `image`, a program that loads one with
//! `load`.

#[cfg_attr(
    not(all(feature = "image", feature = "load", target_os = "linux")),
    allow(dead_code, unreachable_pub, reason = "each side uses a part of it")
)]
mod abi;
#[cfg(all(feature = "load", not(target_os = "linux")))]
#[expect(dead_code, reason = "nothing is ever mapped")]
mod elsewhere;
#[cfg(feature = "load")]
mod envelope;
#[cfg(feature = "load")]
mod error;
#[cfg(feature = "load")]
mod fit;
#[cfg(all(feature = "load", target_os = "linux"))]
mod guest;
#[cfg(feature = "load")]
mod holder;
#[cfg(all(feature = "load", target_os = "linux"))]
mod host;
#[cfg(feature = "image")]
mod image;
#[cfg(feature = "load")]
mod images;
#[cfg(feature = "load")]
mod inspect;
#[cfg(feature = "load")]
mod key;
#[cfg(all(feature = "load", target_os = "linux"))]
mod map;
#[cfg(feature = "load")]
mod memory;
#[cfg_attr(
    not(all(feature = "image", feature = "load")),
    allow(dead_code, unreachable_pub, reason = "each side uses a part of it")
)]
mod note;
#[cfg(all(feature = "load", target_os = "linux"))]
mod reap;
#[cfg(all(test, feature = "load", target_os = "linux"))]
mod tests;
#[cfg(feature = "load")]
mod trust;

#[cfg(feature = "image")]
pub use self::abi::Table;
#[cfg(all(feature = "load", not(target_os = "linux")))]
pub(crate) use self::elsewhere::{is_mapped, load, pinned, reap, supported};
#[cfg(feature = "load")]
pub use self::envelope::{Claims, Digest, Head, SignError, head, sign};
#[cfg(feature = "load")]
pub use self::error::{MapError, Pinned};
#[cfg(feature = "load")]
pub use self::fit::Unfit;
#[cfg(feature = "load")]
pub use self::holder::Holder;
#[cfg(feature = "load")]
pub(crate) use self::holder::Host;
#[cfg(feature = "image")]
pub use self::image::{Listed, Thunks};
#[cfg(feature = "load")]
pub(crate) use self::images::bring_to;
#[cfg(feature = "load")]
pub use self::images::{Arrived, ImageStatus, Images, LetGo, LoadError};
#[cfg(feature = "load")]
pub use self::inspect::{Build, InspectError, Manifest, inspect};
#[cfg(feature = "load")]
pub use self::key::{KeyError, KeyId, ParseKeyError, PublicKey, SecretKey};
#[cfg(all(feature = "load", target_os = "linux"))]
pub(crate) use self::map::{is_mapped, load, supported};
#[cfg(feature = "load")]
pub use self::memory::MemoryError;
#[cfg(feature = "image")]
pub use self::note::{Note, described, of_machine};
#[cfg(all(feature = "load", target_os = "linux"))]
pub(crate) use self::reap::{pinned, reap};
#[cfg(feature = "load")]
pub use self::trust::{Trust, TrustError, Verified};
/// What became of an image that was let go, once what was let go before has been unmapped.
#[cfg(feature = "load")]
fn fate(image: &str) -> LetGo {
    reap();
    let pinned = pinned().into_iter().find(|pinned| pinned.image == image);
    match (pinned, is_mapped(image)) {
        (Some(pinned), _) => LetGo::Pinned { reason: pinned.reason },
        (None, Ok(false)) => LetGo::Gone,
        (None, _) => LetGo::Held,
    }
}

#[cfg(feature = "load")]
pub use crate::loaded::{GuestEdge, GuestInput, GuestLine, GuestVersion};
