//! What `banger-link` and `banger-root` have in common: how the kernel is told of networks, and asked.
//!
//! ```text
//! netlink   messages, as bytes and back: pure
//! line      a socket to the kernel, for those messages
//! sys       every `unsafe` call of both programs
//! ```

pub mod line;
pub mod netlink;
pub mod sys;
