#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use super::*;

/// A log whose records are written as `<second> <stream> <tag> <text>`.
struct Log {
    folder: tempfile::TempDir,
}

impl Log {
    fn new(records: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = Self { folder };
        std::fs::write(log.path(), with_times(records)).unwrap();
        log
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn put_aside(&self, number: usize, records: &str) {
        std::fs::write(numbered(&self.path(), number), with_times(records)).unwrap();
    }

    async fn tail(&self, lines: usize) -> Vec<(u64, bool, String)> {
        let lines = tail(&self.path(), lines).await.unwrap();
        let second = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs() % 60;
        lines
            .into_iter()
            .map(|line| (second(line.time), line.stderr, line.text))
            .collect()
    }
}

fn with_times(records: &str) -> String {
    records.lines().fold(String::new(), |mut text, record| {
        let (second, rest) = record.split_once(' ').unwrap();
        writeln!(text, "2026-01-02T03:04:{second:0>2}.5Z {rest}").unwrap();
        text
    })
}

fn line(second: u64, stderr: bool, text: &str) -> (u64, bool, String) {
    (second, stderr, text.to_owned())
}

#[tokio::test]
async fn the_last_lines_come_oldest_first() {
    let log = Log::new("1 stdout F one\n2 stderr F two\n3 stdout F \n4 stdout F  four 4 \n");
    let all = [
        line(1, false, "one"),
        line(2, true, "two"),
        line(3, false, ""),
        line(4, false, " four 4 "),
    ];
    for count in 0..=4 {
        assert_eq!(log.tail(count).await, all[4 - count..], "{count}");
    }
    assert_eq!(log.tail(usize::MAX).await, all);
    let time = tail(&log.path(), 1).await.unwrap()[0].time;
    assert_eq!(time, UNIX_EPOCH + Duration::from_millis(1_767_323_044_500));
}

#[tokio::test]
async fn pieces_of_one_stream_are_one_line() {
    let log = Log::new("1 stdout F begin\n2 stdout P a\n3 stderr P x\n4 stdout P b\n5 stderr F y\n6 stdout F c\n");
    let (x, a) = (line(3, true, "xy"), line(2, false, "abc"));
    assert_eq!(log.tail(1).await, std::slice::from_ref(&a));
    assert_eq!(log.tail(2).await, [x.clone(), a.clone()]);
    assert_eq!(log.tail(9).await, [line(1, false, "begin"), x, a]);
}

#[tokio::test]
async fn a_line_without_end_yet_is_there() {
    let log = Log::new("1 stdout F one\n2 stdout P tw\n3 stderr F other\n4 stdout P o\n");
    assert_eq!(log.tail(1).await, [line(2, false, "two")]);
    assert_eq!(
        log.tail(3).await,
        [line(1, false, "one"), line(3, true, "other"), line(2, false, "two")]
    );
}

#[tokio::test]
async fn damaged_records_are_left_out() {
    let log = Log::new("1 stdout F one\n2 stdout F two\n");
    let mut text = std::fs::read(log.path()).unwrap();
    text.extend_from_slice(b"\n\nnonsense\nT stdout F text\n2026-01-02T03:04:05Z stdin F x\n");
    text.extend_from_slice(b"2026-01-02T03:04:05Z stdout X x\n2026-01-02T03:04:05Z stdout F:tag \xffx\n");
    // Of a record that is just being written.
    text.extend_from_slice(b"2026-01-02T03:04:05Z stdout F hal");
    std::fs::write(log.path(), text).unwrap();
    assert_eq!(log.tail(2).await, [line(2, false, "two"), line(5, false, "\u{fffd}x")]);
}

#[tokio::test]
async fn a_rotated_file_goes_before() {
    let log = Log::new("4 stdout F d\n5 stdout F five\n");
    log.put_aside(1, "1 stdout F one\n2 stdout F two\n3 stdout P abc\n");
    log.put_aside(2, "1 stdout F older\n");
    assert_eq!(log.tail(1).await, [line(5, false, "five")]);
    assert_eq!(
        log.tail(9).await,
        [
            line(1, false, "one"),
            line(2, false, "two"),
            line(3, false, "abcd"),
            line(5, false, "five")
        ]
    );
    // In the moment between the two steps of a rotation.
    std::fs::remove_file(log.path()).unwrap();
    assert_eq!(log.tail(9).await.len(), 4);
    // The same file twice is what a rotation looks like that happens in between.
    std::fs::hard_link(numbered(&log.path(), 1), log.path()).unwrap();
    assert_eq!(log.tail(9).await.len(), 4);
}

#[tokio::test]
async fn a_log_that_is_not_there_is_told() {
    let log = Log::new("");
    assert_eq!(log.tail(9).await, []);
    std::fs::remove_file(log.path()).unwrap();
    let error = tail(&log.path(), 9).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("cannot read the log /"), "{error}");
}

