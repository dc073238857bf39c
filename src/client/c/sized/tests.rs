use super::*;

/// A structure of a program of another age: its size, and what is in it.
struct Foreign {
    /// Of words, so that it begins where a structure may.
    words: Vec<u64>,
    size: usize,
}

impl Foreign {
    fn of(size: usize, filling: u8) -> Self {
        let mut words = vec![u64::from_ne_bytes([filling; 8]); size / 8 + 2];
        words[0] = size as u64;
        Self { words, size }
    }

    fn bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|it| it.to_ne_bytes()).collect()
    }

    fn write(&mut self, verdict: &Verdict) -> State {
        // SAFETY: there are more bytes than the size says.
        unsafe { Out::new(self.words.as_mut_ptr().cast()) }.unwrap().write(verdict)
    }

    fn after(&self) -> Vec<u8> {
        self.bytes().split_off(self.size)
    }
}

fn yes() -> Verdict {
    Verdict {
        state: State::Yes,
        rank: 20,
        tier: crate::text::whole("pro"),
        features: crate::text::whole("{\"export\":true}"),
        ..Verdict::INIT
    }
}

#[test]
fn an_older_program_gets_what_it_has_room_for() {
    for size in [SHORTEST_VERDICT, offset_of!(Verdict, rank), offset_of!(Verdict, features)] {
        let mut older = Foreign::of(size, 0xaa);
        assert_eq!(older.write(&yes()), State::Yes);
        let bytes = older.bytes();
        assert_eq!(bytes[..8], (size as u64).to_ne_bytes(), "its size is its own");
        assert_eq!(bytes[8..12], 1_u32.to_ne_bytes(), "the state");
        assert!(older.after().iter().all(|it| *it == 0xaa), "{size}: not a byte more");
    }
}

#[test]
fn a_newer_program_finds_zero_in_what_this_library_does_not_know_of() {
    let size = size_of::<Verdict>() + 40;
    let mut newer = Foreign::of(size, 0xaa);
    newer.write(&yes());
    let bytes = newer.bytes();
    assert!(bytes[size_of::<Verdict>()..size].iter().all(|it| *it == 0));
    assert!(newer.after().iter().all(|it| *it == 0xaa), "not a byte more");
    assert_eq!(crate::text::of_field(&bytes[offset_of!(Verdict, tier)..]), "pro");
}

#[test]
fn a_size_that_cannot_be_is_refused() {
    for size in [0, 8, SHORTEST_VERDICT - 1, LONGEST + 1, usize::MAX] {
        let mut verdict = Verdict { size, ..Verdict::INIT };
        // SAFETY: nothing beyond the size is looked at.
        unsafe {
            assert!(Out::new(&raw mut verdict).is_none(), "{size}");
            assert!(read_verdict(&raw const verdict).is_none(), "{size}");
        }
    }
}

#[test]
fn a_verdict_is_read_as_far_as_its_program_knows_of_it() {
    let mut newer = Foreign::of(size_of::<Verdict>() + 40, 0xaa);
    newer.write(&yes());
    // SAFETY: there are as many bytes as the size says.
    let read = unsafe { read_verdict(newer.words.as_ptr().cast()) }.unwrap();
    assert_eq!((read.state, read.rank, read.features), (State::Yes, 20, yes().features));
    let mut older = Foreign::of(offset_of!(Verdict, features), 0xaa);
    older.write(&yes());
    // SAFETY: as above.
    let read = unsafe { read_verdict(older.words.as_ptr().cast()) }.unwrap();
    assert_eq!((read.rank, read.features), (20, Verdict::INIT.features));
}

#[test]
fn a_state_that_is_none_is_not_read() {
    let mut verdict = Foreign::of(size_of::<Verdict>(), 0);
    verdict.write(&yes());
    verdict.words[1] = 77;
    // SAFETY: there are as many bytes as the size says.
    assert!(unsafe { read_verdict(verdict.words.as_ptr().cast()) }.is_none());
}

#[test]
fn options_of_another_age() {
    // SAFETY: there are as many bytes as each size says.
    let read = |it: &Foreign| unsafe { super::read::<Options>(it.words.as_ptr().cast()) };
    let older = Foreign::of(size_of::<usize>(), 0xaa);
    let options = read(&older).unwrap();
    assert!(options.socket.is_null() && options.publisher.is_null() && options.timeout_ms == 0);
    let newer = Foreign::of(size_of::<Options>() + 16, 0);
    assert!(read(&newer).is_some(), "what it asks for is the default");
    let mut newer = Foreign::of(size_of::<Options>() + 16, 0);
    newer.words[size_of::<Options>() / 8] = 1;
    assert!(read(&newer).is_none(), "it asks for what is not known here");
    assert!(read(&Foreign::of(0, 0)).is_none());
    // A program of before asks for no version, and takes nobody's word for a block, whatever lies behind what it knows of.
    let before = Foreign::of(offset_of!(Options, min_version), 0xaa);
    let options = read(&before).unwrap();
    assert_eq!((options.min_version, options.accept_maker), (0, 0));
    let before = Question { size: offset_of!(Question, min_version), ..Question::INIT };
    let before = Question { min_version: 7, reserved: 7, ..before };
    // SAFETY: nothing beyond the size is read.
    let question = unsafe { super::read(&raw const before) }.unwrap();
    assert_eq!((question.min_version, question.accept_maker), (0, 0));
    // What is reserved may be asked for one day.
    let question = Question { reserved: 1, ..Question::INIT };
    // SAFETY: whole structures, or NULL.
    unsafe {
        assert!(super::read(&raw const question).is_none());
        assert!(super::read(&Question::INIT).is_some());
        assert!(super::read(ptr::null::<Question>()).is_none());
    }
}

/// Half of a pointer leads anywhere, and a text that is cut has no end.
#[test]
fn a_size_inside_a_member_is_refused() {
    fn given<T: Given>(whole: &[usize]) {
        for size in 0..=size_of::<T>() {
            // SAFETY: there are as many bytes as the size says.
            let read = unsafe { super::read::<T>(Foreign::of(size, 0).words.as_ptr().cast()) };
            assert_eq!(read.is_some(), whole.contains(&size), "{size}");
        }
    }
    given::<Options>(&[8, 16, 24, 28, 32, 36, 40]);
    given::<Question>(&[8, 16, 24, 32, 40, 48, 52, 56, 60, 64]);
    given::<SeatRequest>(&[8, 16, 24, 32, 40]);

    let inside = [
        offset_of!(Verdict, expires_at) + 4,
        offset_of!(Verdict, tier) - 1,
        offset_of!(Verdict, features) + 1,
        size_of::<Verdict>() - 1,
    ];
    for size in inside {
        let mut verdict = Foreign::of(size, 0);
        // SAFETY: there are as many bytes as the size says.
        unsafe {
            assert!(Out::<Verdict>::new(verdict.words.as_mut_ptr().cast()).is_none(), "{size}");
            assert!(read_verdict(verdict.words.as_ptr().cast()).is_none(), "{size}");
        }
    }
    let told = |size| {
        let mut info = Foreign::of(size, 0);
        // SAFETY: there are as many bytes as the size says.
        unsafe { Out::<SeatInfo>::new(info.words.as_mut_ptr().cast()) }.is_some()
    };
    for size in [offset_of!(SeatInfo, queue), offset_of!(SeatInfo, tier), size_of::<SeatInfo>()] {
        assert!(told(size) && !told(size - 1), "{size}");
    }
    assert!(told(size_of::<SeatInfo>() + 1), "what a later one has is not known here");
}
