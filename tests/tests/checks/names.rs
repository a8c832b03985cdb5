//! DNS, by dnsmasq.

use serde_json::json;

use crate::{
    run,
    server::{Server, command, folder, free_port},
    silent_then_gone,
};

fn dnsmasq() -> Server {
    let (folder, port) = (folder(), free_port());
    let mut server = command("dnsmasq");
    server.args([
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--no-daemon",
        "--log-facility=-",
    ]);
    server.args([
        "--user=root",
        "--group=root",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
        "--conf-file=/dev/null",
    ]);
    server.arg(format!("--port={port}")).arg("--pid-file");
    server.args([
        "--address=/shop.example/10.9.9.9",
        "--address=/shop.example/fd00::9",
        "--address=/gone.example/",
        "--cname=www.shop.test,shop.test",
        "--host-record=shop.test,10.9.9.8",
        "--mx-host=shop.test,mail.shop.test,10",
        "--srv-host=_sip._udp.shop.test,sip.shop.test,5060,1,2",
        "--txt-record=shop.test,v=one",
    ]);
    // More than a datagram of 512 bytes holds.
    for number in 0..10 {
        server.arg(format!("--txt-record=long.test,{number}{}", "x".repeat(100)));
    }
    Server::start(server, folder, port, "started, version", false)
}

#[test]
fn a_name_is_answered_as_it_should_be_or_not() {
    let server = dnsmasq();
    let (port, address) = (server.port, server.address());
    let ask = |record: &str, name: &str, expect: &str| json!({ "port": port, "name": name, "record": record, "expect": [expect] });
    for (record, name, expect) in [
        ("A", "shop.example", "10.9.9.9"),
        ("AAAA", "shop.example", "fd00::9"),
        ("CNAME", "www.shop.test", "shop.test"),
        // Of an alias the address comes along.
        ("A", "www.shop.test", "10.9.9.8"),
        ("MX", "shop.test", "10 mail.shop.test"),
        ("SRV", "_sip._udp.shop.test", "1 2 5060 sip.shop.test"),
        ("TXT", "shop.test", "v=one"),
        ("PTR", "8.9.9.10.in-addr.arpa", "shop.test"),
    ] {
        let fields = run("dns", &ask(record, name, expect), &address, &[]).is("healthy", "");
        assert_eq!(
            (&fields["code"], &fields["transport"]),
            (&json!("NOERROR"), &json!("UDP")),
            "{record}"
        );
        let mut by_tcp = ask(record, name, expect);
        by_tcp["transport"] = json!("TCP");
        let fields = run("dns", &by_tcp, &address, &[]).is("healthy", "");
        assert_eq!(fields["transport"], "TCP");
    }
    let long = json!({ "port": port, "name": "long.test", "record": "TXT", "atLeast": 10 });
    let fields = run("dns", &long, &address, &[]).is("healthy", "");
    assert_eq!((&fields["transport"], &fields["records"]), (&json!("TCP"), &json!(10)));

    run("dns", &ask("A", "shop.example", "10.9.9.8"), &address, &[])
        .is("unhealthy", "shop.example is 10.9.9.9, not 10.9.9.8");
    let gone = json!({ "port": port, "name": "gone.example" });
    run("dns", &gone, &address, &[]).is("unhealthy", "gone.example is answered with NXDOMAIN, not NOERROR");
    let gone = json!({ "port": port, "name": "gone.example", "code": "NXDOMAIN" });
    run("dns", &gone, &address, &[]).is("healthy", "");
    // It has nobody to ask.
    let elsewhere = json!({ "port": port, "name": "elsewhere.example" });
    run("dns", &elsewhere, &address, &[]).is("unhealthy", "elsewhere.example is answered with REFUSED");
    silent_then_gone("dns", &ask("A", "shop.example", "10.9.9.9"), server);
}
