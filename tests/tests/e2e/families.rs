//! Pods have an address of each family, and a probe says which of them it asks (F20).

use std::sync::Arc;

use probelet_tests::{
    agent::{Agent, Settings},
    namespace::Namespace,
    pod::{address, addresses, is_ready, runs_instance},
};
use serde_json::Value;

use crate::{PATIENCE, WAIT, busybox, namespace, script};

/// Puts the pod's own addresses into `$FOUR` and `$SIX`, as its `/etc/hosts` has them.
const ADDRESSES: &str = "FOUR=$(grep '^[0-9].*[.].*'$(hostname)'$' /etc/hosts | cut -f 1); \
                         SIX=$(grep ':.*'$(hostname)'$' /etc/hosts | cut -f 1); ";

/// A server for each of these addresses, with its process's number in `/tmp/ADDRESS`.
fn servers(on: &[&str]) -> String {
    let start = |name: &&str| {
        let listens = if *name == "SIX" { "[$SIX]" } else { "$FOUR" };
        format!("httpd -f -p {listens}:8080 & echo $! > /tmp/{name}; ")
    };
    let all: String = on.iter().map(start).collect();
    script(&format!("{ADDRESSES}{all}{WAIT}"))
}

/// A readiness probe of that server by this handler.
fn readiness(handler: &str) -> String {
    format!("    readinessProbe: {{ {handler}, periodSeconds: 1, timeoutSeconds: 5 }}")
}

fn http(family: &str) -> String {
    let family = if family.is_empty() {
        String::new()
    } else {
        format!(", addressFamily: {family}")
    };
    readiness(&format!("httpGet: {{ port: 8080, path: /etc/passwd{family} }}"))
}

/// Both addresses of a pod that has them.
fn both(pod: &Value) -> [String; 2] {
    let found = addresses(pod);
    let [four, six] = found[..] else {
        panic!("an address of each family: {found:?}");
    };
    assert!(four.contains('.') && six.contains(':'), "{found:?}");
    assert_eq!(address(pod), four);
    [four.to_owned(), six.to_owned()]
}

/// Waits until the readiness probe has failed with this text.
#[track_caller]
fn fails(namespace: &Namespace, pod: &str, text: &str) {
    let expected = format!("Readiness probe failed: {text}");
    namespace
        .watch_events(pod)
        .until(text, PATIENCE, |event| event["message"] == expected.as_str());
}

#[test]
fn f20_a_pod_has_an_address_of_each_family_and_is_reached_at_both() {
    let namespace = namespace("two-addresses");
    let serves = script(&format!("httpd -f -p [::]:8080 & {WAIT}"));
    namespace
        .apply(&busybox("server", &(serves + &http("All")), ""))
        .success();
    let (_, pod) = namespace.watch("server").until("it is ready", PATIENCE, is_ready);
    namespace.start(&busybox("client", &script(WAIT), ""), "client");
    let hosts = namespace.exec("server", &["cat", "/etc/hosts"]).success();
    let known = both(&pod);
    for address in &known {
        let line = format!("{address}\tserver");
        assert!(hosts.lines().any(|found| found == line), "{line}: {hosts}");
    }
    for url in [
        format!("http://{}:8080/etc/group", known[0]),
        format!("http://[{}]:8080/etc/group", known[1]),
    ] {
        let group = namespace.exec("client", &["wget", "-q", "-O", "-", &url]).success();
        assert!(group.contains("root:x:0:"), "{url}: {group}");
    }
    let described = namespace.run(&["describe", "pod", "server"]).success();
    for address in &known {
        assert!(described.contains(address.as_str()), "{described}");
    }
}

#[test]
fn f20_a_server_of_ipv6_alone_is_reached_where_that_is_asked_for_and_not_otherwise() {
    let namespace = namespace("six-alone");
    let tcp = |family: &str| readiness(&format!("tcpSocket: {{ port: 8080, addressFamily: {family} }}"));
    for (name, probe) in [
        ("six", http("IPv6")),
        ("any", http("Any")),
        ("six-tcp", tcp("IPv6")),
        ("any-tcp", tcp("Any")),
    ] {
        namespace
            .apply(&busybox(name, &(servers(&["SIX"]) + &probe), ""))
            .success();
        let (_, pod) = namespace.watch(name).until("it is ready", PATIENCE, is_ready);
        let six = both(&pod)[1].clone();
        let answered = |run: &Value| run["fields"]["address"] == six.as_str();
        if name.starts_with("any") {
            namespace.wait_for_run(name, "at the address of IPv6", PATIENCE, |run| {
                run["outcome"] == "success" && answered(run)
            });
        }
    }
    // Each is told of the address that was asked, by its family where one was chosen.
    for (name, family, prefix) in [
        ("first", "", ""),
        ("four", "IPv4", "IPv4 {}: "),
        ("all", "All", "IPv4 {}: "),
    ] {
        namespace
            .apply(&busybox(name, &(servers(&["SIX"]) + &http(family)), ""))
            .success();
        let (_, pod) = namespace
            .watch(name)
            .until("it has an address", PATIENCE, |pod| !address(pod).is_empty());
        let four = address(&pod);
        let prefix = prefix.replace("{}", four);
        let refused =
            format!("{prefix}Get \"http://{four}:8080/etc/passwd\": dial tcp {four}:8080: connect: connection refused");
        fails(&namespace, name, &refused);
        assert!(!is_ready(&namespace.pod(name)), "{name}");
    }
}

