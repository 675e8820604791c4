//! Sockets: `ss`, or where there is none `netstat`.

use serde::{Deserialize, Serialize};

use super::found::Found;
use super::text::{Line, Lines, kept};
use super::{Ending, ParseError, Query, RowLimit, Silence, words};

/// What to ask of sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Sockets {
    /// Only those that wait for connections or datagrams.
    pub listening: bool,
    /// Only those of this protocol; without, all but those of Unix.
    pub protocol: Option<Protocol>,
    /// Only those with this port, on either side.
    pub port: Option<u16>,
    /// The most rows.
    pub limit: RowLimit,
}

/// A kind of socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP, over IPv4 and IPv6.
    Tcp,
    /// UDP, over IPv4 and IPv6.
    Udp,
    /// Raw IP.
    Raw,
    /// Unix, of every type.
    Unix,
}

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Socket {
    /// `tcp`, `udp`, `raw`, `unix_stream`, `unix_dgram` or `unix_seqpacket`; another as ss names it.
    pub protocol: String,
    /// `LISTEN`, `ESTAB`, `UNCONN` and the like, as ss names them.
    pub state: String,
    /// Bytes that wait to be read; of a socket that listens, connections that wait to be accepted.
    pub recv_q: u64,
    /// Bytes that are not acknowledged; of a socket that listens, the most connections that may wait.
    pub send_q: u64,
    /// The address, `*` for any; of Unix the path, with `@` for an abstract one.
    pub local_address: String,
    /// The port, of raw sockets the protocol's number; none for any.
    pub local_port: Option<u16>,
    /// The interface that the socket is bound to, or that the address is of.
    pub interface: Option<String>,
    /// The other side's address.
    pub peer_address: String,
    /// The other side's port.
    pub peer_port: Option<u16>,
    /// The user that made it, by number; in a box of tier T2 65534 for all but its own. Not told of Unix
    /// and raw sockets, and by netstat.
    pub uid: Option<u32>,
    /// The inode, which `/proc/PID/fd` names.
    pub inode: Option<u64>,
    /// The processes that have it open, as far as they may be seen into.
    pub processes: Vec<SocketProcess>,
}

/// A process that has a socket open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SocketProcess {
    /// Its name, which it may choose.
    pub name: String,
    /// Its id.
    pub pid: u32,
}

/// What lists sockets.
#[derive(Debug, Clone, Copy)]
pub enum Dialect {
    /// `ss` of iproute2.
    Ss,
    /// `netstat` of busybox or net-tools.
    Netstat,
}

impl Query for Sockets {
    type Row = Socket;
    type Dialect = Dialect;
    const DIALECTS: &'static [Dialect] = &[Dialect::Ss, Dialect::Netstat];

    fn stages(&self, dialect: Dialect) -> Vec<Vec<String>> {
        let which = if self.listening { "-l" } else { "-a" };
        let argv = match dialect {
            // ss leaves out the column of protocols where there can be one alone.
            Dialect::Ss => match self.protocol {
                None => words(["ss", "-H", "-n", which, "-p", "-e", "-t", "-u", "-w"]),
                Some(Protocol::Tcp | Protocol::Udp) => {
                    words(["ss", "-H", "-n", which, "-p", "-e", "-t", "-u"])
                }
                Some(Protocol::Raw) => words(["ss", "-H", "-n", which, "-p", "-e", "-u", "-w"]),
                Some(Protocol::Unix) => words(["ss", "-H", "-n", which, "-p", "-x"]),
            },
            Dialect::Netstat => words(["netstat", "-n", which, "-p", "-t", "-u", "-w"]),
        };
        vec![argv]
    }

    fn ending(dialect: Dialect) -> Ending {
        match dialect {
            Dialect::Ss => Ending { most_code: 0, silence: Silence::Answers },
            Dialect::Netstat => Ending { most_code: 0, silence: Silence::SaysNothing },
        }
    }

    fn rows(
        &self,
        dialect: Dialect,
        lines: Lines<'_>,
        found: &mut Found<Socket>,
    ) -> Result<(), ParseError> {
        for line in lines {
            let socket = match dialect {
                Dialect::Ss if self.protocol == Some(Protocol::Unix) => unix(line)?,
                Dialect::Ss => inet(line)?,
                Dialect::Netstat if is_title(line) => continue,
                Dialect::Netstat => netstat(line)?,
            };
            if self.wants(&socket) {
                found.push(socket);
            }
        }
        Ok(())
    }

