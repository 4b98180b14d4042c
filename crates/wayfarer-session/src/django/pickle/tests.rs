//! The pickle codec against values that Python wrote, tags, and pickles that mean harm.

use super::*;
use crate::key::hex;

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn decode(pickle: &[u8]) -> Result<Arc<str>, Unpicklable> {
    PickleCodec::new().decode(pickle)
}

fn encode(json: &str) -> Vec<u8> {
    PickleCodec::new().encode(json).unwrap()
}

/// Pickles of CPython, and the session that they are.
const OF_PYTHON: &[(&str, &str)] = &[
    ("80057d942e", "{}"),
    ("8005950e000000000000007d948c05636f756e74944b01732e", r#"{"count":1}"#),
    (
        "80059530000000000000007d94288c0161948c1273616d652d6f626a6563742d737472696e67948c01629468028c0163945d94286802680265752e",
        r#"{"a":"same-object-string","b":"same-object-string","c":["same-object-string","same-object-string"]}"#,
    ),
    (
        "80059535000000000000007d94288c0174944b014b0286948c02743494284b014b024b034b0474948c02627994430200ff948c03736574948f94284b0790752e",
        r#"{"t":{"__python__":"tuple","value":[1,2]},"t4":{"__python__":"tuple","value":[1,2,3,4]},"by":{"__python__":"bytes","value":"AP8="},"set":{"__python__":"set","value":[7]}}"#,
    ),
    (
        "8005958d000000000000007d94288c0164948c086461746574696d65948c086461746574696d65949394430a07ea01020304050a5bf59468028c0874696d657a6f6e6594939468028c0974696d6564656c74619493944b004b004b008794529485945294869452948c04646174659468028c0464617465949394430407ea010294859452948c0274649468094b014b024b0087945294752e",
        r#"{"d":{"__python__":"datetime","value":"2026-01-02T03:04:05.678901+00:00"},"date":{"__python__":"date","value":"2026-01-02"},"td":{"__python__":"timedelta","value":[1,2,0]}}"#,
    ),
    (
        "8005954d000000000000007d94288c0164948c07646563696d616c948c07446563696d616c9493948c04392e393994859452948c0175948c0475756964948c04555549449493942981947d948c03696e74944b057362752e",
        r#"{"d":{"__python__":"Decimal","value":"9.99"},"u":{"__python__":"UUID","value":"00000000-0000-0000-0000-000000000005"}}"#,
    ),
];

#[test]
fn what_python_pickled_reads_and_is_written_in_the_same_bytes() {
    for (pickle, session) in OF_PYTHON {
        assert_eq!(&*decode(&bytes(pickle)).unwrap(), *session);
        assert_eq!(hex(&encode(session)), *pickle, "{session}");
    }
}

#[test]
fn every_tag_reads_back() {
    let session = r#"{"__python__1":2,"__python__\"__python__\"":{"__python__null":{"__python__{\"__python__\":\"tuple\",\"value\":[1,2]}":0}},"e":{"__python__":"tuple","value":[]},"f":{"__python__":"frozenset","value":[1,"a"]},"b":{"__python__":"bytearray","value":"AAEC"},"dt":{"__python__":"datetime","value":"2026-10-25T02:30:00","fold":1},"z":{"__python__":"datetime","value":"2026-01-02T03:04:05-03:30","tzname":"NST"},"t":{"__python__":"time","value":"23:59:59.000001","fold":1},"tz":{"__python__":"timezone","value":"+01:02:03.000004"},"td":{"__python__":"timedelta","value":[-1,86399,999999]},"u":{"__python__":"UUID","value":"12345678-9abc-def0-1234-56789abcdef0","is_safe":-1},"n":[NaN,Infinity,-Infinity,-0.0,1e+300,123456789012345678901234567890],"s":"\ud800x\udc00\ud834\udd1e","é":"\u00e9"}"#;
    let session = session.replace("\"é\"", "\"\\u00e9\"");
    let read = decode(&encode(&session)).unwrap();
    assert_eq!(&*read, session);
}

#[test]
fn a_tag_that_says_nothing_is_unwritable() {
    for value in [
        r#"{"__python__":"os.system","value":"id"}"#,
        r#"{"__python__":"tuple"}"#,
        r#"{"__python__":"tuple","value":1}"#,
        r#"{"__python__":"bytes","value":"*"}"#,
        r#"{"__python__":"date","value":"2026-02-30"}"#,
        r#"{"__python__":"date","value":"0000-01-01"}"#,
        r#"{"__python__":"datetime","value":"2026-02-03T25:00:00"}"#,
        r#"{"__python__":"time","value":"01:02:03+24:00"}"#,
        r#"{"__python__":"timedelta","value":[0,86400,0]}"#,
        r#"{"__python__":"UUID","value":"5"}"#,
        r#"{"__python__":"date","value":"2026-02-03","more":1}"#,
        r#"{"__python__what":1}"#,
        &"9".repeat(4301),
    ] {
        let refused = PickleCodec::new().encode(&format!("{{\"a\":{value}}}")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unwritable, "{value}");
    }
}

#[test]
fn older_protocols_read() {
    let set = b"\x80\x02}q\x00X\x01\x00\x00\x00sq\x01c__builtin__\nset\nq\x02]q\x03K\x01a\x85q\x04Rq\x05s.";
    assert_eq!(&*decode(set).unwrap(), r#"{"s":{"__python__":"set","value":[1]}}"#);
    let bytes = b"\x80\x02}q\x00X\x01\x00\x00\x00bq\x01c_codecs\nencode\nq\x02X\x02\x00\x00\x00\xc3\xbfq\x03X\x06\x00\x00\x00latin1q\x04\x86q\x05Rq\x06s.";
    assert_eq!(&*decode(bytes).unwrap(), r#"{"b":{"__python__":"bytes","value":"/w=="}}"#);
}

#[test]
fn what_means_harm_is_refused_by_name_and_never_run() {
    let class = |name: &str| Err(Unpicklable::Class(name.into()));
    type Verdict = Result<Arc<str>, Unpicklable>;
    let harm: &[(&[u8], Verdict)] = &[
        (b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.", class("posix.system")),
        (b"\x80\x04c__builtin__\neval\n.", class("__builtin__.eval")),
        (b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.", class("builtins.exec")),
        (
            b"\x80\x04\x8c\x08datetime\x8c\x10datetime.__new__\x93.",
            class("datetime.datetime.__new__"),
        ),
        (b"\x80\x02(i__main__\nX\n.", Err(Unpicklable::Instruction(b'i'))),
        (b"\x80\x02Ppersistent\n.", Err(Unpicklable::Instruction(b'P'))),
        (b"\x80\x02\x82\x01.", Err(Unpicklable::Instruction(0x82))),
        (b"\x80\x05\x8c\x01a.", Err(Unpicklable::NoSession)),
        (b"\x80\x05K\x01.", Err(Unpicklable::NoSession)),
        (b"\x80\x05", Err(Unpicklable::CutOff)),
        (b"", Err(Unpicklable::CutOff)),
        // A class that nothing is made of.
        (b"\x80\x05}\x8c\x01a\x8c\x08datetime\x8c\x04date\x93s.", class("date")),
    ];
    for (pickle, expected) in harm {
        assert_eq!(decode(pickle), *expected, "{pickle:?}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused() {
    for pickle in [
        &b"\x80\x05."[..],
        b"\x80\x05h\x00.",
        b"\x80\x05}K\x01s.",
        b"\x80\x05}(K\x01u.",
        b"\x80\x05u.",
        b"\x80\x05](K\x01K\x02s.",
        b"\x80\x05}(s.",
        b"\x80\x05K\x01K\x01a.",
        b"\x80\x05\x94.",
        b"\x80\x01}.",
        b"\x80\x05\x8c\x01\xff.",
        b"\x80\x05\x8c\x06\xed\xa0\x80\xed\xb0\x80.",
        b"\x80\x05}\x8c\x01a\x8c\x04uuid\x8c\x04UUID\x93)\x81s.",
        b"\x80\x05\x8c\x04uuid\x8c\x04UUID\x93)\x81K\x01b.",
        b"\x80\x05\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xea\x0d\x01\x85R.",
        b"\x80\x05\x8c\x08datetime\x8c\x04date\x93C\x04\x07\xea\x0d\x01R.",
    ] {
        assert!(matches!(decode(pickle), Err(Unpicklable::Malformed(_))), "{pickle:?}");
    }
}

#[test]
fn what_holds_itself_or_multiplies_is_refused() {
    let itself = b"\x80\x05}\x94\x8c\x01ah\x00s.";
    assert_eq!(decode(itself), Err(Unpicklable::TooDeep));
    let deep = [b"\x80\x05}\x8c\x01a".to_vec(), b"]".repeat(300), b"a".repeat(299), b"s.".to_vec()];
    assert_eq!(decode(&deep.concat()), Err(Unpicklable::TooDeep));

    // Ten lists, each ten times the one before it: 10^10 values in 300 bytes.
    let mut laughs = b"\x80\x05}\x8c\x01a]K\x01a\x94".to_vec();
    for level in 0..10 {
        laughs.extend_from_slice(b"](");
        laughs.extend([b'h', level].repeat(10));
        laughs.extend_from_slice(b"e\x94");
    }
    // What is left on the stack below is put into the session as well.
    laughs.extend_from_slice(b"0");
    assert_eq!(decode(&laughs), Err(Unpicklable::Instruction(b'0')));
    let laughs = [&laughs[..laughs.len() - 1], b"\x85\x94."].concat();
    assert_eq!(decode(&laughs), Err(Unpicklable::TooLarge));

    // One text of a mebibyte, copied by a call of five bytes, again and again.
    let long = "x".repeat(1 << 20);
    let mut copies = b"\x80\x05}(\x8c\x07decimal\x8c\x07Decimal\x93\x94X\x00\x00\x10\x00".to_vec();
    copies.extend_from_slice(long.as_bytes());
    copies.extend_from_slice(b"\x85\x94");
    copies.extend_from_slice(&b"h\x00h\x01R".repeat(1000));
    assert_eq!(decode(&copies), Err(Unpicklable::TooLarge));

    let huge = [&b"\x80\x05\x8b\xff\xff\xff\x7f"[..], &[1; 64]].concat();
    assert_eq!(decode(&huge), Err(Unpicklable::CutOff));
    let digits = [&b"\x80\x05}\x8c\x01a\x8b\x00\x10\x00\x00"[..], &[1; 4096], b"s."].concat();
    assert_eq!(decode(&digits), Err(Unpicklable::TooLarge));
    let small = PickleCodec::new().with_max_bytes(8);
    assert_eq!(small.decode(&encode(r#"{"a":"b"}"#)), Err(Unpicklable::TooLarge));
}
