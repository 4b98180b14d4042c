//! Writes the first entries of the corpora: what our own encoders make, and what was thought of by hand. Entries that are
//! there already are left alone, also those that a fuzzer found.

use std::{fs, io, path::Path};

use wayfarer_fuzz::{COOKIE_SECRET, DJANGO_SECRET, FixedRandom, NOW, TARGETS, django_signed};
use wayfarer_session::{
    CookieChange, CookieKeys, CookieSessions, Error, MemoryStore, Outcome, SessionManager,
    SessionStore, Ticket,
    django::{DjangoCodec, DjangoKeys, PickleCodec, SALT},
};

/// A corpus entry: its name, its bytes.
type Entry = (String, Vec<u8>);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let corpora = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("corpus");
    for target in TARGETS {
        let folder = corpora.join(target.name);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in entries(target.name)? {
            write(&folder.join(name), &bytes)?;
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.exists() { Ok(()) } else { fs::write(path, bytes) }
}

/// Sessions as JSON, as Python or as we write it, and such as a stranger might.
const SESSIONS: &[(&str, &str)] = &[
    ("empty", "{}"),
    ("one", r#"{"a":1}"#),
    (
        "python",
        r#"{"nan": NaN, "inf": [-Infinity, Infinity], "big": 123456789012345678901234567890}"#,
    ),
    ("surrogate", r#"{"half":"\ud800","pair":"\ud83d\ude42","\ud800":1}"#),
    ("twice", r#"{"a":1,"a":2,"\u0061":3}"#),
    ("auth", r#"{"_auth_user_id":"1","_auth_user_hash":"84e2","_session_expiry":3600}"#),
    ("expiry_iso", r#"{"_session_expiry":"2026-02-01T12:34:56.789012+02:00"}"#),
    ("expiry_true", r#"{"_session_expiry":true}"#),
    ("expiry_huge", r#"{"_session_expiry":1e308,"a":9223372036854775808}"#),
    ("expiry_least", r#"{"_session_expiry":-9223372036854775808}"#),
    ("numbers", r#"{"a":[-0,0.1,1e-7,1E+16,-1.5e300],"b":[true,false,null]}"#),
    ("escapes", r#"{"\"\\\/\b\f\n\r\t":"\u0000\u001f\u007f"}"#),
    ("space", " {\n\"a\" :\t1 ,\r\"b\":[ ] , \"c\":{ } } "),
    ("cut", r#"{"a":["b",{"c":"#),
    ("comma", r#"{"a":1,}"#),
    ("not_object", r#"["a"]"#),
    ("raw_control", "{\"a\":\"\u{1}\"}"),
    ("wide", "{\"é\":\"€𝄞\"}"),
];

/// Pickles that mean harm, or stop early.
const PICKLES: &[(&str, &[u8])] = &[
    ("eval", b"\x80\x04c__builtin__\neval\n."),
    ("system", b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00idR."),
    ("class", b"\x80\x05}\x94\x8c\x04cart\x94\x8c\x04shop\x94\x8c\x04Cart\x94\x93\x94)\x81\x94s."),
    ("no_stop", b"\x80\x05}\x94"),
    ("huge_text", b"\x80\x05}\x94\x8d\xff\xff\xff\xff\xff\xff\xff\x7f."),
    ("huge_bytes", b"\x80\x05B\xff\xff\xff\xff."),
    ("huge_frame", b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\xff}\x94."),
    ("itself", b"\x80\x05}\x94\x8c\x01a\x94h\x00s."),
    ("list_of_itself", b"\x80\x05}\x94\x8c\x01a]\x94h\x01as."),
    ("memo", b"\x80\x05}\x94j\xff\xff\xff\x7fs."),
    ("marks", b"\x80\x05((((((((((((((((u."),
    ("long", b"\x80\x05}\x94\x8c\x01n\x8b\xff\xff\xff\x7fs."),
    ("protocol_0", b"(dp0\nVa\np1\nI1\ns."),
    ("protocol_9", b"\x80\x09}."),
    ("none", b"\x80\x05N."),
];

fn entries(target: &str) -> Result<Vec<Entry>, Box<dyn std::error::Error>> {
    Ok(match target {
        "ticket" => tickets()?,
        "cookie_header" => named(&[
            ("one", b"__Host-id=abc.def.ghi"),
            ("many", b"a=1; __Host-id=x; b=2;  __Host-id=y"),
            ("near", b"__Host-idx=1; x__Host-id=2; __Host-id =3; __Host-id=\"4\""),
            ("odd", b";;=;__Host-id;__Host-id=\xff\xfe;__Host-id=\t5 "),
        ]),
        "django_value" => django_values()?,
        "django_signed_body" => {
            let mut all = texts(SESSIONS);
            all.extend(named(&[
                ("base64", b"eyJhIjoxfQ"),
                ("padded", b"eyJhIjoxMn0="),
                ("no_zlib", b".eyJhIjoxfQ"),
                ("zlib", b".eJyrVkpUslJKpBAo1QIArdoaXA"),
                ("dots", b"...."),
                ("colons", b"a:b:c"),
            ]));
            all.push(("bomb".into(), bomb()?.into_bytes()));
            all
        }
        "django_json" => {
            let mut all = texts(SESSIONS);
            all.push(("deep".into(), format!("{{\"a\":{}", "[".repeat(5000)).into_bytes()));
            let deep = format!("{{\"a\":{}{}}}", "[".repeat(120), "]".repeat(120));
            all.push(("nested".into(), deep.into_bytes()));
            all
        }
        "pickle" => pickles()?,
        "native_record" => records()?,
        "native_file" => named(&[
            ("live", b"1{\"version\":3,\"expires_at\":1767229200000000,\"user\":\"42\"}\ndata"),
            ("dead", b"1{\"dead\":true,\"expires_at\":1767229200000000}\n"),
            ("no_line", b"1{\"expires_at\":1}"),
            ("far", b"1{\"version\":18446744073709551615,\"expires_at\":9223372036854775807}\n"),
            ("form_2", b"2{}\n"),
            (
                "subject",
                b"1{\"expires_at\":1767229200000000,\"subject\":\"AAAAAAAAAAAAAAAAAAAAAA\"}\n",
            ),
        ]),
        "django_file" => {
            let mut all = django_values()?;
            all.push(("nothing".into(), Vec::new()));
            all
        }
        "cache_entry" => cache_entries(),
        "carried_cookie" => cookies()?,
        "carried_plain" => plain()?,
        "kv_record" => named(&[
            ("live", b"wf1 3 1767229200000000 AAAAAAAAAAAAAAAAAAAAAA 2\n42{\"a\":1}"),
            ("ended", b"wf1 0 1767229200000000 - -\n"),
            ("long_user", b"wf1 1 1767229200000000 - 18446744073709551615\nx"),
            ("half", b"wf1 1 1767229200000000 - 1\n\xc3\xa9"),
            ("far", b"wf1 1 9223372036854775807 - -\n"),
        ]),
        "memcached_answer" => named(&[
            ("value", b"VA 5 c1 f1 t-1\r\nhello\r\nHD c7\r\nEN\r\n"),
            ("huge", b"VA 67108864 c1\r\nx"),
            ("too_huge", b"VA 18446744073709551615\r\n"),
            ("no_number", b"VA -1\r\n"),
            ("error", b"SERVER_ERROR out of memory\r\nHD\r\n"),
            ("no_end", b"HD cccccccccccc"),
            ("odd", b"HD c f t \xc3\xa9\r\nNS\r\nEX\r\nNF\r\n"),
        ]),
        other => of_rows(other).unwrap_or_else(|| of_analytics(other)),
    })
}

/// What lies in databases, and the cookie of tower-sessions.
fn of_rows(target: &str) -> Option<Vec<Entry>> {
    Some(match target {
        "sql_session_row" => named(&[
            ("live", b"key\x1f3\x1f1767229200000000\x1fAAAAAAAAAAAAAAAAAAAAAA\x1f42\x1f{\"a\":1}"),
            ("nobody", b"key\x1f1\x1f1767229200000000\x1f\x1f\x1fdata\x1f\xff"),
            ("far", b"key\x1f-9223372036854775808\x1f9223372036854775807\x1f\x1f\x1f"),
            ("no_key", b"\x1f1\x1f1767229200000000\x1f\x1f\x1f"),
            ("no_subject", b"key\x1f1\x1f1767229200000000\x1fAAAA=\x1f42\x1f"),
        ]),
        "sql_django_row" => named(&[
            ("whole", b"key\x1f2026-01-15 00:00:00\x1fdata"),
            ("micros", b"key\x1f2026-01-15 00:00:00.654321\x1f"),
            ("nanos", b"key\x1f2026-01-15T00:00:00.123456789\x1fdata"),
            ("nanos_before_1970", b"key\x1f1026-01-15T00:00:00.123456789\x1fd"),
            ("zone", b"key\x1f2026-01-15 00:00:00+02:00\x1fdata"),
            ("leap", b"key\x1f2016-12-31 23:59:60\x1fdata"),
            ("last", b"key\x1f9999-12-31 23:59:59.999999\x1fdata"),
            ("before", b"key\x1f-000044-03-15 12:00:00\x1fdata"),
            ("day", b"key\x1f2026-02-30\x1fdata"),
        ]),
        "sql_history_row" => named(&[
            ("ended", b"1767225600000000\x1flogged_out\x1fhandle\x1fAAAAAAAAAAAAAAAAAAAAAA\x1f42\x1fpassword\x1fFirefox on Linux"),
            ("custom", b"0\x1fmy own\x1f\x1f\x1f\x1f\x1f"),
            ("far", b"9223372036854775807\x1fcreated\x1f\x1f\x1f42\x1f\x1f"),
            ("no_subject", b"1\x1fcreated\x1f\x1fnone\x1f\x1f\x1f"),
            ("no_text", b"1\x1f\xff\x1f\x1f\x1f\x1f\x1f"),
        ]),
        "tower_cookie" => {
            let mut all = texts(&wayfarer_tower_sessions::fuzzing::headers().each_ref().map(|(name, header)| (*name, header.as_str())));
            all.extend(named(&[
                ("many", b"a=1; id=x; id=y; =z; ;"),
                ("percent", b"id=%00%zz%C3%A9; %69%64=1"),
                ("short", b"id=AAAA"),
            ]));
            all
        }
        "tower_row" => {
            let row = wayfarer_tower_sessions::fuzzing::a_row();
            let mut deep = row.clone();
            // A value that is a list of a list of a list …
            if let Some(at) = row.windows(2).position(|pair| pair == b"\xa1b") {
                deep.splice(at + 2.., [0x91; 5000]);
            }
            let mut all = named(&[
                ("lengths", b"\x93\xc4\x10\xff\xdf\xff\xff\xff\xff"),
                ("none", b"\xc0"),
                ("long", b"\x93\xdd\xff\xff\xff\xff"),
            ]);
            all.extend([("live".into(), row), ("deep".into(), deep)]);
            all
        }
        _ => return None,
    })
}

/// What is read of events, logs and questions.
fn of_analytics(target: &str) -> Vec<Entry> {
    match target {
        "event_body" => named(&[
            ("one", br#"{"name":"click","path":"/a","props":{"a":1,"b":"x"},"value":1.5}"#),
            ("list", br#"{"events":[{"name":"a","age_ms":5},{"nmae":"b"},{"name":""}]}"#),
            ("lines", b"{\"name\":\"a\"}\n{\"name\":\"b\",\"ts\":1767225600000}\nx\n"),
            ("ts", br#"{"name":"a","ts":"2026-01-01T00:00:00Z","client":{"ip":"::1","user_agent":"x"}}"#),
            ("bom", b"\xef\xbb\xbf {\"name\":\"a\",\"url\":\"https://x.example/a?utm_source=b#c\"}"),
            ("numbers", br#"{"name":"a","value":1e400,"status":-1,"latency_ms":99999999999999999999}"#),
            ("deep", "{\"name\":\"a\",\"props\":".to_owned().as_bytes()),
        ]),
        "log_lines" => named(&[
            ("combined", b"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /a?b=c HTTP/1.1\" 200 5 \"https://x.example/\" \"Mozilla/5.0\"\n"),
            ("common", b"::1 - bob [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.0\" 404 -\n"),
            ("vhost", b"x.example:443 192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] \"GET / HTTP/2.0\" 200 5 \"-\" \"curl/8\"\n"),
            ("quotes", b"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] \"GET /\\\"\\x00 HTTP/1.1\" 200 5 \"\\\\\" \"a\\\"b\"\n"),
            ("caddy", br#"{"level":"info","ts":1767225600.5,"request":{"remote_ip":"192.0.2.1","method":"GET","host":"x","uri":"/","headers":{"User-Agent":["a"]}},"status":200,"duration":0.1}"#),
            ("nginx", br#"{"time_iso8601":"2026-01-01T00:00:00+00:00","remote_addr":"192.0.2.1","request":"GET / HTTP/1.1","status":"200"}"#),
            ("traefik", br#"{"ClientHost":"192.0.2.1","RequestMethod":"GET","RequestPath":"/","DownstreamStatus":200,"StartUTC":"2026-01-01T00:00:00Z","Duration":5}"#),
            ("csv", b"name,ts,path\nclick,2026-01-01T00:00:00Z,\"/a\"\"b\"\n"),
            ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"),
            ("zstd", b"\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00"),
            ("times", b"192.0.2.1 - - [31/Feb/9999:25:61:61 +9999] \"GET / HTTP/1.1\" 200 5\n"),
        ]),
        "filter" => {
            let mut all = named(&[
                ("one", b"name = 'purchase' and value > 10"),
                ("all", b"not (path ~ '^/product/' or country in ('DE', \"FR\")) and prop.plan != 'pro'"),
                ("odd", b"name = 'it''s' and value >= -1.5e-3 and status <= 599"),
                ("regex", b"path ~ '(((a*)*)*)*b{1,99}{1,99}{1,99}'"),
                ("cut", b"name = 'pur"),
            ]);
            all.push(("deep".into(), "(".repeat(20_000).into_bytes()));
            all.push(("nots".into(), "not ".repeat(20_000).into_bytes()));
            all
        }
        "pattern" => named(&[
            ("one", b"/cart->[^purchase]*->/"),
            ("all", b"^'add to cart'+->(value > 10){2,5}->.?->[a, /b]{3,}$"),
            ("many", b"a{255}->b{256}->c{99999999999999999999}"),
            ("cut", b"[a, /b"),
            ("filter", b"(name = ')')*"),
        ]),
        "wal" => named(&[
            ("head", b"WAYFWAL\0\x01\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            ("frame", b"WFRM\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            ("frames", b"WFRMWFRM\xff\xff\xff\xffWFRM"),
            ("lengths", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff\xff\xff\xff\x0f"),
            ("zeros", &[0; 512]),
        ]),
        _ => Vec::new(),
    }
}

fn named(entries: &[(&str, &[u8])]) -> Vec<Entry> {
    entries.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

fn texts(entries: &[(&str, &str)]) -> Vec<Entry> {
    entries.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}

fn keys() -> Result<CookieKeys, Error> {
    CookieKeys::new(&COOKIE_SECRET)
}

fn codec() -> Result<DjangoCodec, Error> {
    DjangoCodec::new(&DjangoKeys::new(DJANGO_SECRET)?, SALT)
}

fn tickets() -> Result<Vec<Entry>, Error> {
    let good = Ticket::random(&FixedRandom)?.sign(&keys()?);
    let mut all = texts(&[("empty", ""), ("dots", "..."), ("subject", "BQUFBQUFBQUFBQUFBQUFBQ")]);
    all.push(("longer".into(), format!("{good}A").into_bytes()));
    all.push(("cut".into(), good.get(..good.len() / 2).unwrap_or_default().into()));
    all.push(("good".into(), good.into_bytes()));
    Ok(all)
}

fn pickles() -> Result<Vec<Entry>, Error> {
    let codec = PickleCodec::new();
    let mut all = named(PICKLES);
    for (name, json) in SESSIONS {
        let Ok(pickle) = codec.encode(json) else { continue };
        all.push((format!("of_{name}"), pickle));
    }
    let python = r#"{"d":{"__python__":"datetime","value":"2026-01-02T03:04:05+00:00"}}"#;
    all.push(("datetime".into(), codec.encode(python)?));
    all.push(("deep".into(), [b"\x80\x05", &b"]\x94".repeat(3000)[..]].concat()));
    let doubled = [b"\x80\x05]\x94", &b"(h\x00h\x00e".repeat(60)[..]].concat();
    all.push(("doubled".into(), doubled));
    Ok(all)
}

/// A small value that unpacks to more than a target allows.
fn bomb() -> Result<String, Error> {
    let large = format!("{{\"a\":\"{}\"}}", "a".repeat(12 << 20));
    let value = codec()?.encode(&large, NOW);
    Ok(value.split(':').next().unwrap_or_default().to_owned())
}

fn django_values() -> Result<Vec<Entry>, Error> {
    let codec = codec()?;
    let value = |json: &str| codec.encode(json, NOW).into_bytes();
    let mut all: Vec<Entry> =
        SESSIONS.iter().map(|(name, json)| ((*name).to_owned(), value(json))).collect();
    all.push(("long".into(), value(&format!("{{\"a\":\"{}\"}}", "ab".repeat(400)))));
    all.push(("bomb".into(), django_signed(&bomb()?).into_bytes()));
    all.push(("no_zlib".into(), django_signed(".eyJhIjoxfQ").into_bytes()));
    all.push(("no_base64".into(), django_signed("é!").into_bytes()));
    all.extend(texts(&[("colons", "::::"), ("time", "eyJhIjoxfQ:!!:x"), ("none", "")]));
    Ok(all)
}

/// What the session core itself stores.
fn records() -> Result<Vec<Entry>, Box<dyn std::error::Error>> {
    let mut all = named(&[
        ("empty", b""),
        ("form_9", b"9{}\n{}"),
        ("head_only", b"1{}"),
        ("head_cut", b"1{\"began\":"),
        ("odd_times", b"1{\"began\":-9223372036854775808,\"touched\":9223372036854775807}\n{}"),
        ("no_object", b"1{}\n[1]"),
    ]);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for (name, json) in SESSIONS {
        let store = MemoryStore::new();
        let manager = SessionManager::builder(store.clone()).cookie_keys(keys()?).build()?;
        let stored = runtime.block_on(async {
            let session = manager.open(None);
            session.insert_raw("value", wayfarer_session::Raw::from_json(json)?).await?;
            session.insert("_auth_user_id", "42").await?;
            let _ = session.finish(Outcome::Keep).await?;
            Ok::<_, Error>(())
        });
        if stored.is_err() {
            continue;
        }
        let page =
            runtime.block_on(store.scan(None, 9, wayfarer_session::jiff::Timestamp::now()))?;
        for listed in page.sessions {
            all.push((format!("of_{name}"), listed.loaded.record.data.to_vec()));
        }
    }
    Ok(all)
}

fn cookies() -> Result<Vec<Entry>, Box<dyn std::error::Error>> {
    let mut all = django_values()?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for (kind, sessions) in
        [("signed", CookieSessions::signed()), ("encrypted", CookieSessions::encrypted())]
    {
        let manager = SessionManager::in_cookies(sessions).cookie_keys(keys()?).build()?;
        for (size, text) in [("short", "a".to_owned()), ("packed", "ab".repeat(700))] {
            let session = manager.open(None);
            let finished = runtime.block_on(async {
                session.insert("a", text).await?;
                session.finish(Outcome::Keep).await
            })?;
            if let CookieChange::Set { value, .. } = finished.cookie {
                all.push((format!("{kind}_{size}"), value.into_bytes()));
            }
        }
    }
    Ok(all)
}

/// End, subject, whether the rest is packed, and the record.
fn plain() -> Result<Vec<Entry>, Box<dyn std::error::Error>> {
    let before =
        |packed: u8| [&1_767_229_200_000_000_i64.to_le_bytes()[..], &[5; 16], &[packed]].concat();
    let mut all = Vec::new();
    for (name, record) in records()? {
        all.push((name.clone(), [before(0), record.clone()].concat()));
        all.push((format!("{name}_packed"), [before(1), zlib(&record)?].concat()));
    }
    let bomb = [b"1{}\n{\"a\":\"".to_vec(), vec![b'a'; 12 << 20], b"\"}".to_vec()].concat();
    all.push(("bomb".into(), [before(1), zlib(&bomb)?].concat()));
    all.push(("other".into(), before(9)));
    Ok(all)
}

fn zlib(bytes: &[u8]) -> io::Result<Vec<u8>> {
    use std::io::Write as _;
    let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes)?;
    writer.finish()
}

fn cache_entries() -> Vec<Entry> {
    let heads: &[(&str, &[u8])] = &[
        ("ended", b"1{\"ended\":true}\n"),
        ("busy", b"1{\"busy_since\":1767225600000000}\n"),
        ("value", b"1{\"asked_at\":1767225600000000,\"version\":3,\"user\":\"42\"}\n{\"a\":1}"),
        ("content", b"1{\"asked_at\":1767225600000000}\n{\"a\":1}"),
        ("far", b"1{\"asked_at\":9223372036854775807,\"version\":18446744073709551615}\n"),
        ("no_line", b"1{\"asked_at\":1}"),
    ];
    let mut all = named(heads);
    for (name, head) in heads {
        let length = u32::try_from(head.len()).unwrap_or_default().to_le_bytes();
        let whole = [b"\x80\x05N.", *head, &length[..], b"wayfarer"].concat();
        all.push((format!("django_{name}"), whole));
    }
    let lies = [b"\x80\x05N.", &u32::MAX.to_le_bytes()[..], b"wayfarer"].concat();
    all.push(("django_lies".into(), lies));
    all
}
