//! What the program does for an image: its events are `tracing`'s here, and its panics go by the program's own hook.

#![expect(unsafe_code, reason = "an image calls these with raw texts")]

use std::borrow::Cow;
use std::panic::{catch_unwind, panic_any};

use tracing::level_filters::LevelFilter;

use crate::load::abi::{Host, Slice};

/// The services for the image of this number.
pub(crate) fn services(image: u64) -> Host {
    #[expect(clippy::cast_possible_truncation, reason = "some 40 bytes")]
    let size = size_of::<Host>() as u32;
    Host { size, image, level, event, panic }
}

extern "C" fn level() -> u32 {
    match LevelFilter::current().into_level() {
        None => 0,
        Some(tracing::Level::ERROR) => 1,
        Some(tracing::Level::WARN) => 2,
        Some(tracing::Level::INFO) => 3,
        Some(tracing::Level::DEBUG) => 4,
        Some(tracing::Level::TRACE) => 5,
    }
}

unsafe extern "C" fn event(image: u64, level: u32, target: Slice, text: Slice) {
    // SAFETY: the image lends both for the call.
    let (from, text) = unsafe { (lossy(target), lossy(text)) };
    // a subscriber that panics would end the program at the boundary
    let _ = catch_unwind(|| match level {
        1 => tracing::error!(target: "hotswap::image", image, %from, "{text}"),
        2 => tracing::warn!(target: "hotswap::image", image, %from, "{text}"),
        3 => tracing::info!(target: "hotswap::image", image, %from, "{text}"),
        4 => tracing::debug!(target: "hotswap::image", image, %from, "{text}"),
        _ => tracing::trace!(target: "hotswap::image", image, %from, "{text}"),
    });
}

/// Whoever watches for panics does so with a hook of the program's, which an image's copy of the standard library does not
/// know. So the message is thrown here as well, and caught again at once.
#[expect(clippy::panic, reason = "it is for the hook, and caught at once")]
unsafe extern "C" fn panic(image: u64, text: Slice) {
    // SAFETY: the image lends it for the call.
    let text = unsafe { lossy(text) };
    let text = format!("in image {image}: {text}");
    if std::thread::panicking() {
        // a second panic would abort: this one has to do with the message in another way
        let _ = catch_unwind(|| tracing::error!(target: "hotswap::image", image, "{text}"));
        return;
    }
    let _ = catch_unwind(|| panic_any(text));
}

/// # Safety
///
/// The bytes stay as they are for `'a`.
unsafe fn lossy<'a>(text: Slice) -> Cow<'a, str> {
    // SAFETY: the caller promises the same.
    String::from_utf8_lossy(unsafe { text.get() })
}
