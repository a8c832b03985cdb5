//! Servers on the node's loopback that are no help: the cases speak of their ports by names such as `{silent}`.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustix::net::{AddressFamily, SocketType};
use serde_json::Value;

/// Between two bytes of a server that drips: a client that starts its clock anew with each byte waits for ever.
const DRIP: Duration = Duration::from_millis(20);
/// How long a place in a full queue is waited for.
const QUEUE: Duration = Duration::from_millis(200);
/// The beginning of a response whose body takes for ever.
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";

/// All of them. They live for as long as the process.
pub struct Servers {
    ports: Vec<(&'static str, u16)>,
    /// Connections that a server holds and never looks at.
    held: Arc<Mutex<Vec<TcpStream>>>,
    _hole: (TcpListener, Vec<TcpStream>),
}

impl Servers {
    /// Starts them.
    ///
    /// # Panics
    ///
    /// If this machine has no loopback.
    pub fn start() -> Self {
        let held = Arc::new(Mutex::new(Vec::new()));
        let hole = hole();
        let mut servers = Self {
            ports: vec![("{hole}", port(&hole.0)), ("{closed}", port(&bind()))],
            held: held.clone(),
            _hole: hole,
        };
        servers.serve("{silent}", move |stream| {
            if let Ok(mut held) = held.lock() {
                held.push(stream);
            }
        });
        let much = "x".repeat(8192);
        servers.stream("{stream}", &much);
        servers.answer("{drip}", "H", "TTP", Some(DRIP));
        servers.answer("{trickle}", HEAD, "x", Some(DRIP));
        servers.answer("{body}", HEAD, &much, None);
        servers.answer("{headers}", "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n", None);
        servers
    }

    /// Puts the ports where a case has names for them.
    ///
    /// # Panics
    ///
    /// Never: ports are numbers.
    pub fn name_ports(&self, value: &Value) -> Value {
        let name = |text: String, (name, port): &(&str, u16)| text.replace(name, &port.to_string());
        let text = self.ports.iter().fold(value.to_string(), name);
        serde_json::from_str(&text).expect("still JSON")
    }

    /// Hangs up, so that what is left is the clients' fault alone.
    pub fn forget(&self) {
        if let Ok(mut held) = self.held.lock() {
            held.clear();
        }
    }

    fn serve(&mut self, name: &'static str, mut answer: impl FnMut(TcpStream) + Send + 'static) {
        let listener = bind();
        self.ports.push((name, port(&listener)));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream);
            }
        });
    }

    /// A server that sends the same without end, whatever it is asked.
    fn stream(&mut self, name: &'static str, again: &str) {
        let again = again.to_owned();
        self.serve(name, move |mut stream| {
            let again = again.clone();
            thread::spawn(move || while stream.write_all(again.as_bytes()).is_ok() {});
        });
    }

    /// A server that answers the beginning of a request with one thing, and then with another without end, until the
    /// client is gone.
    fn answer(&mut self, name: &'static str, first: &str, again: &str, pause: Option<Duration>) {
        let (first, again) = (first.to_owned(), again.to_owned());
        self.serve(name, move |mut stream| {
            let (first, again) = (first.clone(), again.clone());
            thread::spawn(move || {
                let asked = stream.read(&mut [0; 4096]);
                let mut sent = asked.and_then(|_| stream.write_all(first.as_bytes()));
                while sent.is_ok() {
                    if let Some(pause) = pause {
                        thread::sleep(pause);
                    }
                    sent = stream.write_all(again.as_bytes());
                }
            });
        });
    }
}

fn bind() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the loopback can be bound to")
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A port that neither accepts nor refuses: its queue is full.
fn hole() -> (TcpListener, Vec<TcpStream>) {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("the loopback can be bound to");
    rustix::net::listen(&socket, 1).expect("a bound socket can listen");
    let listener = TcpListener::from(socket);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port(&listener)));
    let mut queue = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, QUEUE) {
        queue.push(stream);
    }
    (listener, queue)
}
