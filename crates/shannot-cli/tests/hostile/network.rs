//! No packet leaves, no listener of the host's is reached, no table of the network changes.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Command;

use crate::harness::*;

fn both_views() -> [Profile; 2] {
    [Profile::default(), Profile::host_view()]
}

fn the_internet_is_out_of_reach(column: Column) {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    tcp.set_nonblocking(true).expect("fcntl");
    udp.set_nonblocking(true).expect("fcntl");
    let port = |a: std::net::SocketAddr| a.port().to_string();
    let ports = [port(tcp.local_addr().expect("a port")), port(udp.local_addr().expect("a port"))];
    let words = ["internet", &ports[0], &ports[1]];
    let mut rans = Vec::new();
    for profile in both_views() {
        rans.push(refused(column, &profile, &words));
        assert_eq!(tcp.accept().expect_err("nobody").kind(), ErrorKind::WouldBlock);
        assert_eq!(udp.recv(&mut [0]).expect_err("nothing").kind(), ErrorKind::WouldBlock);
    }
    let control = outside(column, &words);
    for ran in rans {
        assert_control(&ran.report, &control, &[]);
    }
    assert!(tcp.accept().is_ok() && udp.recv(&mut [0]).is_ok(), "outside, both are reached");
}

fn raw_sockets_are_refused(column: Column) {
    for profile in both_views() {
        let ran = refused(column, &profile, &["raw-sockets"]);
        if let Some(control) = outside_as_root(&["raw-sockets"]) {
            assert_control(&ran.report, &control, &["alg", "bluetooth", "can", "xdp", "vsock"]);
        }
    }
}

fn local_listeners_are_out_of_reach(column: Column) {
    let fixture = Fixture::new(column, "local");
    let abstract_name = |kind: &str| format!("@shannot-{kind}-{}-{column:?}", std::process::id());
    let paths = ["stream", "dgram"].map(|n| word(&fixture.path(n)).to_owned());
    let names = ["stream", "dgram"].map(abstract_name);
    for (case, [stream, dgram]) in [("path", paths), ("abstract", names)] {
        let (listener, receiver) = listeners(&stream, &dgram);
        listener.set_nonblocking(true).expect("fcntl");
        receiver.set_nonblocking(true).expect("fcntl");
        let words = ["local", &stream, &dgram];
        let mut rans = Vec::new();
        for profile in both_views() {
            rans.push(refused(column, &profile, &words));
            let reached = listener.accept().is_ok() || receiver.recv(&mut [0]).is_ok();
            assert!(!reached, "a listener by {case} was reached");
        }
        let control = outside(column, &words);
        for ran in rans {
            assert_control(&ran.report, &control, &["connect of a pair", "bind of a pair"]);
        }
        assert!(listener.accept().is_ok() && receiver.recv(&mut [0]).is_ok());
    }
}

fn listeners(stream: &str, dgram: &str) -> (UnixListener, UnixDatagram) {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;
    let address = |name: &str| match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name).expect("a name"),
        None => SocketAddr::from_pathname(name).expect("a path"),
    };
    let listener = UnixListener::bind_addr(&address(stream)).expect("a listener");
    let receiver = UnixDatagram::bind_addr(&address(dgram)).expect("a receiver");
    for path in [stream, dgram].into_iter().filter(|p| p.starts_with('/')) {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(path, open).expect("chmod");
    }
    (listener, receiver)
}

fn netlink_opens_as_far_as_the_view_says(column: Column) {
    let check = |profile: &Profile, open: &[&str]| {
        let ran = inside(column, profile, &["netlink-protocols"]);
        for protocol in 0..32 {
            let expected =
                if open.contains(&protocol.to_string().as_str()) { "open" } else { "EACCES" };
            assert_eq!(ran.report.fact(&format!("netlink-{protocol}")), expected, "{protocol}");
        }
    };
    check(&Profile::default(), &[]);
    // NETLINK_ROUTE and NETLINK_SOCK_DIAG.
    check(&Profile::host_view(), &["0", "4"]);
}

fn network_tables_cannot_be_changed(column: Column) {
    let tables = || {
        let ip = |what: &str| {
            let out = Command::new("ip").args(["-o", what, "show"]).output().expect("ip");
            String::from_utf8_lossy(&out.stdout).into_owned()
        };
        [ip("address"), ip("route"), ip("rule")]
    };
    let before = tables();
    let ran = refused(column, &Profile::host_view(), &["netlink-writes"]);
    assert!(
        !ran.report.blocked.values().any(|e| e == "EACCES"),
        "the socket opens: {:?}",
        ran.report
    );
    assert_eq!(tables(), before);
    if let Some(control) = outside_as_root(&["netlink-writes"]) {
        assert_control(&ran.report, &control, &["RTM_DELLINK"]);
    }
    let ran = refused(column, &Profile::host_view(), &["netlink-options"]);
    if let Some(control) = outside_as_root(&["netlink-options"]) {
        assert_control(&ran.report, &control, &[]);
    }
}

fn connections_of_the_host_cannot_be_closed(column: Column) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let client = TcpStream::connect(listener.local_addr().expect("a port")).expect("a connection");
    let (server, _) = listener.accept().expect("a connection");
    let port = |a: std::io::Result<std::net::SocketAddr>| a.expect("a port").port().to_string();
    let (local, remote) = (port(client.local_addr()), port(client.peer_addr()));
    refused(column, &Profile::host_view(), &["destroy-socket", &local, &remote]);
    use std::io::{Read as _, Write as _};
    (&client).write_all(b"x").expect("the connection lives");
    (&server).read_exact(&mut [0]).expect("the connection lives");
}

in_every_column! {
    no_packet_leaves => the_internet_is_out_of_reach;
    no_raw_socket_opens => raw_sockets_are_refused;
    no_local_listener_is_reached => local_listeners_are_out_of_reach;
    netlink_is_for_tables => netlink_opens_as_far_as_the_view_says;
    network_tables_stay => network_tables_cannot_be_changed;
    connections_stay => connections_of_the_host_cannot_be_closed;
}
