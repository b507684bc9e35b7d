//! Every `unsafe` call of the agent, each behind a safe function that says why it is sound.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub enum Fork {
    Parent { child_pid: i32 },
    Child,
}

/// Splits the process in two. Only for the boot, before any thread exists: a lock held by another thread would stay
/// locked in the child for ever.
pub fn fork_single_threaded() -> io::Result<Fork> {
    // SAFETY: the process has one thread (see above), so the child's memory is consistent.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child_pid => Ok(Fork::Parent { child_pid }),
    }
}

/// Makes `title` the command line that others see in `/proc/<pid>/cmdline`.
pub fn set_process_title(title: &str) -> io::Result<()> {
    let title = CString::new(title)?.into_bytes_with_nul();
    let start = title.leak();
    let end = start.as_ptr_range().end as usize;
    let start = start.as_ptr() as usize;
    // The start moves first: the kernel refuses a start above the end, and the heap lies below the old arguments.
    for (field, address) in [(libc::PR_SET_MM_ARG_START, start), (libc::PR_SET_MM_ARG_END, end)] {
        // SAFETY: the range is readable memory that was leaked above and so lives as long as the process.
        if unsafe { libc::prctl(libc::PR_SET_MM, field, address, 0, 0) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Grows a mounted ext4 to `blocks` of its own block size.
pub fn resize_ext4(mount_point: BorrowedFd, blocks: u64) -> io::Result<()> {
    const EXT4_IOC_RESIZE_FS: libc::Ioctl = 0x4008_6610_u32 as libc::Ioctl;
    // SAFETY: the kernel reads one u64 through the pointer, which outlives the call.
    check(unsafe { libc::ioctl(mount_point.as_raw_fd(), EXT4_IOC_RESIZE_FS, &raw const blocks) })
}

/// Writes everything of a mounted filesystem to its place, empties its journal, and lets nobody write to it any more.
pub fn freeze(mount_point: BorrowedFd) -> io::Result<()> {
    const FIFREEZE: libc::Ioctl = 0xC004_5877_u32 as libc::Ioctl;
    // SAFETY: this operation takes no argument, and the kernel reads and writes no memory of ours.
    check(unsafe { libc::ioctl(mount_point.as_raw_fd(), FIFREEZE, 0) })
}

/// Gives a network interface its address, its netmask and takes it up.
pub fn configure_interface(name: &str, address: Ipv4Addr, netmask: Ipv4Addr) -> io::Result<()> {
    let socket = inet_socket()?;
    let mut request = interface_request(name)?;
    request.ifr_ifru.ifru_addr = socket_address(address);
    interface_ioctl(&socket, libc::SIOCSIFADDR as libc::Ioctl, &mut request)?;
    request.ifr_ifru.ifru_netmask = socket_address(netmask);
    interface_ioctl(&socket, libc::SIOCSIFNETMASK as libc::Ioctl, &mut request)?;
    take_interface_up(name)
}

pub fn take_interface_up(name: &str) -> io::Result<()> {
    let socket = inet_socket()?;
    let mut request = interface_request(name)?;
    interface_ioctl(&socket, libc::SIOCGIFFLAGS as libc::Ioctl, &mut request)?;
    // SAFETY: SIOCGIFFLAGS has just filled this member of the union, and a c_short has no invalid values.
    let flags = unsafe { request.ifr_ifru.ifru_flags };
    request.ifr_ifru.ifru_flags = flags | (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    interface_ioctl(&socket, libc::SIOCSIFFLAGS as libc::Ioctl, &mut request)
}

/// Adds a route to one host on the link (`gateway` none) or the default route through `gateway`.
pub fn add_route(interface: &str, host: Option<Ipv4Addr>, gateway: Option<Ipv4Addr>) -> io::Result<()> {
    let socket = inet_socket()?;
    let mut device = CString::new(interface)?.into_bytes_with_nul();
    // SAFETY: all-zero bytes are a valid rtentry: integers, addresses of family 0 and null pointers.
    let mut route: libc::rtentry = unsafe { mem::zeroed() };
    route.rt_dst = socket_address(host.unwrap_or(Ipv4Addr::UNSPECIFIED));
    route.rt_genmask = socket_address(host.map_or(Ipv4Addr::UNSPECIFIED, |_| Ipv4Addr::BROADCAST));
    route.rt_gateway = socket_address(gateway.unwrap_or(Ipv4Addr::UNSPECIFIED));
    route.rt_flags = libc::RTF_UP
        | if host.is_some() { libc::RTF_HOST } else { 0 }
        | if gateway.is_some() { libc::RTF_GATEWAY } else { 0 };
    route.rt_dev = device.as_mut_ptr().cast();
    // SAFETY: the kernel reads one rtentry and the C string behind rt_dev; both outlive the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCADDRT as libc::Ioctl, &raw const route) })
}

/// From now on these signals wait for `next_signal` instead of acting on the process.
pub fn block_signals(signals: &[i32]) {
    let set = signal_set(signals);
    // SAFETY: the set is initialised and outlives the call; a null pointer for the old mask is allowed.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Waits for one of the blocked `signals`; `None` when `timeout_ms` passed first.
pub fn next_signal(signals: &[i32], timeout_ms: i64) -> Option<i32> {
    let set = signal_set(signals);
    let timeout = libc::timespec { tv_sec: timeout_ms / 1000, tv_nsec: timeout_ms % 1000 * 1_000_000 };
    // SAFETY: both pointers are to initialised values that outlive the call; the info pointer may be null.
    let signal = unsafe { libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const timeout) };
    (signal > 0).then_some(signal)
}

pub fn ignore_signals(signals: &[i32]) {
    for &signal in signals {
        // SAFETY: SIG_IGN installs no handler, so nothing runs in signal context.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Every signal acts as in a fresh process and none is blocked. Safe to call between fork and exec.
pub fn reset_signals() {
    const HIGHEST_SIGNAL: i32 = 64;
    for signal in 1..=HIGHEST_SIGNAL {
        // SAFETY: SIG_DFL installs no handler; signals that cannot be changed are refused, which is harmless.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    let none = signal_set(&[]);
    // SAFETY: the set is initialised and outlives the call; a null pointer for the old mask is allowed.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

pub fn send_signal(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two integers and touches no memory of ours.
    check(unsafe { libc::kill(pid, signal) })
}

/// Runs `prepare` in the child between fork and exec. It must not allocate or take locks: other threads of the agent
/// may hold the allocator's lock at the moment of the fork.
pub fn before_exec(command: &mut Command, prepare: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: every `prepare` of this program makes system calls on values built before the fork, and nothing else.
    unsafe { command.pre_exec(prepare) };
}

/// Lets the runtime wait for a descriptor.
pub fn watch_descriptor(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open for as long as it lives and always has the same number.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}

/// For connections to a port of this machine.
pub fn listen_on_vsock(port: u32) -> io::Result<OwnedFd> {
    const BACKLOG: i32 = 8;
    let socket = vsock_socket()?;
    let address = vsock_address(libc::VMADDR_CID_ANY, port);
    // SAFETY: the kernel reads one sockaddr_vm through the pointer, which outlives the call.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), VSOCK_ADDRESS_BYTES) })?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Fails at once where nobody listens, and after 2 s where nobody answers.
pub fn connect_to_vsock_host(port: u32) -> io::Result<OwnedFd> {
    let socket = vsock_socket()?;
    let address = vsock_address(libc::VMADDR_CID_HOST, port);
    // SAFETY: the kernel reads one sockaddr_vm through the pointer, which outlives the call.
    check(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), VSOCK_ADDRESS_BYTES) })?;
    Ok(socket)
}

/// The number of the machine at the other end.
pub fn vsock_peer(connection: &OwnedFd) -> io::Result<u32> {
    let mut address = vsock_address(libc::VMADDR_CID_ANY, 0);
    let mut length = VSOCK_ADDRESS_BYTES;
    // SAFETY: the kernel writes at most `length` bytes into the address; both outlive the call.
    check(unsafe { libc::getpeername(connection.as_raw_fd(), (&raw mut address).cast(), &raw mut length) })?;
    let is_vsock = address.svm_family == libc::AF_VSOCK as libc::sa_family_t;
    if is_vsock { Ok(address.svm_cid) } else { Err(io::ErrorKind::InvalidInput.into()) }
}

const VSOCK_ADDRESS_BYTES: libc::socklen_t = mem::size_of::<libc::sockaddr_vm>() as libc::socklen_t;

fn vsock_socket() -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    Ok(socket_with(AddressFamily::VSOCK, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

fn vsock_address(cid: u32, port: u32) -> libc::sockaddr_vm {
    // SAFETY: all-zero bytes are a valid sockaddr_vm, which consists of plain integers.
    let mut address: libc::sockaddr_vm = unsafe { mem::zeroed() };
    address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
    (address.svm_cid, address.svm_port) = (cid, port);
    address
}

fn signal_set(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: an all-zero sigset_t is valid memory, and sigemptyset and sigaddset only write into it.
    unsafe {
        let mut set: libc::sigset_t = mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

fn inet_socket() -> io::Result<std::net::UdpSocket> {
    std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))
}

fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all-zero bytes are a valid ifreq: an empty name and a union of plain integers and null pointers.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn interface_ioctl(socket: &impl AsRawFd, operation: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the SIOC?IF* operations read and write one ifreq, which outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), operation, &raw mut *request) })
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let inet = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: sockaddr_in and sockaddr have the same size and both consist of plain integers.
    unsafe { mem::transmute::<libc::sockaddr_in, libc::sockaddr>(inet) }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