#[tokio::test]
async fn lines_across_chunks_are_whole() {
    let texts: Vec<String> = (0..900)
        .map(|number| format!("{number} {}", "x".repeat(number % 211)))
        .collect();
    let records: String = texts
        .iter()
        .fold(String::new(), |records, text| records + "1 stdout F " + text + "\n");
    let log = Log::new(&records);
    let read: Vec<_> = log.tail(900).await.into_iter().map(|line| line.2).collect();
    assert_eq!(read, texts);
}

#[tokio::test]
async fn lines_and_text_are_bounded() {
    let log = Log::new(&"1 stdout F x\n".repeat(3 * LINES_MAX));
    assert_eq!(log.tail(usize::MAX).await.len(), LINES_MAX);

    let text = "y".repeat(1000);
    let log = Log::new(&format!("1 stdout F {text}\n").repeat(LINES_MAX));
    assert_eq!(log.tail(LINES_MAX).await.len(), TEXT_BYTES_MAX / text.len());

    // Replaced by three bytes each.
    let log = Log::new("");
    let record = [b"2026-01-02T03:04:05Z stdout F ".as_slice(), &[0xff; 1000], b"\n"].concat();
    std::fs::write(log.path(), record.repeat(LINES_MAX)).unwrap();
    assert_eq!(log.tail(LINES_MAX).await.len(), TEXT_BYTES_MAX / 3000);
}

#[tokio::test]
async fn of_a_line_that_is_too_long_the_end_is_there() {
    let piece = "z".repeat(16 * 1024);
    let pieces = format!("1 stdout P {piece}\n").repeat(2 * TEXT_BYTES_MAX / piece.len());
    let log = Log::new(&format!("1 stdout F older\n{pieces}2 stdout F end\n"));
    let lines = log.tail(2).await;
    assert_eq!(lines.len(), 1);
    let text = &lines[0].2;
    assert!(text.len() == TEXT_BYTES_MAX && text.ends_with("zzend"));
}

#[tokio::test]
async fn a_file_of_any_size_and_content_costs_no_more() {
    let log = Log::new("");
    let file = File::options().write(true).open(log.path()).unwrap();
    // Sparse: a petabyte would be as quick.
    file.set_len(1 << 40).unwrap();
    assert_eq!(log.tail(LINES_MAX).await, []);
    let last = b"\n2026-01-02T03:04:05Z stdout F last\n";
    file.write_all_at(last, (1 << 40) - last.len() as u64).unwrap();
    assert_eq!(log.tail(LINES_MAX).await, [line(5, false, "last")]);
}

#[test]
fn a_file_that_shrinks_meanwhile_just_ends() {
    let log = Log::new("1 stdout F one\n");
    let mut records = Backwards::new(File::open(log.path()).unwrap(), 1 << 20);
    assert_eq!(records.next(&mut READ_BYTES_MAX.clone()).unwrap(), None);
}
