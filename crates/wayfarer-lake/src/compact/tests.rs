use super::*;
use crate::{catalog::FileRow, file::SiteSpan, storage::Disk};

const NOW: Micros = Micros(20_000 * Micros::DAY + 5 * Micros::HOUR);

fn file(id: u64, rows: u64, days: std::ops::RangeInclusive<i64>) -> Arc<DataFile> {
    let times = days.start() * Micros::DAY..=days.end() * Micros::DAY;
    let span = SiteSpan { site: "a".into(), first_row: 0, rows, visitors: 0..=1, times };
    let storage: Arc<dyn crate::storage::Storage> = Arc::new(Disk);
    let path = String::new();
    let row = FileRow { id, path, rows, bytes: rows * 10, crc: None, spans: vec![span] };
    Arc::new(DataFile::new(storage, PathBuf::new(), &row))
}

fn planned(files: &[Arc<DataFile>], effort: Effort) -> Vec<u64> {
    let planned = plan(files, &Calendar::new(NOW, 7, 30), NOW, effort);
    planned.unwrap_or_default().iter().map(|file| file.id).collect()
}

#[test]
fn small_files_of_today_wait_until_there_are_enough() {
    let mut files: Vec<_> = (0..3).map(|id| file(id, 100, 20_000..=20_000)).collect();
    files.push(file(3, 1_000_000, 20_000..=20_000));
    assert!(planned(&files, Effort::Due).is_empty());
    files.push(file(4, 100, 20_000..=20_000));
    assert_eq!(planned(&files, Effort::Due), [0, 1, 2, 4], "the large one is not written again");
}

#[test]
fn an_ended_day_becomes_one_file() {
    let files: Vec<_> = (0..5).map(|id| file(id, 100 << (3 * id), 19_998..=19_998)).collect();
    assert_eq!(planned(&files, Effort::Due).len(), 5);
}

#[test]
fn days_become_a_week_and_weeks_a_month() {
    // 20,000 days after 1970 is the 4th of October 2024: days from the 22nd of September on, weeks of the whole month.
    let (september, august) = (19_967_i64, 19_936_i64);
    let day = |n| file(n, 5_000, september + n as i64..=september + n as i64);
    let days: Vec<_> = (0..7).map(day).collect();
    assert_eq!(planned(&days, Effort::Due), [0, 1, 2, 3, 4, 5, 6]);
    let weeks = [(0, 6), (7, 13), (14, 20), (21, 27), (28, 30)].into_iter().zip(0..);
    let week = |((from, until), n)| file(n, 5_000 * n.max(1), august + from..=august + until);
    let weeks: Vec<_> = weeks.map(week).collect();
    assert_eq!(planned(&weeks, Effort::Due).len(), 5);
    assert_eq!(planned(&weeks[..2], Effort::Due), [0, 1], "what a month has of weeks");
}

#[test]
fn late_events_wait_until_they_are_worth_writing_a_month_again() {
    let august = 19_936..=19_966;
    let mut files: Vec<_> = vec![file(0, 1_000_000, august.clone())];
    files.extend((1..=4).map(|id| file(id, 20_000, august.clone())));
    assert!(planned(&files[..4], Effort::Due).is_empty());
    assert_eq!(planned(&files, Effort::Due), [1, 2, 3, 4, 0], "five are more than enough");
    files[1] = file(1, 250_000, august);
    assert_eq!(planned(&files[..2], Effort::Due), [1, 0], "a quarter of what is there");
}

#[test]
fn what_is_merged_at_once_is_bounded() {
    let files: Vec<_> = (0..100).map(|id| file(id, 100, 20_000..=20_000)).collect();
    assert_eq!(planned(&files, Effort::Due).len(), MOST_INPUTS);
}

#[test]
fn large_files_of_one_period_stay() {
    let files: Vec<_> = (0..9).map(|id| file(id, FILE_ROWS, 20_000..=20_000)).collect();
    assert!(planned(&files, Effort::All).is_empty());
}

#[test]
fn with_all_effort_two_files_become_one_and_a_file_over_days_is_taken_apart() {
    let files = [file(0, 10, 19_999..=19_999), file(1, 10, 20_000..=20_000)];
    assert!(planned(&files, Effort::All).is_empty());
    let files = [file(0, 10, 20_000..=20_000), file(1, 10, 20_000..=20_000)];
    assert_eq!(planned(&files, Effort::All), [0, 1]);
    assert_eq!(planned(&[file(0, 10, 19_999..=20_000)], Effort::All), [0]);
}
