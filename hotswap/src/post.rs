//! What stands beside the state of an instance that one owner has: its stamp, its switch, and what few have.
//!
//! Those who have come to one epoch with nothing aside share a post, so that such an instance is its state and one pointer.

use std::sync::{Arc, Weak};

use crate::machine::Machine;
use crate::roster::Shared;
use crate::slot::{Aside, GONE};
use crate::striped::Striped;

/// What steps read is not on the cache line of `Arc`'s counts, which those write who come and go: they begin 64 bytes before it. An
/// allocation that began on a line would do that too, and take three times as long.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Post<M: Machine> {
    apart: [u64; 6],
    pub(crate) stamp: u64,
    pub(crate) shared: Arc<Shared<M>>,
    /// Of one who stands here alone.
    aside: Option<Box<Aside>>,
}

/// The posts that are shared at the latest epoch, so that the next who comes to it finds one.
#[derive(Debug)]
pub(crate) struct Posts<M: Machine>(Striped<Weak<Post<M>>>);

impl<M: Machine> Default for Posts<M> {
    fn default() -> Self {
        Self(Striped::new(Weak::new))
    }
}

impl<M: Machine> Post<M> {
    /// For who has this stamp and this aside.
    pub(crate) fn of(shared: &Arc<Shared<M>>, stamp: u64, aside: Option<Box<Aside>>) -> Arc<Self> {
        if aside.is_some() { Self::own(shared, stamp, aside) } else { Self::common(shared, stamp) }
    }

    /// As [`Post::of`], beside one that will often do.
    pub(crate) fn beside(near: &Arc<Self>, stamp: u64, aside: Option<Box<Aside>>) -> Arc<Self> {
        let does = aside.is_none() && near.is_common_of(stamp);
        if does { Arc::clone(near) } else { Self::of(&near.shared, stamp, aside) }
    }

    fn common(shared: &Arc<Shared<M>>, stamp: u64) -> Arc<Self> {
        let mut latest = shared.posts.0.mine();
        if let Some(latest) = latest.upgrade() {
            if latest.stamp == stamp {
                return latest;
            }
            // who has not come so far yet must not take their post from those who have
            if latest.stamp > stamp {
                return Self::own(shared, stamp, None);
            }
        }
        let post = Self::own(shared, stamp, None);
        *latest = Arc::downgrade(&post);
        post
    }

    fn own(shared: &Arc<Shared<M>>, stamp: u64, aside: Option<Box<Aside>>) -> Arc<Self> {
        Arc::new(Self { apart: [0; 6], stamp, shared: Arc::clone(shared), aside })
    }

    fn is_common_of(&self, stamp: u64) -> bool {
        self.stamp == stamp && self.aside.is_none()
    }

    /// Whoever stands here has this stamp and this aside from now on.
    pub(crate) fn go_to(this: &mut Arc<Self>, stamp: u64, aside: Option<Box<Aside>>) {
        if aside.is_none() && this.is_common_of(stamp) {
            return;
        }
        match Arc::get_mut(this) {
            Some(own) if aside.is_some() => {
                own.stamp = stamp;
                own.aside = aside;
            }
            _ => *this = Self::of(&this.shared, stamp, aside),
        }
    }

    /// Whoever stood here has ended.
    pub(crate) fn go(this: &mut Arc<Self>) {
        *this = Self::own(&this.shared, GONE, None);
    }

    /// What is aside, to be given back by [`Post::go_to`].
    pub(crate) fn take_aside(this: &mut Arc<Self>) -> Option<Box<Aside>> {
        // to ask whether it is shared writes where others read
        this.aside.as_ref()?;
        let own = Arc::get_mut(this);
        debug_assert!(own.is_some(), "who has something aside stands alone");
        own?.aside.take()
    }
}
