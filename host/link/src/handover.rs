//! Sockets that were opened in the namespace, on their way out of it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

use crate::kernel::Kernel;

/// More than the kernel, names and the most host ports that a vm may have
const MAX_SOCKETS: usize = 128;

pub struct Sockets {
    /// Of the namespace
    pub kernel: Kernel,
    pub names_udp: UdpSocket,
    pub names_tcp: TcpListener,
    /// In the order of the arguments
    pub host_ports: Vec<TcpListener>,
}

pub fn send(channel: BorrowedFd, sockets: &Sockets) -> io::Result<()> {
    let mut descriptors = vec![sockets.kernel.as_fd(), sockets.names_udp.as_fd(), sockets.names_tcp.as_fd()];
    descriptors.extend(sockets.host_ports.iter().map(AsFd::as_fd));
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("too many host ports"));
    }
    sendmsg(channel, &[IoSlice::new(b"x")], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// None when the other side ended without sending any.
pub fn receive(channel: BorrowedFd) -> io::Result<Option<Sockets>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SOCKETS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(channel, &mut [IoSliceMut::new(&mut byte)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let mut received = Vec::<OwnedFd>::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            received.extend(descriptors);
        }
    }
    let mut received = received.into_iter();
    let (Some(kernel), Some(udp), Some(tcp)) = (received.next(), received.next(), received.next()) else {
        return Ok(None);
    };
    let host_ports = received.map(TcpListener::from).collect();
    Ok(Some(Sockets { kernel: kernel.into(), names_udp: udp.into(), names_tcp: tcp.into(), host_ports }))
}
