//! Real bridges and namespaces; needs root.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
};

use probelet_network::{Ipv6Range, NamespaceHandle, Network, NetworkConfig, NetworkError, PodNetwork};

struct Fixture {
    network: Network,
    folder: tempfile::TempDir,
    before: Census,
}

/// What must be as before when all is removed.
#[derive(Debug, PartialEq, Eq)]
struct Census {
    interfaces: BTreeSet<String>,
    pins: usize,
}

impl Census {
    fn of(folder: &std::path::Path, bridge: &str) -> Self {
        let ours = |name: &String| name == bridge || (name.starts_with("pl") && name.len() == 15);
        let entries = fs::read_dir("/sys/class/net").unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let here = folder.to_str().unwrap();
        Self {
            interfaces: names
                .filter(ours)
                .filter(|name| name == bridge || belongs(name, bridge))
                .collect(),
            pins: mounts.lines().filter(|line| line.contains(here)).count(),
        }
    }
}

/// Whether an interface is connected to the bridge.
fn belongs(name: &str, bridge: &str) -> bool {
    let controller = fs::read_link(format!("/sys/class/net/{name}/master"));
    controller.is_ok_and(|path| path.ends_with(bridge))
}

async fn open(bridge: &str, range: &str, directory: PathBuf) -> Result<Network, NetworkError> {
    open_with(bridge, range, Ipv6Range::Automatic, directory).await
}

async fn open_with(
    bridge: &str,
    range: &str,
    subnet_ipv6: Ipv6Range,
    directory: PathBuf,
) -> Result<Network, NetworkError> {
    assert!(
        rustix_is_root(),
        "these tests make network namespaces: run them as root"
    );
    Network::open(NetworkConfig {
        bridge: bridge.into(),
        subnet: range.parse().unwrap(),
        subnet_ipv6,
        directory,
    })
    .await
}

/// What people do by hand.
fn ip(arguments: &[&str]) {
    let status = std::process::Command::new("ip").args(arguments).status().unwrap();
    assert!(status.success(), "ip {arguments:?}");
}

fn rustix_is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().contains("Uid:\t0\t")
}

async fn fixture(bridge: &str, range: &str) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    // What a failed run of this test has left.
    if fs::exists(format!("/sys/class/net/{bridge}")).unwrap() {
        ip(&["link", "delete", bridge]);
    }
    let before = Census::of(folder.path(), bridge);
    let network = open(bridge, range, folder.path().join("network")).await.unwrap();
    Fixture {
        network,
        folder,
        before,
    }
}

impl Fixture {
    /// As the next agent finds it.
    async fn reopened(self, bridge: &str, range: &str) -> Self {
        self.reopened_with(bridge, range, Ipv6Range::Automatic).await
    }

    async fn reopened_with(self, bridge: &str, range: &str, ipv6: Ipv6Range) -> Self {
        let Self {
            network,
            folder,
            before,
        } = self;
        drop(network);
        let network = open_with(bridge, range, ipv6, folder.path().join("network"))
            .await
            .unwrap();
        Self {
            network,
            folder,
            before,
        }
    }

    async fn close(self, bridge: &str) {
        self.network.close().await.unwrap();
        assert_eq!(Census::of(self.folder.path(), bridge), self.before);
    }
}

fn enter<T>(pod: &PodNetwork, section: impl FnOnce() -> T) -> T {
    let handle = NamespaceHandle::open(pod.network_namespace.as_ref().unwrap()).unwrap();
    let _entered = handle.enter().unwrap();
    section()
}

/// Listens inside a pod and says its name to whoever connects.
fn serve(pod: &PodNetwork, port: u16, name: &'static str) -> std::thread::JoinHandle<()> {
    serve_on(pod, ([0, 0, 0, 0], port).into(), name)
}

fn serve_on(pod: &PodNetwork, address: SocketAddr, name: &'static str) -> std::thread::JoinHandle<()> {
    let listener = enter(pod, || TcpListener::bind(address).unwrap());
    std::thread::spawn(move || listener.accept().unwrap().0.write_all(name.as_bytes()).unwrap())
}

/// Whether whoever says so is a router to a pod.
fn believes_routers(pod: &PodNetwork) -> bool {
    let accepts = enter(pod, || {
        fs::read_to_string("/proc/sys/net/ipv6/conf/eth0/accept_ra").unwrap()
    });
    accepts.trim() != "0"
}

