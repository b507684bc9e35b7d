//! The host's own addresses are closed to the guest: what listens on all of them is not meant for it. Those that the host
//! has, before the guest sends anything, and those that it gets while the guest runs. So are machines with an address of their
//! own: what comes from here is the host's to them.

use std::io;
use std::process;

use rustix::io::Errno;

use crate::kernel::Kernel;
use crate::netlink::Heard;
use crate::threads::start;

/// Returns when those of now are closed.
pub fn close_each(namespace: Kernel) -> io::Result<()> {
    let host = Kernel::listen()?;
    host.list_addresses()?;
    while !close_heard(&host, &namespace)? {}
    start(move || {
        let Err(fault) = follow(&host, &namespace);
        // Without walls there is no network: the daemon sees its end, and tells.
        eprintln!("banger-link: the host's addresses cannot be followed: {fault}");
        process::exit(1);
    });
    Ok(())
}

fn follow(host: &Kernel, namespace: &Kernel) -> io::Result<std::convert::Infallible> {
    loop {
        match close_heard(host, namespace) {
            // More came than was read: what was lost is asked for.
            Err(fault) if fault.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => host.list_addresses()?,
            outcome => drop(outcome?),
        }
    }
}

/// Whether that was the end of a list.
fn close_heard(host: &Kernel, namespace: &Kernel) -> io::Result<bool> {
    let heard = host.hear()?;
    for what in &heard {
        match what {
            Heard::Own(network) => namespace.close(*network)?,
            Heard::Outcome(0) | Heard::Done => {}
            Heard::Outcome(code) => return Err(io::Error::from_raw_os_error(*code)),
        }
    }
    Ok(heard.contains(&Heard::Done))
}
