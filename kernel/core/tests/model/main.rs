//! Every structure against a simple model of itself, under random operations.

mod event;
mod lease;
mod list;
mod pipe;
mod rights;
mod runqueue;
mod slab;
mod table;
mod timer;
