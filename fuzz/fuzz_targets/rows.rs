//! What commands of a hostile host print, as rows: they are no more and no longer than is promised, an
//! error names a line that there is, and what a process or a package is called comes back as it was.
//!
//! The first byte says which command it is, the rest is what it prints.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shannot::rows::{
    Disks, Journal, Packages, Processes, Protocol, Query, Rows, Services, Sockets,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((which, output)) = bytes.split_first() else { return };
    let unix = Sockets { protocol: Some(Protocol::Unix), ..Sockets::default() };
    let query = match which {
        b'p' | b'P' => Rows::Processes(Processes::default()),
        b's' | b'S' => Rows::Sockets(Sockets::default()),
        b'u' => Rows::Sockets(unix),
        b'd' | b'D' => Rows::Disks(Disks::default()),
        b'v' => Rows::Services(Services::default()),
        b'j' => Rows::Journal(Journal::default()),
        b'k' | b'K' | b'a' | b'm' => Rows::Packages(Packages::default()),
        _ => return,
    };
    // Capital letters and those behind: the second and later commands of a query.
    let nth = match which {
        b'P' | b'S' | b'D' | b'K' => 1,
        b'a' => 2,
        b'm' => 3,
        _ => 0,
    };
    read(&query, nth, output);
    if let Ok(text) = std::str::from_utf8(output) {
        process(text);
        package(text);
    }
});

fn read(query: &Rows, nth: usize, output: &[u8]) {
    let attempt = &query.attempts()[nth];
    let mut table = match query.parse(attempt, output) {
        Ok(table) => table,
        Err(error) => {
            let lines = output.iter().filter(|byte| **byte == b'\n').count();
            assert!((1..=lines.max(1)).contains(&error.line), "{error}: of {lines} lines");
            assert!(!error.to_string().contains(char::is_control), "{error:?}");
            return;
        }
    };
    assert!(table.rows.len() <= 100 && table.rows.len() as u64 <= table.total);
    assert_eq!(table.cut_short, !output.is_empty() && !output.ends_with(b"\n"));
    for row in &table.rows {
        let texts = row.as_object().expect("a row is an object").values();
        for text in texts.filter_map(|value| value.as_str()) {
            assert!(text.len() < 4096 + 64, "{} bytes are kept", text.len());
        }
    }
    let end = output.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let whole = query.parse(attempt, &output[..end]).expect("it was read before");
    assert_eq!(whole.rows, table.rows, "what is cut short is the same up to there");
    table.shorten(1000);
    assert!(serde_json::to_vec(&table.rows).expect("rows are JSON").len() <= 1002);
}

/// A process of any user with any command, as ps writes one.
fn process(text: &str) {
    let text: String = text.chars().filter(|c| *c != '\n').take(200).collect();
    let (user, command) = text.split_once('\t').unwrap_or(("root", &text));
    let user = user.trim_matches(' ');
    if user.is_empty() || user.chars().count() > 64 {
        return;
    }
    let line = format!("  77     1 S  0.5  8  16  9    3 {user:<64} {command}\n");
    let query = Processes::default();
    let rows = query.parse(&query.attempts()[0], line.as_bytes()).expect("it is a process").rows;
    let [row] = &rows[..] else { panic!("{} processes", rows.len()) };
    assert_eq!((row.pid, row.threads, row.user.as_str()), (77, Some(3), user));
    assert_eq!(row.command, command);
}

/// A package of any name and version, as dpkg-query writes one.
fn package(text: &str) {
    let text: String = text.chars().filter(|c| !"\n\t".contains(*c)).take(200).collect();
    if text.is_empty() {
        return;
    }
    let line = format!("{text}\t{text}\tall\tunpacked\n");
    let query = Packages::default();
    let rows = query.parse(&query.attempts()[0], line.as_bytes()).expect("it is a package").rows;
    let [row] = &rows[..] else { panic!("{} packages", rows.len()) };
    assert_eq!((&row.name, &row.version), (&text, &text));
    assert_eq!(row.status.as_deref(), Some("unpacked"));
}
