//! Frames in, frames out, however the stream is cut.

use proptest::prelude::*;

use super::*;

const MOST: usize = 300;

/// A masked frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(MASKED | u8::try_from(length).unwrap()),
        Ok(length) => {
            frame.push(MASKED | 126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(MASKED | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn run(stream: &[u8], cuts: &[usize]) -> (Result<Vec<u8>, Endless>, Vec<Kind>) {
    let kinds = Kinds::default();
    let mut sieve = Sieve::new(MOST, kinds.clone());
    let mut out = BytesMut::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([stream.len()]) {
        if let Err(endless) = sieve.push(&stream[start..end], &mut out) {
            return (Err(endless), Vec::new());
        }
        start = end;
    }
    (Ok(out.to_vec()), std::iter::from_fn(|| kinds.next()).collect())
}

fn passes(stream: &[u8]) -> (Vec<u8>, Vec<Kind>) {
    let (out, kinds) = run(stream, &[]);
    (out.unwrap(), kinds)
}

#[test]
fn what_fits_passes_as_binary_and_its_kind_is_kept() {
    let stream = [frame(0x81, b"{}"), frame(0x89, b"ping"), frame(0x82, &[7; 300])].concat();
    let wanted = [frame(0x82, b"{}"), frame(0x89, b"ping"), frame(0x82, &[7; 300])].concat();
    assert_eq!(passes(&stream), (wanted, vec![Kind::Text, Kind::Binary]));
}

#[test]
fn a_message_that_is_too_long_becomes_an_empty_one() {
    let long = [frame(0x81, &[b'x'; 301]), frame(0x81, b"{}")].concat();
    let wanted = [frame(0x82, b""), frame(0x82, b"{}")].concat();
    assert_eq!(passes(&long), (wanted, vec![Kind::TooLong, Kind::Text]));
}

#[test]
fn a_message_in_pieces_is_measured_as_a_whole() {
    let stream = [
        frame(0x01, &[b'x'; 200]),
        frame(0x00, &[b'x'; 200]),
        frame(0x8a, b"pong"),
        frame(0x80, &[b'x'; 10]),
        frame(0x81, b"{}"),
    ];
    let wanted =
        [frame(0x02, &[b'x'; 200]), frame(0x8a, b"pong"), frame(0x80, b""), frame(0x82, b"{}")];
    assert_eq!(passes(&stream.concat()), (wanted.concat(), vec![Kind::TooLong, Kind::Text]));
}

#[test]
fn a_message_that_does_not_end_is_an_error() {
    let mut stream = frame(0x01, &[b'x'; 301]);
    for _ in 0..16 {
        stream.extend(frame(0x00, &[b'x'; 300]));
    }
    assert_eq!(run(&stream, &[]).0, Err(Endless));
    let mut said_to_be_huge = vec![0x81, MASKED | 127];
    said_to_be_huge.extend(u64::MAX.to_be_bytes());
    said_to_be_huge.extend([0; 4]);
    assert_eq!(run(&said_to_be_huge, &[]).0, Err(Endless));
}

#[test]
fn a_message_has_no_more_frames_than_its_bytes_call_for() {
    let in_pieces = |count: u64, piece: &[u8]| {
        let begin = frame(0x01, piece);
        let more = (2..count).flat_map(|_| frame(0x00, piece));
        begin.into_iter().chain(more).chain(frame(0x80, piece)).collect::<Vec<u8>>()
    };
    assert_eq!(passes(&in_pieces(FRAMES, b"")).1, [Kind::Text]);
    assert_eq!(run(&in_pieces(FRAMES + 1, b""), &[]).0, Err(Endless));
    assert_eq!(passes(&in_pieces(FRAMES + 4, b"x")).1, [Kind::Text], "of 260 bytes");
    assert_eq!(run(&in_pieces(FRAMES + 5, b"x"), &[]).0, Err(Endless));
    let messages = in_pieces(FRAMES, b"").repeat(3);
    assert_eq!(passes(&messages).1, [Kind::Text; 3], "each for itself");
}

#[test]
fn what_is_against_the_protocol_passes_as_it_came() {
    let unmasked = vec![0x81, 2, b'{', b'}'];
    let reserved = frame(0xc1, b"{}");
    let unknown = frame(0x83, b"{}");
    let lonely = frame(0x80, b"{}");
    let twice = [frame(0x01, b"{"), frame(0x81, b"}")].concat();
    for stream in [unmasked, reserved, unknown, lonely] {
        assert_eq!(passes(&stream), (stream.clone(), vec![]), "{stream:?}");
    }
    assert_eq!(passes(&twice).0, [frame(0x02, b"{"), frame(0x81, b"}")].concat());
}

proptest! {
    #[test]
    fn cutting_the_stream_anywhere_makes_no_difference(
        messages in prop::collection::vec((prop::collection::vec(0_usize..250, 1..4), any::<bool>()), 0..5),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut stream = Vec::new();
        let mut wanted = Vec::new();
        for (pieces, is_text) in &messages {
            for (number, length) in pieces.iter().enumerate() {
                let opcode = if number > 0 { CONTINUATION } else if *is_text { TEXT } else { BINARY };
                let end = if number + 1 == pieces.len() { FIN } else { 0 };
                stream.extend(frame(end | opcode, &vec![b'x'; *length]));
            }
            let total: usize = pieces.iter().sum();
            let kind = if *is_text { Kind::Text } else { Kind::Binary };
            wanted.push(if total > MOST { Kind::TooLong } else { kind });
        }
        let mut cuts: Vec<usize> = cuts.drain(..).map(|it| it.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let whole = run(&stream, &[]);
        prop_assert_eq!(&run(&stream, &cuts), &whole);
        prop_assert_eq!(whole.1, wanted);
    }
}
