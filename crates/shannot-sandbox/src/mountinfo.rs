//! The text of a mount table, this host's or another's, `proc_pid_mountinfo(5)`.

/// One line.
#[cfg_attr(not(boxes), expect(dead_code, reason = "of another host's table less is asked"))]
#[derive(Debug)]
pub(crate) struct Entry<'t> {
    pub(crate) id: u64,
    pub(crate) device: &'t [u8],
    pub(crate) root: Vec<u8>,
    pub(crate) point: Vec<u8>,
    pub(crate) options: &'t [u8],
    pub(crate) fstype: &'t [u8],
    pub(crate) super_options: &'t [u8],
}

/// The lines of a table; one that is not as the kernel writes it is passed over.
pub(crate) fn entries(table: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    table.split(|b| *b == b'\n').filter_map(|line| {
        let mut fields = line.split(|b| *b == b' ');
        let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        let device = fields.nth(1)?;
        let root = unescape(fields.next()?);
        let point = unescape(fields.next()?);
        let options = fields.next()?;
        let mut after = fields.skip_while(|f| *f != b"-").skip(1);
        let fstype = after.next()?;
        let super_options = after.nth(1)?;
        Some(Entry { id, device, root, point, options, fstype, super_options })
    })
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                out.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                after
            }
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    out
}
