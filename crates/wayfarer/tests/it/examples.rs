//! The examples that stand for an application's own parts: a store, a serialiser, a way for the key.

use wayfarer::session::{EncodedStore, MemoryStore, RecordCodec};
use wayfarer_session::conformance;

use crate::browser::App;

#[path = "../../examples/custom_serialiser.rs"]
#[expect(dead_code, reason = "the example's main")]
mod custom_serialiser;
#[path = "../../examples/custom_store.rs"]
#[expect(dead_code, reason = "the example's main")]
mod custom_store;
#[path = "../../examples/unsafe_key_in_url.rs"]
#[expect(dead_code, reason = "the example's main")]
mod unsafe_key_in_url;

use self::custom_serialiser::Compressed;

#[tokio::test]
async fn a_store_of_ones_own_keeps_every_law() {
    conformance::run(&custom_store::MapStore::default())
        .await
        .note("MapStore, the example")
        .assert_kept();
}

#[tokio::test]
async fn a_serialiser_of_ones_own_takes_nothing_from_the_store() {
    let numbers = [3, 5, 8, u32::MAX];
    assert_eq!(custom_serialiser::round_trip(&numbers).await.unwrap(), numbers);
    let store = EncodedStore::new(MemoryStore::new(), Compressed);
    conformance::run(&store).await.note("EncodedStore<MemoryStore>").assert_kept();
    let long = vec![b'x'; 10_000];
    let stored = Compressed.encode(&long).unwrap();
    assert!(stored.len() < 100, "it is stored in {} bytes", stored.len());
    assert_eq!(Compressed.decode(&stored).unwrap(), long);
}

#[test]
fn a_bomb_is_not_unpacked() {
    let bomb = Compressed.encode(&vec![0; 9 << 20]).unwrap();
    assert!(bomb.len() < 1 << 20);
    let error = Compressed.decode(&bomb).unwrap_err().to_string();
    assert!(error.contains("more than 8388608 bytes"), "{error}");
}

#[tokio::test]
async fn a_key_in_the_address_goes_no_further_than_the_redirect() {
    let app = App::start(unsafe_key_in_url::app(&[7; 32]).unwrap()).await;
    let browser = app.browser();
    let start = browser.get("/").await;
    assert_eq!((start.set_cookie(), start.header("referrer-policy")), (None, Some("no-referrer")));
    let to = start.header("location").unwrap();
    assert!(to.starts_with("/step?session="), "{to}");
    assert_eq!(browser.get(to).await.body, "Some(Some(1))");
    assert_eq!(browser.get("/step").await.body, "Some(None)");
    assert_eq!(browser.get("/step?session=forged").await.body, "Some(None)");
}
