//! Attacks by sockets.

use std::net::{Ipv4Addr, SocketAddrV4};

use rustix::io::Errno;
use rustix::net::{AddressFamily as Af, SocketAddrUnix, SocketFlags, SocketType, netlink};
use rustix::net::{connect, ipproto, sendto, socket, socketpair};
use std::os::unix::ffi::OsStrExt as _;

use super::Attack;

const AREA: &str = "network";

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new(AREA, "connect to a TCP port of the host", |g| {
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, g.port());
        connect(socket(Af::INET, SocketType::STREAM, None)?, &to)
    }),
    Attack::new(AREA, "send by UDP", |g| {
        let fd = socket(Af::INET, SocketType::DGRAM, None)?;
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, g.port());
        sendto(&fd, b"", rustix::net::SendFlags::empty(), &to).map(drop)
    }),
    Attack::new(AREA, "make an IPv6 socket", |_| made(Af::INET6, SocketType::STREAM))
        .or(&[Errno::AFNOSUPPORT]),
    Attack::new(AREA, "make a raw socket", |_| {
        socket(Af::INET, SocketType::RAW, Some(ipproto::ICMP)).map(drop)
    }),
    Attack::new(AREA, "make a packet socket", |_| made(Af::PACKET, SocketType::RAW)),
    Attack::new(AREA, "make a VSOCK socket", |_| made(Af::VSOCK, SocketType::STREAM))
        .or(&[Errno::AFNOSUPPORT]),
    Attack::new(AREA, "connect to a socket's file", |g| {
        connect(unix(SocketType::STREAM)?, &SocketAddrUnix::new(g.path("socket"))?)
    }),
    Attack::new(AREA, "connect to an abstract socket", |g| {
        let path = g.path("");
        let name = path.as_os_str().as_bytes();
        let name = name.strip_suffix(b"/").unwrap_or(name);
        connect(unix(SocketType::STREAM)?, &SocketAddrUnix::new_abstract_name(name)?)
    }),
    Attack::new(AREA, "send from a pair's end", |g| {
        let flags = SocketFlags::CLOEXEC;
        let (end, _other) = socketpair(Af::UNIX, SocketType::DGRAM, flags, None)?;
        let to = SocketAddrUnix::new(g.path("socket"))?;
        sendto(&end, b"", rustix::net::SendFlags::empty(), &to).map(drop)
    }),
    Attack::new(AREA, "talk to generic netlink", |_| {
        socket(Af::NETLINK, SocketType::RAW, Some(netlink::GENERIC)).map(drop)
    }),
    Attack::new(AREA, "listen to the audit log", |_| {
        socket(Af::NETLINK, SocketType::RAW, Some(netlink::AUDIT)).map(drop)
    }),
];

fn made(family: Af, kind: SocketType) -> Result<(), Errno> {
    socket(family, kind, None).map(drop)
}

fn unix(kind: SocketType) -> Result<std::os::fd::OwnedFd, Errno> {
    socket(Af::UNIX, kind, None)
}