fn ask(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn two_pods_with_the_same_port_are_reached_apart() {
    let fixture = fixture("pltest0", "10.211.10.0/24").await;
    let one = fixture.network.create_pod("uid-one", "one", false).await.unwrap();
    let two = fixture.network.create_pod("uid-two", "two", false).await.unwrap();
    assert_eq!(one.addresses[0], "10.211.10.2".parse::<IpAddr>().unwrap());
    assert_eq!(two.addresses[0], "10.211.10.3".parse::<IpAddr>().unwrap());

    // By loopback inside each, where both have the same address.
    let servers = [serve(&one, 80, "one"), serve(&two, 80, "two")];
    let loopback = SocketAddr::from(([127, 0, 0, 1], 80));
    assert_eq!(ask(enter(&two, || TcpStream::connect(loopback).unwrap())), "two");
    assert_eq!(ask(enter(&one, || TcpStream::connect(loopback).unwrap())), "one");
    for server in servers {
        server.join().unwrap();
    }
    // From the machine, and from the other pod.
    let address = SocketAddr::new(two.addresses[0], 81);
    for from_pod in [false, true] {
        let server = serve(&two, 81, "two");
        let connect = || TcpStream::connect(address).unwrap();
        assert_eq!(ask(if from_pod { enter(&one, connect) } else { connect() }), "two");
        server.join().unwrap();
    }
    assert!(
        TcpStream::connect(loopback).is_err(),
        "this thread is back in the machine's namespace"
    );

    fixture.network.remove_pod("uid-one").await.unwrap();
    fixture.network.remove_pod("uid-two").await.unwrap();
    fixture.close("pltest0").await;
}

#[tokio::test]
async fn everything_can_be_repeated_and_survives_the_agent() {
    let fixture = fixture("pltest1", "10.211.11.0/24").await;
    let first = fixture.network.create_pod("uid", "host", false).await.unwrap();
    assert_eq!(fixture.network.create_pod("uid", "host", false).await.unwrap(), first);

    let fixture = fixture.reopened("pltest1", "10.211.11.0/24").await;
    let again = &fixture.network;
    assert_eq!(again.list().unwrap(), ["uid"]);
    assert_eq!(again.create_pod("uid", "host", false).await.unwrap(), first);

    // As a crash in the middle leaves it: begun, not completed.
    fs::remove_file(fixture.folder.path().join("network/uid/complete")).unwrap();
    assert_eq!(again.create_pod("uid", "host", false).await.unwrap(), first);
    let server = serve(&first, 80, "here");
    assert_eq!(ask(TcpStream::connect((first.addresses[0], 80)).unwrap()), "here");
    server.join().unwrap();

    again.close().await.unwrap();
    assert!(
        fs::exists("/sys/class/net/pltest1").unwrap(),
        "a bridge with pods stays"
    );
    again.remove_pod("uid").await.unwrap();
    again.remove_pod("uid").await.unwrap();
    fixture.close("pltest1").await;
}

#[tokio::test]
async fn a_pod_on_the_machines_network_has_an_ipc_namespace_of_its_own_only() {
    let fixture = fixture("pltest2", "10.211.12.0/24").await;
    let pod = fixture.network.create_pod("uid", "ignored", true).await.unwrap();
    assert_eq!((&pod.network_namespace, &pod.uts_namespace), (&None, &None));
    assert_eq!(pod.addresses, probelet_network::host_addresses());
    assert!(pod.addresses[0].is_ipv4());
    assert!(pod.ipc_namespace.exists());
    fixture.network.remove_pod("uid").await.unwrap();
    fixture.close("pltest2").await;
}

#[tokio::test]
async fn a_bridge_has_one_agent_at_a_time() {
    let fixture = fixture("plteste", "10.211.26.0/24").await;
    let pod = fixture.network.create_pod("uid", "host", false).await.unwrap();
    for range in ["10.211.26.0/24", "10.211.27.0/24"] {
        let second = open("plteste", range, fixture.folder.path().join("other")).await;
        let text = second.err().unwrap().to_string();
        for said in ["plteste", "--bridge", "--pod-cidr", &std::process::id().to_string()] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }
    let server = serve(&pod, 80, "here");
    assert_eq!(ask(TcpStream::connect((pod.addresses[0], 80)).unwrap()), "here");
    server.join().unwrap();
    fixture.network.remove_pod("uid").await.unwrap();
    fixture.close("plteste").await;
}

#[tokio::test]
async fn a_bridge_that_is_somebody_elses_is_refused_and_left_as_it_is() {
    let (bridge, range) = ("pltestg", "10.211.28.0/24");
    let fixture = fixture(bridge, range).await;
    fixture.network.create_pod("uid", "host", false).await.unwrap();
    let Fixture {
        network,
        folder,
        before,
    } = fixture;
    drop(network);
    let refused = async |range: &str, other: &str| {
        let opened = open(bridge, range, folder.path().join(other)).await;
        let error = opened.err().unwrap();
        assert!(matches!(error, NetworkError::ForeignBridge { .. }), "{error}");
        error.to_string()
    };
    // The first agent has died, its pod lives.
    assert!(refused(range, "other").await.contains("nomaster"));
    // Its own folder, and something else was connected to it.
    ip(&["link", "add", "pltestgx", "type", "veth", "peer", "name", "pltestgy"]);
    ip(&["link", "set", "pltestgx", "master", bridge]);
    assert!(
        refused(range, "network")
            .await
            .contains("ip link set pltestgx nomaster")
    );
    ip(&["link", "set", "pltestgx", "nomaster"]);
    let network = open(bridge, range, folder.path().join("network")).await.unwrap();
    network.remove_pod("uid").await.unwrap();
    ip(&["link", "set", "pltestgx", "master", bridge]);
    network.close().await.unwrap();
    drop(network);
    assert!(
        fs::exists(format!("/sys/class/net/{bridge}")).unwrap(),
        "it is in use, though by no pod"
    );
    ip(&["link", "delete", "pltestgx"]);

    // As an agent without pods leaves it that was killed.
    assert!(refused("10.211.29.0/24", "other").await.contains("10.211.28.1/24"));
    let network = open(bridge, range, folder.path().join("network")).await.unwrap();
    network.close().await.unwrap();
    assert_eq!(Census::of(folder.path(), bridge), before);
}

#[tokio::test]
async fn a_pod_that_was_cut_off_is_connected_again_with_its_addresses() {
    let (bridge, range) = ("pltesth", "10.211.30.0/24");
    let mut fixture = fixture(bridge, range).await;
    let one = fixture.network.create_pod("one", "one", false).await.unwrap();
    let two = fixture.network.create_pod("two", "two", false).await.unwrap();
    let ports = || {
        let entries = fs::read_dir(format!("/sys/class/net/{bridge}/brif")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect::<BTreeSet<_>>()
    };
    let both = ports();
    let remove_bridge = || ip(&["link", "delete", bridge]);
    // The interface goes, and with it the one inside.
    let remove_interfaces = || both.iter().for_each(|port| ip(&["link", "delete", port]));
    let set_down = || both.iter().for_each(|port| ip(&["link", "set", port, "down"]));
    for cut in [&remove_bridge as &dyn Fn(), &remove_interfaces, &set_down] {
        cut();
        fixture = fixture.reopened(bridge, range).await;
        assert_eq!(fixture.network.create_pod("one", "one", false).await.unwrap(), one);
        assert_eq!(fixture.network.create_pod("two", "two", false).await.unwrap(), two);
        assert_eq!(ports(), both);
        for address in &two.addresses {
            let destination = SocketAddr::new(*address, 80);
            for from_pod in [false, true] {
                let server = serve_on(&two, destination, "two");
                let connect = || TcpStream::connect(destination).unwrap();
                assert_eq!(ask(if from_pod { enter(&one, connect) } else { connect() }), "two");
                server.join().unwrap();
            }
        }
        let routes = enter(&two, || fs::read_to_string("/proc/thread-self/net/route").unwrap());
        let is_default = |line: &&str| line.split_whitespace().nth(1) == Some("00000000");
        assert_eq!(routes.lines().filter(is_default).count(), 1, "{routes}");
    }
    for pod in ["one", "two"] {
        fixture.network.remove_pod(pod).await.unwrap();
    }
    fixture.close(bridge).await;
}

#[tokio::test]
async fn a_range_in_use_is_refused_and_its_user_named() {
    let fixture = fixture("pltest3", "10.211.13.0/24").await;
    for range in ["10.211.13.128/25", "10.211.13.0/24"] {
        let error = open("pltest4", range, fixture.folder.path().join("other"))
            .await
            .err()
            .unwrap();
        let text = error.to_string();
        assert!(matches!(error, NetworkError::RangeInUse { .. }), "{text}");
        assert!(text.contains("pltest3") && text.contains("--pod-cidr"), "{text}");
    }
    fixture.close("pltest3").await;
}

#[tokio::test]
async fn too_small_full_and_misnamed_are_told_apart() {
    let fixture = fixture("pltest5", "10.211.15.0/29").await;
    for number in 2..=6 {
        fixture
            .network
            .create_pod(&format!("uid-{number}"), "host", false)
            .await
            .unwrap();
    }
    let full = fixture.network.create_pod("one-more", "host", false).await;
    assert!(matches!(full, Err(NetworkError::Exhausted { .. })), "{full:?}");
    for pod in fixture.network.list().unwrap() {
        fixture.network.remove_pod(&pod).await.unwrap();
    }
    let directory = fixture.folder.path().join("other");
    let small = open("pltest6", "10.211.16.0/30", directory.clone()).await;
    assert!(matches!(small.err(), Some(NetworkError::RangeTooSmall { .. })));
    for name in ["a-name-of-16-char", "with space", "", "lo"] {
        let refused = open(name, "10.211.17.0/24", directory.clone()).await.err().unwrap();
        assert!(matches!(refused, NetworkError::Bridge { .. }), "{refused}");
    }
    fixture.close("pltest5").await;
}

#[tokio::test]
async fn a_pod_has_an_address_of_each_family_and_can_use_both_at_once() {
    let fixture = fixture("pltest7", "10.211.18.0/24").await;
    let one = fixture.network.create_pod("uid-one", "one", false).await.unwrap();
    let two = fixture.network.create_pod("uid-two", "two", false).await.unwrap();
    assert_eq!(two.addresses[0], "10.211.18.3".parse::<IpAddr>().unwrap());
    let [_, IpAddr::V6(address)] = two.addresses[..] else {
        panic!("one of IPv4 and one of IPv6: {:?}", two.addresses);
    };
    assert!(address.is_unique_local(), "{address}");
    assert_eq!(address.segments()[7], 3, "{address}");
    // Nothing is waited for: from the first moment on it can be listened on and connected to, from all sides.
    let destination = SocketAddr::new(address.into(), 80);
    let connect = || TcpStream::connect(destination).unwrap();
    for from in [None, Some(&one), Some(&two)] {
        let server = serve_on(&two, destination, "two");
        assert_eq!(ask(from.map_or_else(connect, |pod| enter(pod, connect))), "two");
        server.join().unwrap();
    }
    assert!(!believes_routers(&one), "a pod is no router of another one");
    assert_eq!(
        fs::read_to_string("/proc/sys/net/ipv6/conf/pltest7/accept_ra").unwrap(),
        "0\n"
    );
    for pod in ["uid-one", "uid-two"] {
        fixture.network.remove_pod(pod).await.unwrap();
    }
    fixture.close("pltest7").await;
}

#[tokio::test]
async fn a_pod_keeps_the_addresses_that_it_was_made_with() {
    let fixture = fixture("pltest8", "10.211.19.0/24").await;
    let both = fixture.network.create_pod("both", "both", false).await.unwrap();
    assert_eq!(both.addresses.len(), 2);
    // As an agent has made it that knew no IPv6.
    fixture.network.create_pod("old", "old", false).await.unwrap();
    let record = fixture.folder.path().join("network/old/address-ipv6");
    fs::remove_file(record).unwrap();

    let fixture = fixture
        .reopened_with("pltest8", "10.211.19.0/24", Ipv6Range::None)
        .await;
    let again = &fixture.network;
    assert_eq!(again.create_pod("both", "both", false).await.unwrap(), both);
    let old = again.create_pod("old", "old", false).await.unwrap();
    assert_eq!(old.addresses, ["10.211.19.3".parse::<IpAddr>().unwrap()]);
    let new = again.create_pod("new", "new", false).await.unwrap();
    assert_eq!(new.addresses, ["10.211.19.4".parse::<IpAddr>().unwrap()]);
    assert!(!believes_routers(&new), "nor one that gives it an address");
    for pod in again.list().unwrap() {
        again.remove_pod(&pod).await.unwrap();
    }
    fixture.close("pltest8").await;
}

#[tokio::test]
async fn a_range_of_ipv6_that_was_asked_for_is_there_or_an_error() {
    let fixture = fixture("pltest9", "10.211.20.0/24").await;
    let given = |range: &str| Ipv6Range::Given(range.parse().unwrap());
    let other = || fixture.folder.path().join("other");
    let network = open_with("pltesta", "10.211.21.0/24", given("fd12:3456:789a::/112"), other())
        .await
        .unwrap();
    let pod = network.create_pod("uid", "host", false).await.unwrap();
    assert_eq!(pod.addresses[1], "fd12:3456:789a::2".parse::<IpAddr>().unwrap());

    let refused = async |range: &str| {
        let directory = fixture.folder.path().join("third");
        let opened = open_with("pltestb", "10.211.22.0/24", given(range), directory).await;
        opened.err().unwrap()
    };
    let used = refused("fd12:3456:789a::/64").await;
    let text = used.to_string();
    assert!(matches!(used, NetworkError::RangeInUse { .. }), "{text}");
    assert!(text.contains("pltesta") && text.ends_with("--pod-cidr-ipv6"), "{text}");
    let small = refused("fd12:3456:789b::/126").await.to_string();
    assert!(small.contains("/125") && small.ends_with("--pod-cidr-ipv6"), "{small}");

    network.remove_pod("uid").await.unwrap();
    network.close().await.unwrap();
    assert!(
        !fs::exists("/sys/class/net/pltestb").unwrap(),
        "no bridge was made for nothing"
    );
    fixture.close("pltest9").await;
}

#[tokio::test]
async fn a_range_of_ipv6_that_nobody_chose_is_done_without_where_something_else_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let folder = |name: &str| directory.path().join(name);
    let addresses = async || {
        let network = open("pltestd", "10.211.24.0/24", folder("own")).await.unwrap();
        let pod = network.create_pod("uid", "host", false).await.unwrap();
        network.remove_pod("uid").await.unwrap();
        network.close().await.unwrap();
        pod.addresses
    };
    let both = addresses().await;
    assert_eq!(both.len(), 2);
    assert_eq!(addresses().await, both, "the same for the next agent");

    let taken = Ipv6Range::Given(format!("{}/120", both[1]).parse().unwrap());
    let other = open_with("pltestf", "10.211.25.0/24", taken, folder("other"))
        .await
        .unwrap();
    assert_eq!(addresses().await, both[..1]);
    other.close().await.unwrap();
    assert_eq!(addresses().await, both);
}

/// A pod's namespace is the machine here.
#[tokio::test]
async fn a_machine_without_ipv6_goes_on_with_ipv4_unless_more_is_asked_for() {
    let fixture = fixture("pltestc", "10.211.23.0/24").await;
    let machine = fixture.network.create_pod("machine", "machine", false).await.unwrap();
    let directory = fixture.folder.path().join("inner");
    let inside = std::thread::spawn(move || {
        enter(&machine, || {
            // For interfaces that are made from now on.
            fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.unwrap().block_on(async {
                let (range, bridge) = ("10.99.0.0/24", "plinner0");
                let addresses = async |ipv6: Ipv6Range| {
                    let network = open_with(bridge, range, ipv6, directory.clone()).await.unwrap();
                    let pod = network.create_pod("uid", "host", false).await.unwrap();
                    network.remove_pod("uid").await.unwrap();
                    network.close().await.unwrap();
                    pod.addresses.len()
                };
                assert_eq!(addresses(Ipv6Range::Automatic).await, 1);
                let given = "fd12:3456:789c::/64".parse().unwrap();
                assert_eq!(addresses(Ipv6Range::Given(given)).await, 2);
            });
        });
    });
    inside.join().unwrap();
    fixture.network.remove_pod("machine").await.unwrap();
    fixture.close("pltestc").await;
}
