//! Every structure against a simple model of itself, under random operations.

mod lease;
mod list;
mod message;
mod slab;
mod table;
