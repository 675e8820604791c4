//! Whose a connection on loopback is.
//!
//! Every user of a machine can connect to its loopback ports. The kernel lists all connections with
//! their owners, in `/proc/net` (proc_net(5)); where that cannot be read, nothing is served.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// States of a connection, of the kernel's `include/net/tcp_states.h`.
const ESTABLISHED: &str = "01";
const LISTENING: &str = "0A";

/// The list may lose an entry that does not change while others do, between two reads of it: on a host
/// with many short connections, several times in a row. One that is found ends the search.
const LOOKS: u32 = 40;
/// How long others are left to change before another look.
const PAUSE: Duration = Duration::from_millis(2);

/// The user whose server this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner(u32);

impl Owner {
    /// # Errors
    /// The kernel does not tell.
    pub(super) fn of_listener(own: SocketAddr) -> io::Result<Self> {
        let nobody = match own {
            SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
            SocketAddr::V6(_) => SocketAddr::from(([0; 16], 0)),
        };
        find(own, nobody, LISTENING)?.map(Self).ok_or_else(|| {
            io::Error::other(format!("`{}` does not list this server", list(own.ip())))
        })
    }

    /// Whether the far end of a connection is this user's. It is not where that end has closed it: the
    /// kernel does not know any more whose it was.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub(super) fn has(self, peer: SocketAddr, own: SocketAddr) -> io::Result<bool> {
        Ok(find(peer, own, ESTABLISHED)? == Some(self.0))
    }
}

/// The owner of the socket with these ends.
fn find(own: SocketAddr, far: SocketAddr, state: &str) -> io::Result<Option<u32>> {
    for look_number in 0..LOOKS {
        if look_number > 0 {
            std::thread::sleep(PAUSE);
        }
        if let Some(uid) = look(own, far, state)? {
            return Ok(Some(uid));
        }
        // A client's socket for IPv6 may be connected by IPv4.
        if let (SocketAddr::V4(own), SocketAddr::V4(far)) = (own, far) {
            let map = |v4: std::net::SocketAddrV4| (v4.ip().to_ipv6_mapped(), v4.port()).into();
            // A kernel without IPv6 has no such list.
            if let Ok(Some(uid)) = look(map(own), map(far), state) {
                return Ok(Some(uid));
            }
        }
    }
    Ok(None)
}

fn list(ip: IpAddr) -> &'static str {
    match ip {
        IpAddr::V4(_) => "/proc/net/tcp",
        IpAddr::V6(_) => "/proc/net/tcp6",
    }
}

fn look(own: SocketAddr, far: SocketAddr, state: &str) -> io::Result<Option<u32>> {
    let (list, own, far) = (list(own.ip()), written(own), written(far));
    for line in BufReader::new(File::open(list)?).lines() {
        let line = line?;
        let mut fields = line.split_ascii_whitespace().skip(1);
        let ends = [fields.next(), fields.next(), fields.next()];
        if ends == [Some(own.as_str()), Some(far.as_str()), Some(state)] {
            return Ok(fields.nth(3).and_then(|uid| uid.parse().ok()));
        }
    }
    Ok(None)
}

/// An address as the kernel lists it: 32 bits at a time, as a number of this machine's.
fn written(address: SocketAddr) -> String {
    let number = |part: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(part));
    let ip = match address.ip() {
        IpAddr::V4(ip) => number(ip.octets()),
        IpAddr::V6(ip) => ip.octets().as_chunks::<4>().0.iter().map(|part| number(*part)).collect(),
    };
    format!("{ip}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection of this process, and its two ends.
    fn connected(at: &str) -> (TcpListener, TcpStream, SocketAddr, SocketAddr) {
        let listener = TcpListener::bind(at).unwrap();
        let own = listener.local_addr().unwrap();
        let client = TcpStream::connect(own).unwrap();
        let peer = client.local_addr().unwrap();
        (listener, client, peer, own)
    }

    #[test]
    fn a_connection_is_its_users_until_it_is_closed() {
        for at in ["127.0.0.1:0", "[::1]:0"] {
            let (listener, client, peer, own) = connected(at);
            let owner = Owner::of_listener(own).unwrap();
            assert!(owner.has(peer, own).unwrap(), "{at}");
            assert!(!Owner(owner.0 + 1).has(peer, own).unwrap(), "{at}");
            let other = SocketAddr::new(peer.ip(), peer.port() ^ 1);
            assert!(!owner.has(other, own).unwrap(), "{at}");
            // It lists closed ones as root's.
            drop(client);
            assert!(!owner.has(peer, own).unwrap(), "{at}");
            assert!(!Owner(0).has(peer, own).unwrap(), "{at}");
            drop(listener);
        }
    }

    #[test]
    fn addresses_are_written_as_the_kernel_does() {
        let of = |text: &str| written(text.parse().unwrap());
        if cfg!(target_endian = "little") {
            assert_eq!(of("127.0.0.1:80"), "0100007F:0050");
            assert_eq!(of("[::1]:65535"), "00000000000000000000000001000000:FFFF");
            assert_eq!(of("[::ffff:127.0.0.1]:1"), "0000000000000000FFFF00000100007F:0001");
        }
    }
}
