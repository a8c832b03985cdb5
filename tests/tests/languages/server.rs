//! A server that answers each line with the same text, on a port of its own.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{self, Receiver},
    thread::JoinHandle,
    time::Duration,
};

/// How long a line may take to come. The commands that send one have ended when it is asked for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    port: u16,
    heard: Receiver<String>,
    thread: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(answer: impl Into<Vec<u8>>) -> Server {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it has an address").port();
        let (sender, heard) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let mut line = String::new();
                let mut reader = BufReader::new(&connection);
                if reader.read_line(&mut line).is_err() || line.is_empty() {
                    // Nobody who sends nothing is a plugin: it is `stop`.
                    return;
                }
                // The plugin may have gone.
                let _ = (&connection).write_all(&answer);
                let _ = sender.send(line);
            }
        });
        Server { port, heard, thread }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The next line that it was sent.
    pub(crate) fn heard(&self) -> String {
        self.heard.recv_timeout(PATIENCE).expect("a line was sent")
    }

    /// Ends it, and returns the port on which nobody listens any more.
    pub(crate) fn stop(self) -> u16 {
        drop(TcpStream::connect(("127.0.0.1", self.port)).expect("it listens"));
        self.thread.join().expect("it did not panic");
        self.port
    }
}
