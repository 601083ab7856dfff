//! Every structure against a simple model of itself, under random operations.

mod event;
mod futex;
mod lease;
mod list;
mod message;
mod pipe;
mod rights;
mod runqueue;
mod slab;
mod table;
mod timer;
