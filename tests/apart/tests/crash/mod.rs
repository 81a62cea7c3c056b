//! A process that does everything, to be killed; the one that comes up after it; and what that one must find.

pub(crate) mod child;
pub(crate) mod machine;
pub(crate) mod model;
