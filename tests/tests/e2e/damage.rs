//! What others have broken while the agent was away: files, the bridge. And what must not be left of a pod by all this.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use probelet_tests::{
    agent::{Agent, Settings},
    finished::Finished,
    pod::runs_instance,
};

use crate::{PATIENCE, WAIT, busybox, own_agent, script};

/// How often it is looked for what nobody tells of.
const PERIOD: Duration = Duration::from_millis(50);

fn ip(arguments: &[&str]) {
    Finished::run(Command::new("ip").args(arguments)).success();
}

fn has_bridge(agent: &Agent) -> bool {
    let bridge = PathBuf::from("/sys/class/net").join(&agent.settings().bridge);
    bridge.exists()
}

/// The interfaces of pods that are connected to the agent's bridge.
fn ports(agent: &Agent) -> usize {
    let ports = format!("/sys/class/net/{}/brif", agent.settings().bridge);
    fs::read_dir(ports).map_or(0, Iterator::count)
}

fn networks(agent: &Agent) -> usize {
    let networks = fs::read_dir(agent.state().join("network")).expect("the agent's folder is there");
    networks.count()
}

#[test]
fn a_second_agent_on_the_same_bridge_is_refused_and_takes_nothing_from_the_first() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    namespace.start(&busybox("kept", &script(WAIT), ""), "kept");
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let own = agent.settings().clone();
    for pod_range in [own.pod_range.clone(), Settings::unique().pod_range] {
        let settings = Settings {
            pod_range,
            ..own.clone()
        };
        let mut other = agent.node(&settings);
        other.env("PROBELET_STATE_DIR", folder.path().join("state"));
        let process = format!("process {}", agent.process());
        Finished::run(&mut other).failure(1, &[&own.bridge, "--bridge", "--pod-cidr", &process]);
    }
    assert_eq!(ports(&agent), 1);
}

#[test]
fn a_restarted_agent_connects_its_pods_to_a_bridge_that_was_removed() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    // A probe by the network, which notices.
    let serve = "mkdir /www; touch /www/index.html; httpd -f -p 80 -h /www & wait";
    let probe = "    readinessProbe: { httpGet: { port: 80 }, periodSeconds: 1 }";
    let (mut watch, _) = namespace.start(&busybox("served", &(script(serve) + probe), ""), "served");
    let (_, before) = watch.until("it is ready", PATIENCE, probelet_tests::pod::is_ready);
    agent.kill();
    ip(&["link", "delete", &agent.settings().bridge]);
    agent.start_again();
    assert_eq!(ports(&agent), 1);
    agent.says("connected again");
    let after = namespace.pod("served");
    assert_eq!(after["status"]["podIPs"], before["status"]["podIPs"]);
    let address = after["status"]["podIP"].as_str().expect("it has an address");
    TcpStream::connect((address, 80)).expect("its server is reached");
}

#[test]
fn nothing_is_left_of_a_pod_that_has_ended_before_the_agent_was_restarted() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    let spec = "  restartPolicy: Never\n  volumes: [{ name: v, emptyDir: { medium: Memory } }]";
    let container = "    command: [\"true\"]\n    volumeMounts: [{ name: v, mountPath: /v }]";
    namespace.apply(&busybox("once", container, spec)).success();
    let mut watch = namespace.watch("once");
    watch.until("it has ended", PATIENCE, |pod| pod["status"]["phase"] == "Succeeded");
    // The sandbox goes after the last word of its status.
    let deadline = Instant::now() + PATIENCE;
    while networks(&agent) > 0 {
        assert!(Instant::now() < deadline, "its network is left");
        thread::park_timeout(PERIOD);
    }
    let before = namespace.pod("once");
    for _ in 0..2 {
        agent.kill();
        agent.start_again();
        assert_eq!((networks(&agent), ports(&agent)), (0, 0));
        let after = namespace.pod("once");
        assert_eq!(after["status"]["phase"], "Succeeded");
        assert_eq!(after["status"]["podIPs"], before["status"]["podIPs"]);
    }
    namespace.run(&["delete", "pod", "once"]).success();
    assert_eq!((networks(&agent), ports(&agent)), (0, 0));
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("a process can read its mounts");
    assert!(!mounts.contains(&agent.state().display().to_string()), "{mounts}");
}

#[test]
fn a_pod_whose_files_are_damaged_is_set_aside_and_the_others_are_managed() {
    let agent = own_agent();
    let namespace = agent.namespace("default");
    for name in ["whole", "damaged", "lost"] {
        namespace.start(&busybox(name, &script(WAIT), ""), name);
    }
    let folder = |name: &str| {
        let uid = namespace.pod(name)["metadata"]["uid"].as_str().map(str::to_owned);
        agent.state().join("pods").join(uid.expect("a pod has a uid"))
    };
    let files = [folder("damaged").join("pod.json"), folder("lost").join("state.json")];
    agent.kill();
    let contents: Vec<_> = files
        .iter()
        .map(|file| {
            let content = fs::read(file).expect("the file is there");
            fs::write(file, &content[..content.len() / 2]).expect("it can be written");
            content
        })
        .collect();
    agent.start_again();
    for (name, file) in ["damaged", "lost"].iter().zip(&files) {
        assert!(!namespace.has(name));
        agent.says(&file.display().to_string());
    }
    agent.says("Put the file back");
    namespace.exec("whole", &["true"]).success();
    // Their containers and networks are theirs still.
    assert_eq!(ports(&agent), 3);

    agent.kill();
    for (file, content) in files.iter().zip(contents) {
        fs::write(file, content).expect("it can be written");
    }
    agent.start_again();
    for name in ["damaged", "lost"] {
        let pod = namespace.pod(name);
        assert!(runs_instance(&pod, 0), "{pod:#}");
        namespace.exec(name, &["true"]).success();
    }

    // What the log advises for a file that nobody has any more.
    let uid = namespace.pod("damaged")["metadata"]["uid"].clone();
    agent.kill();
    fs::remove_file(&files[0]).expect("it is there");
    agent.start_again();
    assert!(!namespace.has("damaged"));
    assert_eq!(ports(&agent), 2);
    let uid = uid.as_str().expect("a pod has a uid");
    for kind in ["pods", "network", "containers"] {
        let names = fs::read_dir(agent.state().join(kind)).expect("the folder is there");
        let left = names
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with(uid));
        assert!(!left, "{kind} of {uid}");
    }
    assert!(has_bridge(&agent));
}
