//! The examples' machines: what their released versions wrote, and their laws.

mod chat;
mod counter;
mod kv;
mod pricing;
mod release;
