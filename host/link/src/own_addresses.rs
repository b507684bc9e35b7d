//! The host's own addresses are closed to the guest: what listens on all of them is not meant for it. Those that the host
//! has, before the guest sends anything, and those that it gets while the guest runs. So are machines with an address of their
//! own: what comes from here is the host's to them.

use std::convert::Infallible;
use std::io;
use std::process;

use banger_kernel::netlink::Heard;
use rustix::io::Errno;

use crate::addresses::own_network;
use crate::kernel::Kernel;
use crate::threads::start;

/// Returns when those of now are closed.
pub fn close_each(namespace: Kernel) -> io::Result<()> {
    let mut addresses = Addresses { host: Kernel::listen()?, namespace, is_list_whole: true };
    addresses.host.list_addresses()?;
    while !addresses.close_heard()? {}
    start(move || {
        let Err(fault) = addresses.follow();
        // Without walls there is no network: the daemon sees its end, and tells.
        eprintln!("banger-link: the host's addresses cannot be followed: {fault}");
        process::exit(1);
    });
    Ok(())
}

struct Addresses {
    host: Kernel,
    namespace: Kernel,
    /// Nothing of it changed while it was told
    is_list_whole: bool,
}

impl Addresses {
    fn follow(&mut self) -> io::Result<Infallible> {
        loop {
            match self.close_heard() {
                // More came than was read: what was lost is asked for.
                Err(fault) if fault.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) => {
                    self.host.list_addresses()?;
                }
                outcome => drop(outcome?),
            }
        }
    }

    /// Whether that was the end of a list. One that may lack something is asked for again.
    fn close_heard(&mut self) -> io::Result<bool> {
        let mut is_end = false;
        for what in self.host.hear()? {
            match what {
                Heard::Item(kind, body) => {
                    if let Some(network) = own_network(kind, &body) {
                        self.namespace.close(network)?;
                    }
                }
                Heard::Interrupted => self.is_list_whole = false,
                Heard::Done => {
                    is_end = std::mem::replace(&mut self.is_list_whole, true);
                    if !is_end {
                        self.host.list_addresses()?;
                    }
                }
                Heard::Outcome(0) => {}
                Heard::Outcome(code) => return Err(io::Error::from_raw_os_error(code)),
            }
        }
        Ok(is_end)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::thread;

    use banger_kernel::netlink::message;

    use super::*;
    use crate::addresses::{add_address, list_addresses};

    const DONE: u16 = 3;
    const OUTCOME: u16 = 2;
    const CHANGED_MEANWHILE: u16 = 0x10;

    #[test]
    fn a_list_that_changed_while_it_was_told_is_asked_for_again() {
        let (host, kernel) = line();
        let (namespace, rules) = line();
        let closing = thread::spawn(move || {
            let mut request = [0; 1024];
            (0..2).map(|_| rules.recv(&mut request).and_then(|_| rules.send(&outcome()))).filter(Result::is_ok).count()
        });
        let mut addresses = Addresses { host, namespace, is_list_whole: true };
        let [first, second] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|address| add_address(address.into()));
        kernel.send(&[first, message(DONE, CHANGED_MEANWHILE, &[0; 4])].concat()).unwrap();
        assert!(!addresses.close_heard().unwrap());
        let mut asked = [0; 1024];
        let length = kernel.recv(&mut asked).unwrap();
        assert_eq!(asked[..length], list_addresses());
        kernel.send(&[second, message(DONE, 0, &[0; 4])].concat()).unwrap();
        assert!(addresses.close_heard().unwrap());
        assert_eq!(closing.join().unwrap(), 2);
    }

    /// One, and its other end
    fn line() -> (Kernel, UnixDatagram) {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        (std::os::fd::OwnedFd::from(ours).into(), theirs)
    }

    fn outcome() -> Vec<u8> {
        message(OUTCOME, 0, &0_i32.to_ne_bytes())
    }
}
