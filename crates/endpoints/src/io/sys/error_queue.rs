//! The error queue of a UDP socket (ip(7), `IP_RECVERR`; ipv6(7), `IPV6_RECVERR`):
//! which of our datagrams came back, with what ICMP message, from whom.

use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// Bytes for control messages: the error with its offender, packet information,
/// type of service and a time stamp.
const CONTROL: usize = 512;

/// Where an error comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This system: the datagram did not leave.
    Local,
    /// ICMP of IPv4.
    Icmp,
    /// ICMP of IPv6.
    Icmp6,
}

/// An entry of the queue; its quote is in the caller's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) origin: Origin,
    /// ICMP type.
    pub(crate) kind: u8,
    /// ICMP code.
    pub(crate) code: u8,
    /// The error number it stands for.
    pub(crate) errno: i32,
    /// The node that sent the message.
    pub(crate) offender: Option<IpAddr>,
    /// Where our datagram was going.
    pub(crate) destination: SocketAddr,
    /// Bytes of our datagram in the buffer.
    pub(crate) length: usize,
}

/// A buffer that is aligned for control messages.
#[repr(C)]
union Control {
    bytes: [MaybeUninit<u8>; CONTROL],
    _align: libc::cmsghdr,
}

/// Takes the next entry off the queue and the bytes of our datagram that it
/// quotes, without headers. Never waits. Entries of other kinds (time stamps of
/// sent packets) are passed over.
///
/// # Errors
/// What recvmsg(2) says, except that the queue is empty: that is `None`.
pub(crate) fn next(socket: BorrowedFd<'_>, quote: &mut [u8]) -> io::Result<Option<Entry>> {
    loop {
        // SAFETY: all-zero bytes are a valid (unspecified) address.
        let mut name: libc::sockaddr_storage = unsafe { zeroed() };
        let mut control = Control { bytes: [MaybeUninit::uninit(); CONTROL] };
        let mut part = libc::iovec { iov_base: quote.as_mut_ptr().cast(), iov_len: quote.len() };
        // SAFETY: all-zero bytes are a valid (empty) message header.
        let mut header: libc::msghdr = unsafe { zeroed() };
        header.msg_name = (&raw mut name).cast();
        header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = CONTROL as _;
        let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
        // SAFETY: the header points to buffers that live through the call, with their lengths.
        let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
        let Ok(length) = usize::try_from(length) else {
            match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                e if e.kind() == io::ErrorKind::Interrupted => continue,
                e => return Err(e),
            }
        };
        // SAFETY: the kernel filled in the header, whose buffers still live.
        let Some((error, offender)) = (unsafe { extended_error(&header) }) else { continue };
        let origin = match error.ee_origin {
            libc::SO_EE_ORIGIN_LOCAL => Origin::Local,
            libc::SO_EE_ORIGIN_ICMP => Origin::Icmp,
            libc::SO_EE_ORIGIN_ICMP6 => Origin::Icmp6,
            _ => continue,
        };
        // SAFETY: `name` is a socket address as large as any.
        let Some(destination) = (unsafe { address((&raw const name).cast()) }) else { continue };
        return Ok(Some(Entry {
            origin,
            kind: error.ee_type,
            code: error.ee_code,
            errno: i32::try_from(error.ee_errno).unwrap_or(0),
            offender: offender.map(|a| a.ip()),
            destination,
            length: length.min(quote.len()),
        }));
    }
}

/// Finds the error and its offender among the control messages.
///
/// # Safety
/// The header must be one that recvmsg(2) filled in, with its control buffer alive.
unsafe fn extended_error(
    header: &libc::msghdr,
) -> Option<(libc::sock_extended_err, Option<SocketAddr>)> {
    let wanted = size_of::<libc::sock_extended_err>();
    // SAFETY: the header and its control buffer are the kernel's work.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    while !next.is_null() {
        // SAFETY: a non-null result of the two macros is a control message
        // within the buffer, which is aligned for them.
        let message = unsafe { &*next };
        let found = (message.cmsg_level == libc::SOL_IP && message.cmsg_type == libc::IP_RECVERR)
            || (message.cmsg_level == libc::SOL_IPV6 && message.cmsg_type == libc::IPV6_RECVERR);
        // SAFETY: computes a length only.
        let head = unsafe { libc::CMSG_LEN(0) } as usize;
        let length = (message.cmsg_len as usize).saturating_sub(head);
        if found && length >= wanted {
            // SAFETY: the message has at least the bytes of this structure, which
            // consists of integers; the read makes no claim on alignment.
            let data = unsafe { libc::CMSG_DATA(next) };
            let error = unsafe { data.cast::<libc::sock_extended_err>().read_unaligned() };
            // The offender's address follows; its family says how long it is.
            let rest = length - wanted;
            let offender = if rest >= size_of::<libc::sockaddr_in>() {
                // SAFETY: all-zero bytes are a valid (unspecified) address.
                let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
                let count = rest.min(size_of::<libc::sockaddr_storage>());
                // SAFETY: `count` bytes are within the message and within `storage`.
                unsafe {
                    let from = data.add(wanted);
                    std::ptr::copy_nonoverlapping(from, (&raw mut storage).cast(), count);
                    address((&raw const storage).cast())
                }
            } else {
                None
            };
            return Some((error, offender));
        }
        // SAFETY: as for the first message.
        next = unsafe { libc::CMSG_NXTHDR(header, next) };
    }
    None
}

/// Reads a socket address of IPv4 or IPv6.
///
/// # Safety
/// `storage` must be readable as a whole `sockaddr_storage`.
unsafe fn address(storage: *const libc::sockaddr_storage) -> Option<SocketAddr> {
    // SAFETY: readable by contract; the family says which structure it is, and
    // the casts follow the family.
    unsafe {
        match libc::c_int::from((*storage).ss_family) {
            libc::AF_INET => {
                let a = &*storage.cast::<libc::sockaddr_in>();
                let ip = Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr));
                Some(SocketAddr::from((ip, u16::from_be(a.sin_port))))
            }
            libc::AF_INET6 => {
                let a = &*storage.cast::<libc::sockaddr_in6>();
                let ip = Ipv6Addr::from(a.sin6_addr.s6_addr);
                let port = u16::from_be(a.sin6_port);
                Some(SocketAddrV6::new(ip, port, 0, a.sin6_scope_id).into())
            }
            _ => None,
        }
    }
}
