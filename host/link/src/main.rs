//! Holds one vm's network, as two processes of the same program around pasta:
//!
//! ```text
//! banger-link outside … -- pasta … -- banger-link inside … -- passt …
//! ```
//!
//! `inside` runs in the namespace that pasta made. It closes what the guest may not reach, opens the sockets that the
//! guest finds there, hands them out, and becomes passt once it is told to. `outside` is in the host's own network and
//! serves those sockets: names, and the ports of the host that the vm was given. It also closes the host's own addresses,
//! by a line to the kernel that was opened in the namespace. Nothing of it listens on the host.

mod arguments;
mod handover;
mod host_ports;
mod inside;
mod kernel;
mod names;
mod netlink;
mod outside;
mod own_addresses;
mod query;
mod resolvers;
mod threads;

use std::process::ExitCode;

use arguments::{Arguments, Side};

fn main() -> ExitCode {
    let outcome = match Arguments::parse(std::env::args().skip(1)) {
        Ok(Arguments { side: Side::Inside, link, program }) => inside::become_program(&link, &program),
        Ok(Arguments { side: Side::Outside, link, program }) => outside::serve_until_end(&link, &program),
        Err(problem) => Err(problem),
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("banger-link: {problem}");
        ExitCode::FAILURE
    })
}
