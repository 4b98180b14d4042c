//! Late events: a lake that takes events in any order, in files and in memory, answers at every moment as if they had all
//! come in time.

use proptest::{prelude::*, test_runner::Config};
use wayfarer_analysis::{Context, answer, reports};
use wayfarer_event::Event;
use wayfarer_lake::{Ids, Lake, Options, Stored};

use super::{
    among::complete,
    behaviour::request,
    memory::Memory,
    world::{RULE, World, config, world},
};

/// A tenth of the cases of other properties, or 25: each opens a lake, and asks it for every report several times.
fn few() -> Config {
    let config = config();
    let asked = std::env::var_os("WAYFARER_CASES").map(|_| config.cases / 10);
    Config { cases: asked.unwrap_or(25), ..config }
}

/// What arrives between two reports, and whether it is put into a file then.
type Batch = (usize, bool);

fn context(source: impl wayfarer_analysis::fold::Source + 'static, world: &World) -> Context {
    let mut context = world.context();
    context.source = std::sync::Arc::new(source);
    context
}

/// Brings the events into the lake batch by batch, and asks for every report after each.
async fn arrive(world: &World, batches: &[Batch], hours: (i64, i64)) {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open(folder.path(), Options::default()).await.unwrap();
    // The order of arrival of a generated world has nothing to do with that of time.
    let mut rows = world.rows.clone();
    rows.sort_by_key(|row| (row.seq, row.writer));
    let mut events = rows.into_iter().map(|row| row.event);
    let mut arrived: Vec<Stored> = Vec::new();
    for (count, is_sealed) in batches {
        let batch: Vec<Event> = events.by_ref().take(*count).collect();
        let stored = |(seq, event): (usize, &Event)| Stored {
            event: event.clone(),
            writer: 0,
            seq: seq as u64,
        };
        arrived.extend((arrived.len()..).zip(&batch).map(stored));
        lake.append(batch, Ids::Window).await.unwrap();
        if *is_sealed {
            lake.seal().await.unwrap();
        }
        let in_time = context(Memory::new(arrived.clone(), world.layout), world);
        let of_lake = context(lake.view(), world);
        for report in reports() {
            let (plain, _) = request(report.name(), world, hours);
            let request = complete(report, plain);
            let [expected, found] =
                [&in_time, &of_lake].map(|context| answer(context, &request).unwrap().rows);
            assert_eq!(found, expected, "{} events: {request:?}", arrived.len());
        }
    }
    lake.close().await.unwrap();
}

proptest! {
    #![proptest_config(few())]

    #[test]
    fn late_events_are_counted_as_if_they_had_come_in_time(
        world in world(), hours in (-3_i64..30, 0_i64..60),
        batches in prop::collection::vec((1_usize..25, any::<bool>()), 2..5),
    ) {
        assert_eq!(world.context().visits, RULE);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(arrive(&world, &batches, hours));
    }
}
