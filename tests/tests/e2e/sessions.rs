//! exec, logs, describe, get: what people look at and type into.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::Stdio,
    time::Duration,
};

use probelet_tests::{finished::Finished, stream::Stream};
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::{PATIENCE, WAIT, busybox, namespace, script};

#[test]
fn a_command_has_its_output_errors_input_and_exit_code() {
    let namespace = namespace("exec");
    namespace.start(&busybox("main", &script(WAIT), ""), "main");
    let finished = namespace.exec("main", &["sh", "-c", "echo out; echo err >&2; exit 42"]);
    assert_eq!(
        (finished.code, finished.stdout.as_str()),
        (Some(42), "out\n"),
        "{finished:#?}"
    );
    assert!(finished.stderr.contains("err\n"), "{finished:#?}");

    let mut child = namespace
        .command(&["exec", "-i", "main", "--", "wc", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the client can be run");
    // More than any pipe on the way can hold.
    let text = vec![b'x'; 1_000_000];
    child
        .stdin
        .take()
        .expect("stdin is a pipe")
        .write_all(&text)
        .expect("the command reads its input");
    let output = child.wait_with_output().expect("the client ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "1000000");

    let missing = namespace.exec("main", &["no-such-program"]);
    assert!(matches!(missing.code, Some(126 | 127)), "{missing:#?}");
    assert!(missing.stderr.contains("no-such-program"), "{missing:#?}");
}

/// Opens a terminal of this size: the side that a person sits at, and the side that a program has.
fn terminal(size: Winsize) -> (File, OwnedFd) {
    let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal can be had");
    grantpt(&person).expect("the terminal is ours");
    unlockpt(&person).expect("the terminal is ours");
    tcsetwinsize(&person, size).expect("a terminal has a size");
    let path = ptsname(&person, Vec::new()).expect("the terminal has a name");
    let path = path.to_str().expect("a terminal's name is ASCII");
    let program = File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("the terminal is ours");
    (File::from(person), program.into())
}

#[test]
fn a_shell_on_a_terminal_talks_back() {
    let namespace = namespace("terminal");
    namespace.start(&busybox("main", &script(WAIT), ""), "main");
    let size = Winsize {
        ws_row: 33,
        ws_col: 77,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let (mut person, program) = terminal(size);
    let copy = || Stdio::from(program.try_clone().expect("a terminal can be shared"));
    let mut client = namespace
        .command(&["exec", "-it", "main", "--", "/bin/sh"])
        .stdin(copy())
        .stdout(copy())
        .stderr(copy())
        .spawn()
        .expect("the client can be run");
    drop(program);
    // Typed ahead: the shell reads it once it is there. The sum shows that it was the shell that answered.
    person
        .write_all(b"tty; stty size; echo sum=$((40+2)); exit 7\n")
        .expect("a terminal can be typed at");
    let mut text = String::new();
    let mut buffer = [0; 1024];
    // The last program's end closes the terminal, which reads as an error here.
    while let Ok(count @ 1..) = person.read(&mut buffer) {
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert_eq!(client.wait().expect("the client ends").code(), Some(7), "{text}");
    for answer in ["/dev/pts/", "33 77", "sum=42"] {
        assert!(text.contains(answer), "`{answer}` is missing: {text}");
    }
}

#[test]
fn a_log_is_shown_followed_and_cut() {
    let namespace = namespace("logs");
    let text = "for i in 1 2 3; do echo line $i; done; echo err >&2; while ! [ -e /tmp/go ]; do sleep 0.1; done; echo last; sleep 3600 & wait";
    namespace.start(&busybox("main", &script(text), ""), "main");
    let mut follow = Stream::lines(&mut namespace.command(&["logs", "-f", "main"]));
    follow.until("what was written before", PATIENCE, |line| line == "err");
    namespace.exec("main", &["touch", "/tmp/go"]).success();
    follow.until("what is written meanwhile", PATIENCE, |line| line == "last");
    assert_eq!(namespace.run(&["logs", "main", "--tail=1"]).success(), "last\n");
    let stamped = namespace.run(&["logs", "main", "--timestamps", "--tail=1"]).success();
    let (time, rest) = stamped.split_once(' ').expect("a time, then the line");
    assert!(
        time.ends_with('Z') && time.contains('T') && rest == "last\n",
        "{stamped}"
    );
    namespace.run(&["delete", "pod", "main", "--grace-period=1"]).success();
}

#[test]
fn following_a_log_ends_with_the_container() {
    let namespace = namespace("logs-end");
    let container = "    command: [sh, -c, 'echo first; sleep 2; echo last']";
    namespace
        .apply(&busybox("main", container, "  restartPolicy: Never"))
        .success();
    namespace.wait_until_running("main");
    let finished = Finished::run(&mut namespace.command(&["logs", "-f", "main"]));
    assert_eq!(finished.success(), "first\nlast\n");
}

#[test]
fn describe_tells_the_whole_story() {
    let namespace = namespace("describe");
    let probe = "    livenessProbe: { exec: { command: [cat, /tmp/health] }, initialDelaySeconds: 2, periodSeconds: 7 }
    readinessProbe: { tcpSocket: { port: 80 }, periodSeconds: 1 }";
    namespace.start(&busybox("main", &(script(WAIT) + probe), ""), "main");
    namespace
        .watch_events("main")
        .until("the readiness probe has failed", PATIENCE, |event| {
            event["reason"] == "Unhealthy" && event["count"].as_u64() >= Some(2)
        });
    let text = namespace.run(&["describe", "pod", "main"]).success();
    for part in [
        "Name:",
        "Namespace:",
        "Status:",
        "IP:",
        "Container ID:",
        "Image ID:",
        "Restart Count:",
        "exec [cat /tmp/health] delay=2s timeout=1s period=7s #success=1 #failure=3",
        "tcp-socket :80 delay=0s timeout=1s period=1s #success=1 #failure=3",
        "ContainersReady",
        "Events:",
        "Container created",
        "Container started",
        "Readiness probe failed: dial tcp",
    ] {
        assert!(text.contains(part), "`{part}` is missing:\n{text}");
    }
    let events = namespace.run(&["events"]).success();
    assert!(events.contains("Unhealthy") && events.contains("LAST SEEN"), "{events}");
}

#[test]
fn get_prints_tables_documents_and_lists() {
    let namespace = namespace("get");
    namespace.start(&busybox("one", &script(WAIT), ""), "one");
    namespace.start(&busybox("two", &script(WAIT), ""), "two");
    let table = namespace.run(&["get", "pods"]).success();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    );
    assert!(
        lines.len() == 3 && lines[1].starts_with("one ") && lines[2].starts_with("two "),
        "{table}"
    );
    let yaml = namespace.run(&["get", "pod", "one", "-o", "yaml"]).success();
    assert!(yaml.contains("kind: Pod") && yaml.contains("name: one"), "{yaml}");
    let mut watch = Stream::lines(&mut namespace.command(&["get", "pods", "--watch"]));
    watch.until("both are shown", PATIENCE, |line| line.starts_with("two "));
    namespace.run(&["delete", "pod", "two", "--grace-period=1"]).success();
    watch.until("the deletion is shown", PATIENCE, |line| {
        line.starts_with("two ") && line.contains("Terminating")
    });
    watch.always("the other stays as it is", Duration::ZERO, |line| {
        !line.starts_with("one ") || line.contains("1/1")
    });
}
