//! Sessions in a cache of Django's: values that Python pickled, and what happens to those that cannot be read.

use std::{path::Path, process::Command};

use jiff::{SignedDuration, Timestamp};
use wayfarer_session::{
    ErrorKind, MemoryStore, Outcome, Raw, Record, SessionManager, SessionStore, StoreKey,
    django::PickleCodec,
};

const KEY: &str = "0123456789abcdefghijklmnopqrstuv";

fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// A manager over a store that holds this pickle, as a cache would.
async fn over(pickle: &[u8]) -> (SessionManager, MemoryStore) {
    let store = MemoryStore::new();
    let now = Timestamp::now();
    let record = Record {
        data: pickle.into(),
        expires_at: now + SignedDuration::from_hours(1),
        subject: None,
        user: None,
    };
    let _ = store.create(&StoreKey::new(KEY), &record, now).await.unwrap();
    let manager = SessionManager::builder(store.clone()).django(PickleCodec::new());
    (manager.subject_entry(false).build().unwrap(), store)
}

async fn stored(store: &MemoryStore) -> Vec<u8> {
    let loaded = store.load(&StoreKey::new(KEY), Timestamp::now()).await.unwrap();
    loaded.unwrap().record.data.to_vec()
}

#[tokio::test]
async fn untouched_values_come_back_as_python_wrote_them() {
    // {'t': (1, 2), 'd': Decimal('9.99'), 'u': UUID(int=5), 'n': nan, 'count': 1}
    let pickle = hex(concat!(
        "8005956e000000000000007d94288c0174944b014b0286948c0164948c07646563696d616c948c07446563696d61",
        "6c9493948c04392e393994859452948c0175948c0475756964948c04555549449493942981947d948c03696e7494",
        "4b0573628c016e94477ff80000000000008c05636f756e74944b01752e",
    ));
    let (manager, store) = over(&pickle).await;
    let session = manager.open(Some(KEY));
    assert_eq!(session.modify("count", |n: Option<u32>| n.unwrap() + 1).await.unwrap(), 2);
    let expected = [&pickle[..pickle.len() - 3], &[2, b'u', b'.']].concat();
    assert_eq!(stored(&store).await, expected);
}

