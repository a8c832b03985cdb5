//! Two pods with the same address and port, each in its network namespace: no probe may meet the wrong one.
//!
//! Making namespaces takes root; elsewhere this says so and does nothing.

use std::{
    fs::File,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, TcpListener},
    os::fd::AsFd,
    process::Command,
    sync::{Arc, mpsc},
    thread,
};

use probelet_engine::{Destination, NetworkGrant, NetworkNamespace, Plugin};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use crate::fixture::{concurrent, http, probe, said, tcp, with_network};

/// In each pod.
const PORT: u16 = 8080;

/// A network namespace in which a server gives this status.
struct Pod(File);

impl Pod {
    fn start(status: &'static str) -> io::Result<Arc<Self>> {
        let (ready, namespace) = mpsc::channel();
        thread::spawn(move || {
            let served = enter_new_namespace().and_then(|namespace| {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))?;
                Ok((namespace, listener))
            });
            match served {
                Ok((namespace, listener)) => {
                    let _ = ready.send(Ok(namespace));
                    serve(&listener, status);
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
        Ok(Arc::new(Self(namespace.recv().expect("the pod's thread")?)))
    }
}

impl NetworkNamespace for Pod {
    fn run(&self, section: &mut dyn FnMut()) -> io::Result<()> {
        let home = File::open("/proc/thread-self/ns/net")?;
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?;
        section();
        Ok(move_into_link_name_space(
            home.as_fd(),
            Some(LinkNameSpaceType::Network),
        )?)
    }
}

#[allow(unsafe_code)]
fn enter_new_namespace() -> io::Result<File> {
    // SAFETY: only this thread's network namespace becomes another one; nothing that it shares with others does.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) }?;
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status()?;
    if !status.success() {
        return Err(io::Error::other("`ip link set lo up` failed"));
    }
    File::open("/proc/thread-self/ns/net")
}

fn serve(listener: &TcpListener, status: &str) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { return };
        // A tcp probe sends nothing and is gone.
        let _ = stream.read(&mut [0; 4096]);
        let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    }
}

fn grant(pod: &Arc<Pod>) -> NetworkGrant {
    NetworkGrant {
        namespace: Some(pod.clone()),
        pod_addresses: vec![IpAddr::from([10, 88, 0, 2])],
        ..NetworkGrant::default()
    }
}

/// A hundred runs at once, every other one for the second pod.
async fn run_in_turn(plugin: &Plugin, config: &Value, pods: [&Arc<Pod>; 2], expected: [&str; 2]) {
    let runs = (0..100).map(|number| {
        let request = with_network(grant(pods[number % 2]), probe(config.clone()));
        let plugin = plugin.clone();
        (
            expected[number % 2],
            tokio::spawn(async move { plugin.run(request).await }),
        )
    });
    for (expected, run) in runs.collect::<Vec<_>>() {
        assert_eq!(said(&run.await.expect("a run")), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pods_with_the_same_address_are_kept_apart() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: network namespaces take root");
        return;
    }
    let well = Pod::start("200 OK").expect("a pod");
    let ill = Pod::start("503 Service Unavailable").expect("a pod");
    let config = json!({"scheme": "HTTP", "host": "127.0.0.1", "port": PORT, "path": "/"});
    let expected = ["Success: ", "Failure: HTTP probe failed with statuscode: 503"];
    run_in_turn(&http().await, &config, [&well, &ill], expected).await;
    // The sockets of WASI 0.3.
    let config = json!({"do": "connect", "host": format!("127.0.0.1:{PORT}"), "then": "exchange"});
    let expected = ["200 OK", "503 Service Unavailable"]
        .map(|status| format!(r#"Warning: "0 bytes left: HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n""#));
    let expected = expected.each_ref().map(String::as_str);
    run_in_turn(&concurrent().await, &config, [&well, &ill], expected).await;
    for pod in [&well, &ill] {
        let outcome = tcp()
            .await
            .run(with_network(
                grant(pod),
                probe(json!({"host": "127.0.0.1", "port": PORT})),
            ))
            .await;
        assert_eq!(said(&outcome), "Success: ");
    }
}

#[tokio::test]
async fn a_pods_loopback_is_not_the_nodes() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: network namespaces take root");
        return;
    }
    let pod = Pod::start("200 OK").expect("a pod");
    let node = TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = node.local_addr().expect("an address").port();
    let request = |host: &str, grant| with_network(grant, probe(json!({"host": host, "port": port})));
    let refused = format!("Failure: dial tcp 127.0.0.1:{port}: connect: connection refused");
    assert_eq!(said(&tcp().await.run(request("127.0.0.1", grant(&pod))).await), refused);
    // A handler's `host` names the pod's own loopback too.
    let named = NetworkGrant {
        destinations: vec![Destination::new("127.0.0.1", None).with_private()],
        ..grant(&pod)
    };
    assert_eq!(said(&tcp().await.run(request("127.0.0.1", named)).await), refused);
    // What else it names is dialled from the node.
    let outcome = tcp().await.run(request("192.0.2.1", grant(&pod))).await;
    assert!(outcome.message.contains("is not granted"), "{outcome:?}");
}
