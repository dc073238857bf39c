use super::*;

fn hash(of: u8) -> B256 {
    B256::repeat_byte(of)
}

fn window(blocks: &[(u64, u8)]) -> Window {
    Window(blocks.iter().map(|(number, of)| (*number, hash(*of))).collect())
}

#[test]
fn the_window_is_bounded_and_keeps_the_newest() {
    let mut window = Window::default();
    for number in 0..200 {
        window.push(number, hash(1));
    }
    assert_eq!(window.0.len(), WINDOW);
    assert_eq!(window.newest(), Some((199, hash(1))));
}

#[test]
fn a_block_takes_the_place_of_all_from_its_number_on() {
    let mut window = window(&[(1, 1), (2, 2), (3, 3)]);
    window.push(2, hash(9));
    assert_eq!(window.0, [(1, hash(1)), (2, hash(9))]);
}

#[test]
fn a_reorganisation_begins_after_the_last_common_block() {
    let window = window(&[(1, 1), (2, 2), (5, 5)]);
    assert_eq!(window.first_gone(Some(5)), None);
    assert_eq!(window.first_gone(Some(2)), Some(3));
    assert_eq!(window.first_gone(Some(1)), Some(2));
    assert_eq!(window.first_gone(None), Some(1));
    assert_eq!(Window::default().first_gone(None), None);
}
