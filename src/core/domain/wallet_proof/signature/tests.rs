use super::*;

fn written(r: U256, s: U256, v: u8) -> String {
    let bytes = [&r.to_be_bytes::<32>()[..], &s.to_be_bytes::<32>(), &[v]].concat();
    hex::encode_prefixed(bytes)
}

const ONE: U256 = uint!(1_U256);

#[test]
fn both_ways_to_write_v_are_read_and_one_is_written() {
    for (v, odd) in [(0, false), (27, false), (1, true), (28, true)] {
        let signature = parse_signature(&written(ONE, HALF_ORDER, v)).unwrap();
        assert_eq!(signature.v(), odd);
        assert_eq!(write_signature(&signature), written(ONE, HALF_ORDER, 27 + u8::from(odd)));
    }
}

#[test]
fn any_other_v_is_refused() {
    for v in (2..27).chain(29..=255) {
        let fault = parse_signature(&written(ONE, ONE, v)).unwrap_err();
        assert_eq!(fault, SignatureFault::RecoveryId { v });
    }
}

#[test]
fn scalars_out_of_range_are_refused() {
    let zero = U256::ZERO;
    for (r, s, which) in
        [(zero, ONE, "r"), (ORDER, ONE, "r"), (U256::MAX, ONE, "r"), (ONE, zero, "s")]
    {
        let fault = parse_signature(&written(r, s, 27)).unwrap_err();
        assert_eq!(fault, SignatureFault::Range { which }, "{r} {s}");
    }
    assert!(parse_signature(&written(ORDER - ONE, ONE, 27)).is_ok());
}

#[test]
fn the_upper_half_of_s_is_refused() {
    assert_eq!(ORDER - HALF_ORDER, HALF_ORDER + ONE);
    for s in [HALF_ORDER + ONE, ORDER - ONE] {
        assert_eq!(parse_signature(&written(ONE, s, 27)), Err(SignatureFault::HighS));
    }
    let beyond = parse_signature(&written(ONE, ORDER, 27));
    assert_eq!(beyond, Err(SignatureFault::Range { which: "s" }));
}

#[test]
fn a_mirror_image_is_known_by_whose_it_is() {
    use alloy_signer::SignerSync;
    let signer = alloy_signer_local::PrivateKeySigner::from_slice(&[7; 32]).unwrap();
    let good = signer.sign_hash_sync(&B256::ZERO).unwrap();
    let mirrored = written(good.r(), ORDER - good.s(), 28 - u8::from(good.v()));
    assert!(is_mirror_image(B256::ZERO, &mirrored, signer.address()));
    assert!(!is_mirror_image(B256::ZERO, &mirrored, Address::ZERO));
    assert!(!is_mirror_image(B256::repeat_byte(1), &mirrored, signer.address()));
    for text in [&write_signature(&good), "", "0x", &mirrored[..130]] {
        assert!(!is_mirror_image(B256::ZERO, text, signer.address()), "{text}");
    }
}

#[test]
fn other_lengths_and_other_texts_are_refused_by_name() {
    let good = written(ONE, ONE, 27);
    assert_eq!(parse_signature(&good[..130]), Err(SignatureFault::Compact));
    for bytes in [0, 1, 63, 66, 1000] {
        let text = format!("0x{}", "11".repeat(bytes));
        assert_eq!(parse_signature(&text), Err(SignatureFault::Length { bytes }));
    }
    let twice = format!("0x0x{}", "1".repeat(128));
    let spaced = format!("{good} ");
    let strange = good.replace('1', "g");
    let wide = format!("0x{}", "é".repeat(65));
    for text in ["", "0", "0x1", &good[2..], &twice, &spaced, &strange, &wide] {
        assert_eq!(parse_signature(text), Err(SignatureFault::NotHex), "{text}");
    }
}

#[test]
fn an_r_that_is_no_point_belongs_to_nobody() {
    // x = 5 is not the x of a point: 5³ + 7 is no square modulo the field's prime.
    let signature = parse_signature(&written(uint!(5_U256), ONE, 27)).unwrap();
    assert_eq!(recover(B256::ZERO, &signature), Err(SignatureFault::Unrecoverable));
}