    fn limit(&self) -> RowLimit {
        self.limit
    }
}

impl Sockets {
    fn wants(&self, socket: &Socket) -> bool {
        let protocol = match self.protocol {
            None | Some(Protocol::Unix) => true,
            Some(Protocol::Tcp) => socket.protocol == "tcp",
            Some(Protocol::Udp) => socket.protocol == "udp",
            Some(Protocol::Raw) => socket.protocol == "raw",
        };
        let ports = [socket.local_port, socket.peer_port];
        protocol && self.port.is_none_or(|port| ports.contains(&Some(port)))
    }
}

/// The columns that every kind of socket has first.
fn head(line: &mut Line<'_>) -> Result<Socket, ParseError> {
    let protocol = match line.word("a protocol")? {
        "u_str" => "unix_stream",
        "u_dgr" => "unix_dgram",
        "u_seq" => "unix_seqpacket",
        other => other,
    };
    Ok(Socket {
        protocol: kept(protocol),
        state: kept(line.word("a state")?),
        recv_q: line.number("the length of the receive queue")?,
        send_q: line.number("the length of the send queue")?,
        local_address: String::new(),
        local_port: None,
        interface: None,
        peer_address: String::new(),
        peer_port: None,
        uid: None,
        inode: None,
        processes: Vec::new(),
    })
}

fn inet(mut line: Line<'_>) -> Result<Socket, ParseError> {
    let mut socket = head(&mut line)?;
    addresses(&mut socket, &mut line)?;
    let (processes, details) = users(line.rest());
    socket.processes = processes;
    // What a control group's name may say stands behind all of these.
    for detail in details.split_whitespace().take_while(|word| !word.starts_with("cgroup:")) {
        match detail.split_once(':') {
            Some(("uid", uid)) => socket.uid = uid.parse().ok(),
            Some(("ino", inode)) => socket.inode = inode.parse().ok().filter(|inode| *inode != 0),
            _ => {}
        }
    }
    // ss leaves out root's number. What has no inode has no user any more.
    if socket.inode.is_some() && socket.uid.is_none() {
        socket.uid = Some(0);
    }
    Ok(socket)
}

fn addresses(socket: &mut Socket, line: &mut Line<'_>) -> Result<(), ParseError> {
    let mut side = || {
        let before = *line;
        let word = line.word("an address with a port")?;
        address(word).ok_or_else(|| before.error("an address with a port"))
    };
    let (local, peer) = (side()?, side()?);
    (socket.local_address, socket.interface, socket.local_port) = local;
    let (address, interface, port) = peer;
    (socket.peer_address, socket.peer_port) = (address, port);
    socket.interface = socket.interface.take().or(interface);
    Ok(())
}

/// `192.0.2.1:22`, `[fe80::1]%eth0:22`, `0.0.0.0%eth0:68`, `*:*`, and without brackets as of netstat.
fn address(word: &str) -> Option<(String, Option<String>, Option<u16>)> {
    let (host, port) = word.rsplit_once(':')?;
    let port = if port == "*" { None } else { Some(port.parse().ok()?) };
    let (host, interface) = match host.split_once('%') {
        Some((host, interface)) => (host, Some(kept(interface.trim_end_matches(']')))),
        None => (host, None),
    };
    Some((kept(host.trim_start_matches('[').trim_end_matches(']')), interface, port))
}

/// The longest name of a process: `TASK_COMM_LEN` without its end, proc_pid_comm(5).
const LONGEST_NAME: usize = 15;

/// The processes of `users:(("sshd",pid=1,fd=3),…)`, and what stands behind it. A name may hold all of
/// these characters, but is too short for a whole process, and for an end with a detail behind it.
fn users(text: &str) -> (Vec<SocketProcess>, &str) {
    let text = text.trim_start_matches(' ');
    let Some(mut rest) = text.strip_prefix("users:(") else {
        return (Vec::new(), text);
    };
    let mut processes: Vec<SocketProcess> = Vec::new();
    while let Some((process, behind)) = user(rest) {
        // One process may have the socket open as several descriptors.
        if processes.last() != Some(&process) {
            processes.push(process);
        }
        match behind.strip_prefix(',') {
            Some(next) => rest = next,
            None => return (processes, behind.strip_prefix(')').unwrap_or(behind)),
        }
    }
    (processes, rest)
}

