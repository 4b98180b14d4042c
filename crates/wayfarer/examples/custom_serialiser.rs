//! Two serialisers of one's own: records that are stored compressed, and a value that is kept as MessagePack.
//!
//! A session is a map from text to JSON. What a *record* looks like in the store is the matter of a [`RecordCodec`]; what a
//! *value* looks like in the session is the matter of its `Serialize`.
//!
//! `cargo run -p wayfarer --example custom_serialiser`

use std::io::{Read, Write};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use wayfarer::{
    CookieKeys,
    session::{BoxError, CookieChange, EncodedStore, Outcome, RecordCodec, SessionManager},
    store::MemoryStore,
};

/// Stores records compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compressed;

/// A record unpacks to no more than this, whatever lies in the store.
const MOST: u64 = 8 << 20;

impl RecordCodec for Compressed {
    fn encode(&self, record: &[u8]) -> Result<Vec<u8>, BoxError> {
        let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
        packer.write_all(record)?;
        Ok(packer.finish()?)
    }

    fn decode(&self, stored: &[u8]) -> Result<Vec<u8>, BoxError> {
        let mut record = Vec::new();
        // One byte more than is allowed tells that there is more.
        DeflateDecoder::new(stored).take(MOST + 1).read_to_end(&mut record)?;
        if record.len() as u64 > MOST {
            return Err(format!("the record unpacks to more than {MOST} bytes").into());
        }
        Ok(record)
    }
}

/// A value that is kept as MessagePack, in base64: smaller than JSON for bytes and long lists of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed<T>(pub(crate) T);

impl<T: Serialize> Serialize for Packed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = rmp_serde::to_vec(&self.0).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&STANDARD_NO_PAD.encode(bytes))
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Packed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Packed<T>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(serde::de::Error::custom)?;
        rmp_serde::from_slice(&bytes).map(Packed).map_err(serde::de::Error::custom)
    }
}

/// Keeps a list of numbers in a session over one request, and reads it in the next.
pub(crate) async fn round_trip(numbers: &[u32]) -> Result<Vec<u32>, BoxError> {
    let store = EncodedStore::new(MemoryStore::new(), Compressed);
    let keys = CookieKeys::new(&[7; 32])?;
    let manager = SessionManager::builder(store).cookie_keys(keys).build()?;
    let first = manager.open(None);
    first.insert("numbers", Packed(numbers)).await?;
    let CookieChange::Set { value, .. } = first.finish(Outcome::Keep).await?.cookie else {
        return Err("a new session has a cookie".into());
    };
    let second = manager.open(Some(&value));
    let Packed(read) = second.get("numbers").await?.ok_or("the numbers are there")?;
    Ok(read)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    println!("{:?}", round_trip(&[3, 5, 8]).await?);
    Ok(())
}