#[test]
fn f20_any_goes_on_without_one_family_and_all_does_not() {
    let namespace = namespace("one-gone");
    for (name, family) in [("any", "Any"), ("all", "All")] {
        let serves = servers(&["FOUR", "SIX"]);
        namespace.apply(&busybox(name, &(serves + &http(family)), "")).success();
        namespace.watch(name).until("it is ready", PATIENCE, is_ready);
    }
    let end = |pod: &str, server: &str| {
        let command = format!("kill $(cat /tmp/{server})");
        namespace.exec(pod, &["sh", "-c", &command]).success();
    };
    let refused = |[four, six]: &[String; 2]| {
        let of = |family: &str, address: &str, host: &str| {
            format!(
                "{family} {address}: Get \"http://{host}:8080/etc/passwd\": dial tcp {host}:8080: connect: connection refused"
            )
        };
        [of("IPv4", four, four), of("IPv6", six, &format!("[{six}]"))]
    };
    let (any, all) = (both(&namespace.pod("any")), both(&namespace.pod("all")));
    end("all", "SIX");
    namespace
        .watch("all")
        .until("it is not ready", PATIENCE, |pod| !is_ready(pod));
    fails(&namespace, "all", &refused(&all)[1]);

    end("any", "FOUR");
    namespace.wait_for_run("any", "at the address that is left", PATIENCE, |run| {
        run["fields"]["address"] == any[1].as_str()
    });
    assert!(is_ready(&namespace.pod("any")));
    let failed = namespace
        .history("any")
        .into_iter()
        .find(|run| run["outcome"] != "success");
    // While it starts, nobody may be there.
    assert!(failed.is_none_or(|run| run["message"].as_str().is_some_and(|text| text.contains("IPv6"))));
    end("any", "SIX");
    namespace
        .watch("any")
        .until("it is not ready", PATIENCE, |pod| !is_ready(pod));
    fails(&namespace, "any", &refused(&any).join("; "));
}

#[test]
fn f20_a_hook_goes_to_the_family_that_the_manifest_says() {
    let namespace = namespace("six-hook");
    let more = "
    lifecycle: { preStop: { httpGet: { port: 8080, path: /etc/passwd, addressFamily: IPv6 } } }
    livenessProbe: { exec: { command: [test, '!', -e, /tmp/sick] }, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 5 }
";
    namespace
        .apply(&busybox("hooked", &(servers(&["SIX"]) + more + &http("IPv6")), ""))
        .success();
    let (_, pod) = namespace.watch("hooked").until("it is ready", PATIENCE, is_ready);
    namespace.exec("hooked", &["touch", "/tmp/sick"]).success();
    let ran = namespace.wait_for_run("hooked", "of the hook", PATIENCE, |run| run["kind"] == "preStop");
    assert_eq!(ran["outcome"], "success", "{ran} of {:?}", both(&pod));
}

/// Of a machine without IPv6 `crates/network` has more.
#[test]
fn f20_without_ipv6_pods_have_one_address_and_a_probe_of_the_other_family_is_told_to_be_wrong() {
    let mut settings = Settings::unique();
    settings.environment.push(("PROBELET_POD_CIDR_IPV6", "none".into()));
    let agent: Arc<Agent> = Agent::start_with(settings);
    let namespace = agent.namespace("four-alone");
    for family in ["Any", "All", "IPv4"] {
        let name = family.to_lowercase();
        namespace
            .apply(&busybox(&name, &(servers(&["FOUR"]) + &http(family)), ""))
            .success();
        let (_, pod) = namespace.watch(&name).until("it is ready", PATIENCE, is_ready);
        assert_eq!(addresses(&pod), [address(&pod)]);
    }
    let probe =
        "    livenessProbe: { tcpSocket: { port: 8080, addressFamily: IPv6 }, periodSeconds: 1, failureThreshold: 1 }";
    namespace.start(&busybox("six", &(servers(&["FOUR"]) + probe), ""), "six");
    namespace.watch_events("six").until("it is told", PATIENCE, |event| {
        let said = event["message"].as_str().unwrap_or_default();
        said.starts_with("Liveness probe errored and resulted in unknown")
            && said.contains("no address of IPv6")
            && said.ends_with("--pod-cidr-ipv6")
            && event["count"].as_u64() >= Some(3)
    });
    assert!(runs_instance(&namespace.pod("six"), 0));
}
