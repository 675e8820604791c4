//! What travels to an agent and back: however the bytes are cut, they are the same frames; a message that
//! is read says the same when it is written again; a greeting is one and holds nothing to show.
//!
//! The first byte says what the rest is: `f` frames, `q` a request, `o` an outcome, `g` a line that may
//! greet.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shannot::wire::{
    Decoder, FrameKind, Greeting, LARGEST_CONTROL, OutcomeMessage, Piece, ProblemMessage,
    ProfileChoice, RunRequest, SignalMessage, frame,
};
use shannot_fuzz::bare_profile;

fuzz_target!(|bytes: &[u8]| {
    match bytes {
        [b'f', rest @ ..] => frames(rest),
        [b'q', rest @ ..] => {
            same_again::<SignalMessage>(rest);
            same_again::<RunRequest>(rest).iter().for_each(request);
        }
        [b'o', rest @ ..] => {
            same_again::<ProblemMessage>(rest);
            if let Some(message) = same_again::<OutcomeMessage>(rest) {
                outcome(message);
            }
        }
        [b'g', rest @ ..] => greeting(rest),
        _ => {}
    }
});

/// What frames carry: whole payloads, joined with their neighbours where they are of one output.
type Carried = Vec<(FrameKind, Vec<u8>)>;

fn frames(bytes: &[u8]) {
    let told = model(bytes);
    for chunk in [1, 2, 3, 7, bytes.len().max(1)] {
        assert_eq!(decoded(bytes, chunk), told, "cut every {chunk} bytes");
    }
    let (carried, end) = told;
    let again: Vec<u8> = carried.iter().flat_map(|(kind, payload)| frame(*kind, payload)).collect();
    if end != End::Wrong {
        assert_eq!(decoded(&again, again.len().max(1)), (carried, End::Between));
    }
}

/// Where a stream ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Between,
    /// In a frame that goes on.
    Within,
    /// In what is no frame.
    Wrong,
}

fn decoded(bytes: &[u8], chunk: usize) -> (Carried, End) {
    let mut decoder = Decoder::default();
    let mut carried = Carried::new();
    for part in bytes.chunks(chunk) {
        decoder.push(Bytes::copy_from_slice(part));
        loop {
            match decoder.piece() {
                Ok(None) => break,
                Ok(Some(Piece::Control(payload))) => {
                    carry(&mut carried, FrameKind::Control, &payload)
                }
                Ok(Some(Piece::Data(kind, payload))) => {
                    assert!(!payload.is_empty() && kind != FrameKind::Control);
                    carry(&mut carried, kind, &payload);
                }
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    return (carried, End::Wrong);
                }
            }
        }
    }
    let end = if decoder.is_between() { End::Between } else { End::Within };
    (carried, end)
}

fn carry(carried: &mut Carried, kind: FrameKind, payload: &[u8]) {
    match carried.last_mut() {
        Some((last, held)) if *last == kind && kind != FrameKind::Control => {
            held.extend_from_slice(payload);
        }
        _ => carried.push((kind, payload.to_vec())),
    }
}

/// The form of a frame as the document says it, read in one piece.
fn model(mut bytes: &[u8]) -> (Carried, End) {
    let mut carried = Carried::new();
    while !bytes.is_empty() {
        let Some((header, rest)) = bytes.split_first_chunk::<8>() else {
            return (carried, End::Within);
        };
        let kinds = [FrameKind::Stdin, FrameKind::Stdout, FrameKind::Stderr, FrameKind::Control];
        let kind = kinds.get(usize::from(header[0])).copied();
        let (Some(kind), [0, 0, 0]) = (kind, &header[1..4]) else { return (carried, End::Wrong) };
        let length = header[4..].iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if kind == FrameKind::Control && length > LARGEST_CONTROL {
            return (carried, End::Wrong);
        }
        let there = &rest[..length.min(rest.len())];
        let whole = there.len() == length;
        if kind == FrameKind::Control && whole || kind != FrameKind::Control && !there.is_empty() {
            carry(&mut carried, kind, there);
        }
        if !whole {
            return (carried, End::Within);
        }
        bytes = &rest[length..];
    }
    (carried, End::Between)
}

/// Reads a message and, where it is one, sees that it is read the same when it is written again.
fn same_again<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(
    json: &[u8],
) -> Option<T> {
    let message: T = serde_json::from_slice(json).ok()?;
    let written = serde_json::to_vec(&message).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("and read again"), message);
    Some(message)
}

/// A request that can be made is sent as what it is.
fn request(sent: &RunRequest) {
    let request = match sent.request(bare_profile().name) {
        Ok(request) => request,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let again = RunRequest::new(&request, ProfileChoice::Name("t".to_owned()));
    assert_eq!(again.request(bare_profile().name).expect("it was made before"), request);
}

/// What an agent says of an outcome is one, or is refused.
fn outcome(message: OutcomeMessage) {
    match message.outcome("far") {
        Ok(outcome) => {
            let again = OutcomeMessage::from(&outcome);
            again.outcome("far").expect("it was one before");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn greeting(line: &[u8]) {
    let Some(greeting) = Greeting::parse(line) else { return };
    let shown = greeting.to_string();
    assert_eq!(Greeting::parse(shown.as_bytes()), Some(greeting));
    assert!(line.len() < 128 && shown.chars().all(|c| c.is_ascii_graphic() || c == ' '));
}