#[tokio::test]
async fn a_handler_reads_and_sets_what_json_cannot_say() {
    let (manager, store) = over(b"\x80\x05}\x94.").await;
    let session = manager.open(Some(KEY));
    let when = r#"{"__python__":"datetime","value":"2026-01-02T03:04:05+00:00"}"#;
    session.insert_raw("when", Raw::from_json(when).unwrap()).await.unwrap();
    let _ = session.finish(Outcome::Keep).await.unwrap();
    let session = manager.open(Some(KEY));
    assert_eq!(session.get_raw("when").await.unwrap().unwrap().as_str(), when);
    assert!(stored(&store).await.windows(8).any(|part| part == b"datetime"));
    let session = manager.open(Some(KEY));
    let wrong = Raw::from_json(r#"{"__python__":"os.system","value":"id"}"#).unwrap();
    session.insert_raw("when", wrong).await.unwrap();
    let error = session.finish(Outcome::Keep).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unwritable);
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_and_is_never_overwritten() {
    let pickle =
        b"\x80\x05}\x94\x8c\x04cart\x94\x8c\x04shop\x94\x8c\x04Cart\x94\x93\x94)\x81\x94s.";
    let (manager, store) = over(pickle).await;
    let session = manager.open(Some(KEY));
    for _ in 0..2 {
        let error = session.insert("a", 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreadable);
        assert!(error.to_string().contains("`shop.Cart`"), "{error}");
    }
    let _ = session.finish(Outcome::Keep).await.unwrap();
    assert_eq!(stored(&store).await, pickle);
}

/// Runs a program of Python and gives what it prints.
fn python(python: &Path, program: &str) -> String {
    let output = Command::new(python).args(["-c", program]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

mod real {
    use std::fmt::Write as _;

    use super::*;

    /// Makes values of every kind that is read, from a seed, without two equal texts that are not one object.
    const MAKE: &str = r#"
import datetime as d, decimal, pickle, random, sys, uuid
r = random.Random(20260101)
texts = {}
def text():
    alphabet = "abcé€𝄞\"\\/\n\x00\x7f\ud800"
    t = "".join(r.choice(alphabet) for _ in range(r.choice([0, 1, 3, 20, 300])))
    return texts.setdefault(t, t)
def zone():
    if r.random() < .4: return d.timezone.utc
    return d.timezone(d.timedelta(minutes=r.randint(-1400, 1400)), *([text()] if r.random() < .3 else []))
def when():
    return d.datetime(r.randint(1, 9999), r.randint(1, 12), r.randint(1, 28), r.randint(0, 23), r.randint(0, 59),
        r.randint(0, 59), r.choice([0, 1, 999999]), tzinfo=r.choice([None, zone()]), fold=r.randint(0, 1))
def scalar():
    return r.choice([lambda: None, lambda: True, lambda: False, lambda: r.randint(-300, 70000),
        lambda: r.randint(-2**200, 2**200), lambda: r.choice([-1, 1]) * 2**(8 * r.randint(1, 20) - 1), lambda: r.random() * 10**r.randint(-300, 300),
        lambda: float("inf"), lambda: -0.0, text, text,
        lambda: r.randbytes(r.choice([1, 2, 300])), lambda: bytearray(r.randbytes(5)), when, lambda: when().date(),
        lambda: when().timetz(), lambda: d.timedelta(r.randint(-999, 999), r.randint(0, 86399), r.randint(0, 999999)),
        zone, lambda: decimal.Decimal(r.randint(-9999, 9999)).scaleb(r.randint(-20, 20)), lambda: uuid.UUID(int=r.getrandbits(128), is_safe=r.choice(list(uuid.SafeUUID)))])()
def key():
    return r.choice([text, text, text, lambda: r.randint(0, 9), lambda: (1, text()), lambda: d.date(2026, 1, 2)])()
def value(depth):
    n = r.choice([0, 1, 2, 3, 4, 9])
    if depth > 4 or r.random() < .4: return scalar()
    return r.choice([lambda: [value(depth + 1) for _ in range(n)], lambda: tuple(value(depth + 1) for _ in range(n)),
        lambda: {key(): value(depth + 1) for _ in range(n)}, lambda: {r.randint(0, 99) for _ in range(n)},
        lambda: frozenset({r.randint(0, 99) for _ in range(n)})])()
sessions = [{key(): value(0) for _ in range(r.randint(0, 5))} for _ in range(400)]
for n in 999, 1000, 1001, 2000, 2001:
    sessions += [{"n": list(range(n))}, {str(i): i for i in range(n)}, {"s": set(range(n))}, {"s": frozenset(range(n))}, {"t": tuple(range(n))}]
for n in 65535, 65536, 200000:
    sessions += [{"s": "x" * n, "t": "y"}, {"b": b"x" * n}, {"many": ["%07d" % i for i in range(n // 10)]}, {"a": bytearray(n)}]
"#;

    #[test]
    fn python_and_we_pickle_the_same_values_in_the_same_bytes() {
        let interpreter = wayfarer_testkit::python(&["django"]).unwrap();
        let written = python(
            &interpreter,
            &format!("{MAKE}\nfor s in sessions: print(pickle.dumps(s, 5).hex())"),
        );
        let codec = PickleCodec::new();
        let mut back = String::new();
        let mut count = 0;
        for line in written.lines() {
            let session = codec.decode(&hex(line)).unwrap();
            let ours = codec.encode(&session).unwrap();
            let ours = ours.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").unwrap();
                text
            });
            writeln!(back, "{ours}").unwrap();
            count += usize::from(ours == line);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pickles");
        std::fs::write(&path, back).unwrap();
        // Python reads what we wrote, and has what it had.
        let verdict = python(
            &interpreter,
            &format!(
                "{MAKE}\nfor s, line in zip(sessions, open({path:?}), strict=True):\n    \
                 ours = pickle.loads(bytes.fromhex(line)); assert ours == s, (ours, s)\nprint(len(sessions))"
            ),
        );
        let all = written.lines().count();
        assert_eq!(verdict.trim(), all.to_string());
        assert_eq!(count, all, "sessions in the same bytes");
    }
}
