//! The page for people who use pandas and matplotlib: its blocks run as they stand, and their numbers are Wayfarer's.

mod real {
    use std::{fs, path::Path, process::Command};

    use serde_json::json;
    use wayfarer_testkit::python;

    use crate::run::{House, clean};

    /// A Sunday, so that the weeks of some visitors end on their first day.
    const START: i64 = 1_777_766_400_000;
    const HOUR: i64 = 3_600_000;

    /// Six weeks of people who look, look again, and sometimes buy in time.
    fn fill(house: &House) {
        let mut lines = String::new();
        for visitor in 0..40_i64 {
            let began = START + visitor * 7 * HOUR;
            for visit in 0..=visitor % 4 {
                let at = began + visit * (20 + visitor * 5) * HOUR;
                let path = format!("/product/{}", visitor % 3);
                let seen = [("page_view", "/", 0), ("page_view", path.as_str(), visitor % 5 * 8)];
                let bought = ("purchase", "/cart", 1 + visitor % 7 * 4);
                let done = seen.into_iter().take(1 + usize::from(visitor % 3 > 0));
                for (name, path, hours) in done.chain((visitor % 2 == 0).then_some(bought)) {
                    let event = json!({
                        "name": name, "path": path, "host": "shop.example", "ts": at + hours * HOUR,
                        "visitor": format!("v{visitor}"),
                    });
                    lines += &format!("{event}\n");
                }
            }
        }
        let done =
            house.feed(&["import", "-", "--format", "events", "--site", "shop"], lines.as_bytes());
        assert_eq!(done.status, 0, "{done:?}");
    }

    /// The blocks of a page in one language, in order.
    fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
        let block = |part: &'a str| part.strip_prefix(language)?.strip_prefix('\n');
        page.split("\n```").filter_map(block).collect()
    }

    fn run(mut command: Command, folder: &Path) -> String {
        let binary = Path::new(env!("CARGO_BIN_EXE_wayfarer")).parent().unwrap();
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
        command.current_dir(folder).env("PATH", path).env("MPLBACKEND", "Agg");
        // DuckDB finds its extensions where it would have put them.
        let output = command.env("HOME", folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Puts DuckDB's extensions, which came as Python packages, where it looks for what it has installed.
    const EXTENSIONS: &str = r#"
import duckdb, glob, os, shutil
platform = duckdb.sql("pragma platform").fetchone()[0]
place = os.path.join(os.environ["HOME"], ".duckdb", "extensions", "v" + duckdb.__version__, platform)
os.makedirs(place)
for package in ("duckdb_extension_sqlite_scanner", "duckdb_extension_ducklake"):
    base = os.path.join(os.path.dirname(os.path.dirname(duckdb.__file__)), package)
    for path in glob.glob(os.path.join(base, "extensions", "*", "*.duckdb_extension")):
        shutil.copy(path, place)
"#;

    #[test]
    fn the_page_runs_as_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let house = House::at(&folder.path().join("wayfarer-data"));
        house.run(&["admin", "site", "add", "shop"]).text();
        fill(&house);
        let page = fs::read_to_string(
            std::env::var("CARGO_MANIFEST_DIR").unwrap() + "/../../docs/notebook.md",
        )
        .unwrap();
        // The first block fetches packages, which are here already.
        let shell = blocks(&page, "sh").split_off(1);
        let python_blocks = blocks(&page, "python");
        assert_eq!((shell.len(), python_blocks.len()), (1, 9));
        let mut sh = clean(Command::new("sh"));
        sh.args(["-euc", shell[0]]);
        run(sh, folder.path());
        let modules = [
            "duckdb",
            "duckdb_extension_ducklake",
            "duckdb_extension_sqlite_scanner",
            "matplotlib",
            "pandas",
        ];
        let interpreter = python(&modules).unwrap();
        let seen = "print(json.dumps([counts, cohorts.values.tolist(), len(told), by_day.visitors.tolist(), visitors.visitors.tolist()]))";
        let program = [&[EXTENSIONS], python_blocks.as_slice(), &[seen]].concat().join("\n");
        let mut command = clean(Command::new(interpreter));
        command.args(["-c", &program]);
        let stdout = run(command, folder.path());
        let seen: serde_json::Value = serde_json::from_str(&stdout).unwrap();

        // What the page asserts is said of something: people drop out at every step, and some come back.
        let counts: Vec<u64> = serde_json::from_value(seen[0].clone()).unwrap();
        assert_eq!(counts[0], 40);
        assert!(counts[0] > counts[1] && counts[1] > counts[2] && counts[2] > 0, "{counts:?}");
        let cells: Vec<Vec<u64>> = serde_json::from_value(seen[1].clone()).unwrap();
        assert!(
            cells.len() > 1
                && cells.iter().flatten().filter(|cell| **cell > 0).count() > cells.len(),
            "{cells:?}"
        );
        assert!(seen[2].as_u64().unwrap() >= cells.len() as u64);
        // The lake itself and a report say the same of every day with visitors.
        let report: Vec<u64> = serde_json::from_value(seen[4].clone()).unwrap();
        let report: Vec<u64> = report.into_iter().filter(|visitors| *visitors > 0).collect();
        assert_eq!(seen[3], json!(report));
        for picture in ["funnel.png", "retention.png"] {
            let bytes = fs::read(folder.path().join(picture)).unwrap();
            assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 5000, "{picture}");
        }
    }
}
