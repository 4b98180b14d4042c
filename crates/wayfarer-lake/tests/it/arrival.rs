//! When rows arrived: read from a file where somebody asks, in whatever order.

use wayfarer_event::{Column, Event, Micros, VisitorId};
use wayfarer_lake::{Block, Ids, Lake, Options, Scan, Values};

use crate::support::options;

const SITE: &str = "a.example";
/// Several of the pieces that the order of arrival is read in, and more than are reached by reading on.
const ROWS: u64 = 120_000;

/// The order of arrival of the file's rows, as its own column says it.
fn expected(blocks: &[Block]) -> Vec<u64> {
    let seqs = blocks.iter().flat_map(|block| match &block.columns[0] {
        Values::Unsigned { values } => values.to_vec(),
        other => panic!("seq is not {other:?}"),
    });
    seqs.collect()
}

fn of(blocks: &[Block], row: usize) -> (u64, u64) {
    let mut before = 0;
    for block in blocks {
        if row < before + block.len() {
            return block.arrival.of(row - before).unwrap();
        }
        before += block.len();
    }
    panic!("there are {before} rows")
}

#[tokio::test]
async fn the_order_of_arrival_is_told_forwards_backwards_and_by_leaps() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path(), Options { resident_bytes: 0, ..options() }).await.unwrap();
    for first in (0..ROWS).step_by(10_000) {
        let event = |n: u64| Event {
            site: SITE.into(),
            visitor: VisitorId((first + n).wrapping_mul(0x9e37_79b9_7f4a_7c15) % 50_000),
            name: "page_view".into(),
            ts: Micros(1_767_225_600_000_000),
            received_at: Micros(1_767_225_600_000_000),
            ..Event::default()
        };
        lake.append((0..10_000).map(event).collect(), Ids::Window).await.unwrap();
    }
    lake.seal().await.unwrap();
    let view = lake.view();
    let mut runs = view.runs(&Scan::new(SITE, &[Column::Seq])).unwrap();
    assert_eq!(runs.len(), 1);
    let mut blocks = Vec::new();
    while let Some(block) = runs[0].next_block().unwrap() {
        blocks.push(block);
    }
    let seqs = expected(&blocks);
    assert_eq!(seqs.len(), ROWS as usize);
    let (_, writer) = of(&blocks, 0);
    assert_ne!(writer, 0);
    let forwards = (0..seqs.len()).step_by(7);
    let backwards = (0..seqs.len()).rev().step_by(1999);
    let leaps = (0..500).map(|n| n * 48_271 % seqs.len());
    for row in forwards.chain(backwards).chain(leaps) {
        assert_eq!(of(&blocks, row), (seqs[row], writer), "row {row}");
    }
}
