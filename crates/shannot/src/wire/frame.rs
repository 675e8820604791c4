//! Frames: eight bytes of header and a payload, as in Docker's attach streams.
//!
//! ```text
//! | kind | 0 | 0 | 0 | length, 32 bits, the highest byte first | payload … |
//! ```

use bytes::{Buf as _, Bytes, BytesMut};

/// The bytes of a header.
pub const HEADER: usize = 8;
/// The most bytes of a control frame. Those of output and input are passed on as they come.
pub const LARGEST_CONTROL: usize = 4 << 20;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// JSON about the run.
    Control,
}

impl FrameKind {
    const fn byte(self) -> u8 {
        match self {
            Self::Stdin => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::Control => 3,
        }
    }

    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Stdin),
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            3 => Some(Self::Control),
            _ => None,
        }
    }
}

/// The header of a frame. The payload has less than 4 GiB.
pub fn header(kind: FrameKind, length: u32) -> Bytes {
    let [a, b, c, d] = length.to_be_bytes();
    Bytes::copy_from_slice(&[kind.byte(), 0, 0, 0, a, b, c, d])
}

/// A whole frame. The payload is cut at 4 GiB.
pub fn frame(kind: FrameKind, payload: &[u8]) -> Bytes {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut whole = BytesMut::with_capacity(HEADER + payload.len());
    whole.extend_from_slice(&header(kind, length));
    whole.extend_from_slice(payload);
    whole.freeze()
}

/// What is no sequence of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A header that begins otherwise.
    #[error("it sent something that is no frame")]
    Header,
    /// A control frame of more than [`LARGEST_CONTROL`] bytes.
    #[error("it sent a control frame of {0} bytes")]
    TooLong(usize),
}

/// Some of what a frame carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A part of the payload of a frame that is not a control frame; never empty.
    Data(FrameKind, Bytes),
    /// The whole payload of a control frame.
    Control(Bytes),
}

/// Takes bytes as they come and gives what they carry. It holds no more than one control frame.
#[derive(Debug)]
pub struct Decoder {
    /// The most bytes of a control frame.
    largest: usize,
    /// What has come and was not given yet.
    chunk: Bytes,
    /// The part of a header or of a control frame that came in earlier chunks.
    partial: BytesMut,
    current: Option<(FrameKind, usize)>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self {
            largest: LARGEST_CONTROL,
            chunk: Bytes::new(),
            partial: BytesMut::new(),
            current: None,
        }
    }
}

impl Decoder {
    /// Refuses control frames from now on, before any of their payload is held.
    pub fn refuse_control(&mut self) {
        self.largest = 0;
    }

    /// Takes the next bytes, after all of the earlier ones were given.
    pub fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.chunk.is_empty(), "a chunk before the last one was given");
        self.chunk = chunk;
    }

    /// Whether the end is between two frames.
    pub fn is_between(&self) -> bool {
        self.chunk.is_empty() && self.partial.is_empty() && self.current.is_none()
    }

    /// The next piece; `None` until more bytes come.
    ///
    /// # Errors
    /// These bytes are no frames. No more are to be taken.
    pub fn piece(&mut self) -> Result<Option<Piece>, FrameError> {
        loop {
            let Some((kind, left)) = self.current else {
                let Some(header) = self.take(HEADER) else { return Ok(None) };
                let [kind, 0, 0, 0, a, b, c, d] = header[..] else {
                    return Err(FrameError::Header);
                };
                let kind = FrameKind::of_byte(kind).ok_or(FrameError::Header)?;
                let length = u32::from_be_bytes([a, b, c, d]);
                let length = usize::try_from(length).map_err(|_| FrameError::Header)?;
                if kind == FrameKind::Control && length > self.largest {
                    return Err(FrameError::TooLong(length));
                }
                self.current = Some((kind, length));
                continue;
            };
            if kind == FrameKind::Control {
                let Some(payload) = self.take(left) else { return Ok(None) };
                self.current = None;
                return Ok(Some(Piece::Control(payload)));
            }
            if left == 0 {
                self.current = None;
                continue;
            }
            if self.chunk.is_empty() {
                return Ok(None);
            }
            let part = self.chunk.split_to(left.min(self.chunk.len()));
            self.current = Some((kind, left - part.len()));
            return Ok(Some(Piece::Data(kind, part)));
        }
    }

    /// So many bytes in one piece, once they are there.
    fn take(&mut self, length: usize) -> Option<Bytes> {
        if self.partial.is_empty() && self.chunk.len() >= length {
            return Some(self.chunk.split_to(length));
        }
        let lacks = length - self.partial.len();
        let part = lacks.min(self.chunk.len());
        self.partial.extend_from_slice(&self.chunk[..part]);
        self.chunk.advance(part);
        (self.partial.len() == length).then(|| self.partial.split().freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(frames: &[(FrameKind, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, payload) in frames {
            bytes.extend_from_slice(&header(*kind, u32::try_from(payload.len()).unwrap()));
            bytes.extend_from_slice(payload);
        }
        bytes
    }

    /// However the bytes are cut on their way.
    #[test]
    fn frames_are_what_was_sent() {
        let frames: &[(FrameKind, &[u8])] = &[
            (FrameKind::Control, b"{}"),
            (FrameKind::Stdout, b"one"),
            (FrameKind::Stderr, b""),
            (FrameKind::Stdin, b"two\x00\x01"),
            (FrameKind::Control, b""),
            (FrameKind::Stdout, &[7; 300]),
        ];
        let bytes = framed(frames);
        for size in 1..=bytes.len() {
            let mut decoder = Decoder::default();
            let mut found: Vec<(FrameKind, Vec<u8>)> = Vec::new();
            for chunk in bytes.chunks(size) {
                decoder.push(Bytes::copy_from_slice(chunk));
                while let Some(piece) = decoder.piece().unwrap() {
                    match piece {
                        Piece::Control(payload) => found.push((FrameKind::Control, payload.into())),
                        Piece::Data(kind, part) => match found.last_mut() {
                            Some((last, held)) if *last == kind => held.extend_from_slice(&part),
                            _ => found.push((kind, part.into())),
                        },
                    }
                }
            }
            assert!(decoder.is_between());
            let wanted: Vec<_> = frames
                .iter()
                .filter(|(kind, payload)| *kind == FrameKind::Control || !payload.is_empty())
                .map(|(kind, payload)| (*kind, payload.to_vec()))
                .collect();
            assert_eq!(found, wanted, "in chunks of {size}");
        }
    }

    /// Before any of it is held.
    #[test]
    fn control_frames_can_be_refused() {
        let mut decoder = Decoder::default();
        decoder.push(framed(&[(FrameKind::Control, b"{}")]).into());
        assert!(matches!(decoder.piece(), Ok(Some(Piece::Control(_)))));
        decoder.refuse_control();
        decoder.push(header(FrameKind::Control, 2));
        assert_eq!(decoder.piece(), Err(FrameError::TooLong(2)));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let next = |bytes: &[u8]| {
            let mut decoder = Decoder::default();
            decoder.push(Bytes::copy_from_slice(bytes));
            decoder.piece()
        };
        assert_eq!(next(b"HTTP/1.1 400 Bad Request"), Err(FrameError::Header));
        assert_eq!(next(&[4, 0, 0, 0, 0, 0, 0, 0]), Err(FrameError::Header));
        assert_eq!(next(&[3, 0, 0, 0, 255, 0, 0, 0]), Err(FrameError::TooLong(255 << 24)));
        assert_eq!(next(&[1, 0, 0, 0, 255, 0, 0, 0]), Ok(None));
    }
}