/// The first process of several, and what stands behind it.
fn user(text: &str) -> Option<(SocketProcess, &str)> {
    candidates(text).find(|(_, behind)| match behind.strip_prefix(')') {
        Some(end) => {
            let end = end.trim_start_matches(' ');
            let details = ["timer:", "uid:", "ino:", "sk:"];
            end.is_empty() || details.iter().any(|key| end.starts_with(key))
        }
        None => behind.strip_prefix(',').is_some_and(|next| candidates(next).next().is_some()),
    })
}

/// Every way to read one process, up to and with its parenthesis, where the text begins.
fn candidates(text: &str) -> impl Iterator<Item = (SocketProcess, &str)> {
    let name = text.strip_prefix("(\"").unwrap_or_default();
    let ends = name.char_indices().map(|(at, _)| at).take(LONGEST_NAME + 1);
    ends.filter_map(|at| {
        let rest = name[at..].strip_prefix("\",pid=")?;
        let (pid, rest) = rest.split_once(",fd=")?;
        let (fd, behind) = rest.split_once(')')?;
        let pid = pid.parse().ok()?;
        fd.parse::<u32>().ok()?;
        Some((SocketProcess { name: kept(&name[..at]), pid }, behind))
    })
}

/// Paths of Unix sockets may have anything in them, also spaces: they are what is left between the
/// columns before them and, from the right, those behind.
fn unix(mut line: Line<'_>) -> Result<Socket, ParseError> {
    let mut socket = head(&mut line)?;
    let text = line.rest().trim_matches(' ');
    let (sides, processes) = match text.rfind(" users:((\"") {
        Some(at) => (&text[..at], users(&text[at..]).0),
        None => (text, Vec::new()),
    };
    let numbered = |text: &str| {
        let (name, number) = text.trim_end_matches(' ').rsplit_once(' ')?;
        Some((name.trim_end_matches(' ').len(), number.parse::<u64>().ok()?))
    };
    let parts = numbered(sides).and_then(|(end, _)| {
        let (before, peer) = sides[..end].rsplit_once(' ')?;
        let (end, inode) = numbered(before)?;
        Some((&before[..end], inode, peer))
    });
    let Some((local, inode, peer)) = parts else {
        return Err(line.error("a path and an inode of both sides"));
    };
    socket.local_address = kept(local.trim_start_matches(' '));
    socket.peer_address = kept(peer);
    socket.inode = Some(inode);
    socket.processes = processes;
    Ok(socket)
}

fn is_title(line: Line<'_>) -> bool {
    line.whole().starts_with("Active ") || line.whole().starts_with("Proto ")
}

fn netstat(mut line: Line<'_>) -> Result<Socket, ParseError> {
    let protocol = line.word("a protocol")?;
    let recv_q = line.number("the length of the receive queue")?;
    let send_q = line.number("the length of the send queue")?;
    let mut socket = Socket {
        protocol: kept(protocol.trim_end_matches('6')),
        state: "UNCONN".to_owned(),
        recv_q,
        send_q,
        local_address: String::new(),
        local_port: None,
        interface: None,
        peer_address: String::new(),
        peer_port: None,
        uid: None,
        inode: None,
        processes: Vec::new(),
    };
    addresses(&mut socket, &mut line)?;
    // Datagrams mostly have no state; `PID/name`, or `-`, stands behind it.
    let mut behind = line;
    if let Ok(word) = behind.word("a state")
        && word != "-"
        && !word.contains('/')
    {
        socket.state = match word {
            "ESTABLISHED" => "ESTAB".to_owned(),
            "TIME_WAIT" => "TIME-WAIT".to_owned(),
            "CLOSE_WAIT" => "CLOSE-WAIT".to_owned(),
            other => kept(other),
        };
        line = behind;
    }
    let program = line.rest().trim_matches(' ');
    if let Some((pid, name)) = program.split_once('/')
        && let Ok(pid) = pid.parse()
    {
        socket.processes.push(SocketProcess { name: kept(name), pid });
    }
    Ok(socket)
}
