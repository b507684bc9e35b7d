//! The real program, the real kernel and the real nft, in networks of the test's own (`tests/in-namespaces`). What stands in
//! for a guest is a network namespace behind a tap.

// Clippy knows a test by its attribute, and not what tests call.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod attacks;
mod corner;
mod handed;
mod helper;
mod hostile;
mod killed;
mod machine;
mod neighbours;
mod reach;
mod strays;
mod subnets;
mod taps;
mod traffic;
mod wire;
mod world;
