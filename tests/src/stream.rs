//! Output that keeps coming: JSON documents or lines of a command that watches.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use serde_json::{Deserializer, Value};

/// Items of [`Stream::seen`] that a failure shows.
const SHOWN: usize = 12;

/// The output of a running command, item by item. Dropping it ends the command.
pub struct Stream<T> {
    child: Child,
    line: String,
    show: fn(&T) -> String,
    items: Receiver<(Instant, T)>,
    /// Everything that was read, with the time at which it came.
    pub seen: Vec<(Instant, T)>,
}

impl Stream<String> {
    /// The lines that a command prints.
    pub fn lines(command: &mut Command) -> Stream<String> {
        Stream::new(command, String::clone, |reader, send| {
            for line in reader.lines().map_while(Result::ok) {
                send(line);
            }
        })
    }
}

impl Stream<Value> {
    /// The JSON documents that a command prints, lists taken apart.
    pub fn documents(command: &mut Command) -> Stream<Value> {
        // Of a pod its status tells what happened; an event has none.
        let show = |document: &Value| document.get("status").unwrap_or(document).to_string();
        Stream::new(command, show, |reader, send| {
            for document in Deserializer::from_reader(reader)
                .into_iter::<Value>()
                .map_while(Result::ok)
            {
                match document.get("items").and_then(Value::as_array) {
                    Some(items) => items.iter().cloned().for_each(&mut *send),
                    None => send(document),
                }
            }
        })
    }
}

impl<T: Clone + Send + 'static> Stream<T> {
    fn new<F>(command: &mut Command, show: fn(&T) -> String, read: F) -> Stream<T>
    where
        F: FnOnce(BufReader<std::process::ChildStdout>, &mut dyn FnMut(T)) + Send + 'static,
    {
        let line = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {line}: {error}"));
        let stdout = child.stdout.take().expect("stdout was asked for as a pipe");
        let (sender, items) = mpsc::channel();
        std::thread::spawn(move || {
            read(BufReader::new(stdout), &mut |item| {
                // Nobody listens any more once the stream is dropped.
                let _ = sender.send((Instant::now(), item));
            });
        });
        Stream {
            child,
            line,
            show,
            items,
            seen: Vec::new(),
        }
    }

    /// Reads on until an item fits, and returns it with the time at which it came.
    #[track_caller]
    pub fn until(&mut self, what: &str, patience: Duration, mut fits: impl FnMut(&T) -> bool) -> (Instant, T) {
        let deadline = Instant::now() + patience;
        loop {
            match self.next(deadline) {
                Ok(item) if fits(&item.1) => return item,
                Ok(_) => {}
                Err(error) => panic!("{error} while waiting {patience:?} for: {what}\n{}", self.story()),
            }
        }
    }

    /// Reads on until an item fits, unless the last one that was read does: for a state that may have been reached already.
    #[track_caller]
    pub fn reaches(&mut self, what: &str, patience: Duration, mut fits: impl FnMut(&T) -> bool) {
        if !self.seen.last().is_some_and(|(_, item)| fits(item)) {
            self.until(what, patience, fits);
        }
    }

    /// Reads on for a while, and asserts that every item fits.
    #[track_caller]
    pub fn always(&mut self, what: &str, duration: Duration, mut fits: impl FnMut(&T) -> bool) {
        let deadline = Instant::now() + duration;
        loop {
            match self.next(deadline) {
                Ok((_, item)) => assert!(fits(&item), "no longer: {what}\n{}", self.story()),
                Err(RecvTimeoutError::Timeout) => return,
                Err(error) => panic!("{error} while watching: {what}\n{}", self.story()),
            }
        }
    }

    /// Whether an item that fits was ever read.
    pub fn has_seen(&self, fits: impl FnMut(&T) -> bool) -> bool {
        self.seen.iter().map(|(_, item)| item).any(fits)
    }

    fn next(&mut self, deadline: Instant) -> Result<(Instant, T), RecvTimeoutError> {
        let item = self
            .items
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.seen.push(item.clone());
        Ok(item)
    }

    /// What was seen last, for messages.
    fn story(&self) -> String {
        let first = self.seen.first().map(|(time, _)| *time);
        let mut text = format!("{}\nlast seen:\n", self.line);
        for (time, item) in self.seen.iter().skip(self.seen.len().saturating_sub(SHOWN)) {
            let after = first.map(|first| time.duration_since(first)).unwrap_or_default();
            text.push_str(&format!("{:>8.2}s {}\n", after.as_secs_f64(), (self.show)(item)));
        }
        text
    }
}

impl<T> Drop for Stream<T> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
