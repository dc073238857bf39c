use std::sync::Mutex;

use super::*;

#[test]
fn a_stalled_writer_stalls_nobody_and_what_was_lost_is_told() {
    let (go, wait) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let written = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&written);
    let mut first = true;
    let write = move |item: Item<Vec<u8>>| {
        if std::mem::take(&mut first) {
            begin.send(()).unwrap();
            let _ = wait.recv();
        }
        to.lock().unwrap().push(item);
    };
    let outlet = Outlet::start(write).unwrap();
    let sent = 1 + QUEUE + 100;
    outlet.put(b"0".to_vec());
    begun.recv().unwrap();
    for number in 1..sent {
        outlet.put(number.to_string().into_bytes());
    }
    let lost = outlet.lost();
    assert_eq!(lost, 100);
    assert!(!outlet.flush(Duration::ZERO));
    go.send(()).unwrap();
    while !outlet.flush(Duration::from_secs(1)) {}
    let written = written.lock().unwrap();
    assert_eq!(written[0], Item::Record(b"0".to_vec()));
    assert_eq!(written[1], Item::Lost(lost));
    assert_eq!(written.len() as u64, sent as u64 - lost + 1);
}

#[test]
fn a_line_beyond_the_limit_is_cut_and_still_ends() {
    let (put, got) = mpsc::channel();
    let outlet = Outlet::start(move |it| drop(put.send(it))).unwrap();
    let lines = Lines { outlet, coloured: false };
    lines.make_writer().write_all(&vec![b'x'; LONGEST_RECORD + 1]).unwrap();
    let Item::Record(line) = got.recv().unwrap() else { panic!("nothing was lost") };
    assert_eq!((line.len(), line.last()), (LONGEST_RECORD + 1, Some(&b'\n')));
}

#[test]
fn a_record_is_one_line_and_obeyed_by_no_terminal() {
    let (put, got) = mpsc::channel();
    let outlet = Outlet::start(move |it| drop(put.send(it))).unwrap();
    for (coloured, told) in [(false, "a\\u{1b}[1mb\\nc\n"), (true, "a\u{1b}[1mb\\nc\n")] {
        let lines = Lines { outlet: outlet.clone(), coloured };
        lines.make_writer().write_all(b"a\x1b[1mb\nc\n").unwrap();
        assert_eq!(got.recv().unwrap(), Item::Record(told.as_bytes().to_vec()));
    }
}
