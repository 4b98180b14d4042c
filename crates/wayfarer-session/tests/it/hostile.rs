//! Whatever comes in, nothing panics, and what is taken for genuine comes back as it went in.

use jiff::Timestamp;
use proptest::prelude::*;
use wayfarer_session::{
    CookieKeys, Raw, Ticket,
    django::{DjangoCodec, DjangoKeys, Refused, SALT},
};

fn codec() -> DjangoCodec {
    let keys = DjangoKeys::new("the-secret-key-of-a-test").unwrap();
    DjangoCodec::new(&keys, SALT).unwrap().with_max_bytes(1 << 16)
}

/// Text that looks like JSON often enough to get far into a reader.
fn almost_json() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"a\"",
        "\"\\ud800\"",
        "\"\\u12\"",
        "\"",
        "\\",
        "NaN",
        "-Infinity",
        "-",
        "1e400",
        "01",
        "123456789012345678901234567890",
        "true",
        "nul",
        " ",
        "\n",
        "é",
        "\u{0}",
    ]);
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_ticket_is_read_from_no_junk(text in ".*", keyish in "[A-Za-z0-9_.-]{0,120}") {
        let keys = CookieKeys::new(&[7; 32]).unwrap();
        prop_assert!(Ticket::verify(&text, &keys).is_none());
        prop_assert!(Ticket::verify(&keyish, &keys).is_none());
    }

    #[test]
    fn a_value_that_nobody_signed_is_refused(text in ".*", parts in "[A-Za-z0-9_:.-]{0,120}") {
        prop_assert_eq!(codec().decode(&text).err(), Some(Refused::BadSignature));
        prop_assert_eq!(codec().decode(&parts).err(), Some(Refused::BadSignature));
    }

    #[test]
    fn a_value_that_was_changed_is_refused(at in 0_usize..60, byte in 0x21_u8..0x7f) {
        let value = codec().encode("{\"a\":1}", Timestamp::UNIX_EPOCH);
        let mut bytes = value.clone().into_bytes();
        let at = at % bytes.len();
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(codec().decode(&changed).err(), Some(Refused::BadSignature));
    }

    #[test]
    fn what_was_signed_reads_back_or_is_no_object(json in almost_json(), seconds in -99_999_i64..4_102_444_800) {
        let now = Timestamp::from_second(seconds).unwrap();
        match codec().decode(&codec().encode(&json, now)) {
            Ok(decoded) => {
                // Python reads the bytes of what is not ASCII one by one, so that alone does not come back.
                prop_assert!(!json.is_ascii() || *decoded.json == *json);
                prop_assert_eq!(decoded.signed_at, now);
            }
            Err(refused) => prop_assert_eq!(refused, Refused::BadJson),
        }
    }

    #[test]
    fn what_serde_reads_we_read_too(json in almost_json()) {
        let ours = Raw::from_json(&json);
        if serde_json::from_str::<serde_json::Value>(&json).is_ok() {
            prop_assert!(ours.is_ok(), "{}", json);
        }
        if let Ok(raw) = ours {
            prop_assert_eq!(raw.as_str(), json);
        }
    }
}
