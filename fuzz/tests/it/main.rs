//! Every corpus is replayed, and mutated at random from a seed: nothing panics, and nothing takes more memory than it may.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a test cannot go on without may end it"
)]

use peak_alloc::PeakAlloc;

/// Tells how much memory a decoder takes.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

mod fuzz {
    use std::{
        fs,
        panic::{AssertUnwindSafe, catch_unwind},
        path::{Path, PathBuf},
        time::{Duration, Instant},
    };

    use fastrand::Rng;
    use serde_json::json;
    use wayfarer_fuzz::{TARGETS, Target, mutate::mutate};

    use super::MEMORY;

    /// No input of a corpus may make its decoder take more than this above what lay there before. The largest bound of a
    /// decoder, a Memcached's value, is 64 MiB.
    const MOST: usize = 96 << 20;

    /// So many mutations are tried where `WAYFARER_FUZZ_SECONDS` does not ask for more.
    const MUTATIONS: u64 = 1500;

    const SEED: u64 = 20_260_101;

    /// A folder of this crate.
    fn home(name: &str) -> PathBuf {
        Path::new(&std::env::var("CARGO_MANIFEST_DIR").unwrap()).join(name)
    }

    fn folder(name: &str, target: &Target) -> PathBuf {
        home(name).join(target.name)
    }

    /// In the order of the names, so that a seed always gives the same.
    fn corpus(target: &Target) -> Vec<Vec<u8>> {
        let files = fs::read_dir(folder("corpus", target)).unwrap_or_else(|error| {
            panic!("{} has no corpus ({error}): run `cargo run -p wayfarer-fuzz`", target.name)
        });
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        files.iter().map(|file| fs::read(file).unwrap()).collect()
    }

    /// Runs one input. One that does harm is kept, and named.
    fn one(target: &Target, bytes: &[u8]) {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
        let taken = MEMORY.peak_usage().saturating_sub(before);
        if ended.is_ok() && taken <= MOST {
            return;
        }
        let kept = folder("artifacts", target);
        fs::create_dir_all(&kept).unwrap();
        let sum = bytes.iter().fold(0_u64, |sum, b| sum.wrapping_mul(31).wrapping_add((*b).into()));
        let file = kept.join(format!("{sum:016x}"));
        fs::write(&file, bytes).unwrap();
        let what = if ended.is_err() { "panics" } else { "takes too much memory" };
        panic!("{} {what} ({taken} bytes): {}", target.name, file.display());
    }

    /// Tries mutations, and gives how many.
    fn mutations(target: &Target, corpus: &[Vec<u8>]) -> u64 {
        let asked = std::env::var("WAYFARER_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
        let (mut random, started) = (Rng::with_seed(SEED), Instant::now());
        let mut tried = 0;
        let wanted = |tried: u64| match asked {
            Some(seconds) => started.elapsed() < Duration::from_secs(seconds),
            None => tried < MUTATIONS,
        };
        while wanted(tried) {
            one(target, &mutate(&mut random, corpus));
            tried += 1;
        }
        tried
    }

    /// One test for all, since memory is counted for the whole process.
    #[test]
    fn no_corpus_and_no_mutation_does_harm() {
        for target in TARGETS {
            let corpus = corpus(target);
            assert!(corpus.len() >= 3, "the corpus of {} is too small", target.name);
            for bytes in &corpus {
                one(target, bytes);
            }
            let tried = mutations(target, &corpus);
            println!("{:<20} {:>4} in its corpus, {tried} mutations", target.name, corpus.len());
            note(target, corpus.len(), tried);
        }
    }

    /// For `cargo xtask show sessions`.
    fn note(target: &Target, corpus: usize, mutations: u64) {
        use std::io::Write as _;
        let Some(path) = std::env::var_os("WAYFARER_PROOFS") else { return };
        let line =
            json!({ "fuzz": target.name, "corpus": corpus, "mutations": mutations, "seed": SEED });
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// A folder of a target that is no longer there would be dead weight.
    #[test]
    fn every_corpus_has_a_target() {
        for folder in fs::read_dir(home("corpus")).unwrap() {
            let name = folder.unwrap().file_name().into_string().unwrap();
            assert!(TARGETS.iter().any(|target| target.name == name), "{name} has no target");
        }
    }
}
