//! Unmaps images, on a thread of its own: whoever lets go of the last state of one may be serving.
//!
//! An image that stays mapped although it was closed is pinned. It is listed with the reason, and tried again whenever
//! there is something to reap, and when it is asked for.

#![expect(unsafe_code, reason = "an image is told to let go of what it holds")]

use std::io;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use libloading::os::unix::{Library, RTLD_LAZY};

use crate::load::error::Pinned;
use crate::load::map::{Held, is_mapped, path};

/// Says that only a library that is there already is opened (`RTLD_NOLOAD` of Linux).
const RTLD_NOLOAD: i32 = 4;

struct Stuck {
    pinned: Pinned,
    /// Another file under its path would be taken for it.
    memory: OwnedFd,
}

enum Order {
    Unmap(Box<Held>),
    /// Try the pinned ones, and answer when all that was ordered before is done.
    Again(Sender<()>),
}

static REAPER: Mutex<Option<Sender<Order>>> = Mutex::new(None);
static STUCK: Mutex<Vec<Stuck>> = Mutex::new(Vec::new());

fn reaper() -> MutexGuard<'static, Option<Sender<Order>>> {
    REAPER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stuck() -> MutexGuard<'static, Vec<Stuck>> {
    STUCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the reaper, if it does not run: before there is anything to reap, for a drop cannot fail.
pub(crate) fn start() -> io::Result<()> {
    let mut reaper = reaper();
    if reaper.is_none() {
        let (send, receive) = channel();
        thread::Builder::new().name("hotswap-reaper".to_owned()).spawn(move || run(&receive))?;
        *reaper = Some(send);
    }
    Ok(())
}

/// Hands over an image that nothing uses any more.
pub(crate) fn queue(held: Held) {
    let order = Order::Unmap(Box::new(held));
    let back = match &*reaper() {
        Some(reaper) => reaper.send(order).err().map(|error| error.0),
        None => Some(order),
    };
    // without a reaper it stays where it is: memory is lost, and nothing else
    std::mem::forget(back);
}

/// Waits until every image that was let go of before has been unmapped or found pinned, and tries those again that were.
pub(crate) fn reap() {
    let (done, wait) = channel();
    let sent = reaper().as_ref().is_some_and(|reaper| reaper.send(Order::Again(done)).is_ok());
    if sent {
        // it fails if the reaper has gone: then there is nothing to wait for
        let _ = wait.recv();
    }
}

/// The images that were closed and are still mapped.
pub(crate) fn pinned() -> Vec<Pinned> {
    stuck().iter().map(|stuck| stuck.pinned.clone()).collect()
}

fn run(orders: &Receiver<Order>) {
    while let Ok(order) = orders.recv() {
        match order {
            Order::Unmap(held) => {
                unmap(*held);
                try_again();
            }
            Order::Again(done) => {
                try_again();
                let _ = done.send(());
            }
        }
    }
}

fn unmap(held: Held) {
    let Held { name, library, memory, quiesce } = held;
    // SAFETY: the image is open, and nothing of it is in use: its last handle is what was handed over.
    let _ = unsafe { quiesce() };
    let closed = library.close();
    match is_mapped(&name) {
        // the memory is closed here, and not before
        Ok(false) => drop(memory),
        still => {
            let reason = reason(closed.err(), still.err());
            stuck().push(Stuck { pinned: Pinned { image: name, reason }, memory });
        }
    }
}

fn reason(closed: Option<libloading::Error>, looked: Option<io::Error>) -> String {
    match (closed, looked) {
        (Some(error), _) => format!("it cannot be closed: {error}"),
        (None, Some(error)) => format!("the list of mappings cannot be read: {error}"),
        (None, None) => {
            "the system's loader keeps it; most often a thread that ran a step of it has a value with a destructor in a \
             thread-local of the image's, and it goes when that thread has ended"
                .to_owned()
        }
    }
}

/// Closing any library makes the loader look for those that nothing holds any more; so each is opened and closed again.
fn try_again() {
    stuck().retain(|Stuck { pinned, memory }| {
        // SAFETY: with this flag nothing is loaded, and so nothing runs.
        if let Ok(library) = unsafe { Library::open(Some(path(memory)), RTLD_LAZY | RTLD_NOLOAD) } {
            drop(library);
        }
        !is_mapped(&pinned.image).is_ok_and(|mapped| !mapped)
    });
}
