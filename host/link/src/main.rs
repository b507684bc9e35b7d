//! Holds one vm's network, as processes of the same program. Two are around pasta:
//!
//! ```text
//! banger-link outside … -- pasta … -- banger-link inside … -- passt …
//! ```
//!
//! `inside` runs in the namespace that pasta made. It closes what the guest may not reach, opens the sockets that the
//! guest finds there, hands them out, and becomes passt once it is told to. `outside` is in the host's own network and
//! serves those sockets: names, and the ports of the host that the vm was given. It also closes the host's own addresses,
//! by a line to the kernel that was opened in the namespace. Nothing of it listens on the host.
//!
//! QEMU connects to passt by itself. A hypervisor that takes only a tap device has two more around it:
//!
//! ```text
//! banger-link tap … -- firecracker …
//!   └ banger-link relay …
//! ```
//!
//! `tap` runs in the hypervisor's own namespace. It makes the device there, connects to passt, starts `relay`, which carries
//! frames between the two, gives up its power and becomes the hypervisor.
//!
//! A machine with an address of its own has the tap that root made for it in passt's place:
//!
//! ```text
//! banger-link routed … -- bwrap … -- banger-link carry …
//! ```
//!
//! `routed` runs in the host's own network, where it opens the tap, which it may as its owner, and makes the socket. `carry`
//! is left with those two alone, behind walls, and carries frames between them.
#![forbid(unsafe_code)]

mod addresses;
mod arguments;
mod carry;
mod frames;
mod handover;
mod host_ports;
mod inherited;
mod inside;
mod kernel;
mod links;
mod names;
mod outside;
mod own_addresses;
mod power;
mod program;
mod query;
mod queue;
mod relay;
mod resolvers;
mod routed;
mod tap;
mod threads;

use std::process::ExitCode;

use arguments::Arguments;

fn main() -> ExitCode {
    let outcome = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| match arguments {
        Arguments::Inside(link, program) => inside::become_program(&link, &program),
        Arguments::Outside(link, program) => outside::serve_until_end(&link, &program),
        Arguments::Tap(tap, program) => tap::become_program(&tap, &program),
        Arguments::Relay(device, ended) => relay::carry_until_end(&device, &ended),
        Arguments::Routed(wire, program) => routed::become_program(&wire, &program),
        Arguments::Carry => carry::carry_until_end(),
    });
    outcome.unwrap_or_else(|problem| {
        eprintln!("banger-link: {problem}");
        ExitCode::FAILURE
    })
}
