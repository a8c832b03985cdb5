//! Commands executed in containers, to their end.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use probelet_container::{Container, ContainerSpec, ExecError, ExecRequest, User};

/// What is left in the container's cgroup2 of commands.
fn leaves(world: &World, id: &str) -> Vec<String> {
    let entries = std::fs::read_dir(world.cgroup2(id)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("exec-")).collect()
}

async fn processes(container: &Container) -> String {
    text(&exec(container, &["ps", "-o", "stat,args"]).await)
}

fn request(command: &[&str]) -> ExecRequest {
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    ExecRequest {
        command,
        deadline: Instant::now() + PATIENCE,
        max_output_bytes: 1000,
    }
}

#[tokio::test]
async fn output_and_exit_code_come_back() {
    let world = World::new();
    let container = world.idle("a").await;
    let output = exec(&container, &["sh", "-c", "echo out; echo err >&2; exit 3"]).await;
    assert_eq!(output.exit_code, 3);
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert!(!output.truncated);
    assert_eq!(exec(&container, &["sh", "-c", "kill -9 $$"]).await.exit_code, 128 + 9);
    assert_eq!(leaves(&world, "a"), Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_executed_says_so_in_runcs_words() {
    let world = World::new();
    let spec = world.shell("a", IDLE);
    std::fs::write(spec.root.join("tmp/plain"), "no program\n").unwrap();
    for (name, content) in [("format", "no program\n"), ("interpreter", "#!/no/such/shell\n")] {
        let path = spec.root.join("tmp").join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let container = world.runtime.start(spec).await.expect("it starts");
    let cases = [
        ("nosuch", 127, r#"exec: "nosuch": executable file not found in $PATH"#),
        (
            "cat /tmp/health",
            127,
            r#"exec: "cat /tmp/health": stat cat /tmp/health: no such file or directory"#,
        ),
        (
            "/tmp/interpreter",
            127,
            "exec /tmp/interpreter: no such file or directory",
        ),
        ("/tmp/format", 126, "exec /tmp/format: exec format error"),
        ("/tmp/plain", 126, r#"exec: "/tmp/plain": permission denied"#),
        ("/tmp", 126, r#"exec: "/tmp": is a directory"#),
    ];
    for (command, code, words) in cases {
        let output = exec(&container, &[command]).await;
        assert_eq!(
            (output.exit_code, String::from_utf8(output.stderr).unwrap()),
            (code, format!("{words}\n"))
        );
        assert_eq!(output.stdout, b"");
    }
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused() {
    let world = World::new();
    let container = world.idle("a").await;
    for command in [&[][..], &[""], &["echo", &"x".repeat(200_000)]] {
        let error = container.exec(request(command)).await.unwrap_err();
        assert!(matches!(error, ExecError::Command { .. }), "{error}");
    }
    assert_eq!(exec(&container, &["true"]).await.exit_code, 0);
}

#[tokio::test]
async fn a_missing_working_directory_is_the_containers_own_fault() {
    let world = World::new();
    let spec = ContainerSpec {
        working_directory: "/gone".into(),
        ..world.shell("a", &format!("rmdir /gone; {IDLE}"))
    };
    let gone = spec.root.join("gone");
    let container = world.runtime.start(spec).await.expect("it starts");
    eventually("the folder is gone", || !gone.exists()).await;
    let output = exec(&container, &["true"]).await;
    assert_eq!(output.exit_code, 126);
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "chdir to cwd (\"/gone\"): no such file or directory\n"
    );
}

#[tokio::test]
async fn output_beyond_the_limit_is_thrown_away() {
    let world = World::new();
    let container = world.idle("a").await;
    let script = "yes | head -c 1000000; yes n | head -c 10 >&2; echo $? >/tmp/done";
    let output = container.exec(request(&["sh", "-c", script])).await.unwrap();
    assert_eq!(
        (output.stdout.len(), output.stderr.len(), output.truncated),
        (1000, 10, true)
    );
    assert_eq!(text(&exec(&container, &["cat", "/tmp/done"]).await), "0\n");
}

#[tokio::test]
async fn the_deadline_ends_even_what_has_hidden_itself() {
    let world = World::new();
    let container = world.idle("a").await;
    let script = "setsid sh -c 'trap \"\" TERM HUP; setsid sleep 7771 & sleep 7772' & sleep 7773";
    let begin = Instant::now();
    let error = exec_within(&container, &["sh", "-c", script], Duration::from_millis(300))
        .await
        .unwrap_err();
    assert!(matches!(error, ExecError::DeadlineExceeded), "{error}");
    assert!(
        begin.elapsed() < Duration::from_millis(1300),
        "only after {:?}",
        begin.elapsed()
    );
    assert_eq!(leaves(&world, "a"), Vec::<String>::new());
    let left = processes(&container).await;
    assert!(!left.contains("sleep 777"), "{left}");
}

#[tokio::test]
async fn a_normal_end_ends_what_was_left_in_the_background() {
    let world = World::new();
    let container = world.idle("a").await;
    // The first holds the pipes open, the second does not.
    let script = "setsid sleep 7774 & setsid sleep 7775 >/dev/null 2>&1 </dev/null & echo started";
    let begin = Instant::now();
    let output = exec(&container, &["sh", "-c", script]).await;
    assert_eq!((output.exit_code, text(&output).as_str()), (0, "started\n"));
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "it was waited for: {:?}",
        begin.elapsed()
    );
    assert_eq!(leaves(&world, "a"), Vec::<String>::new());
    let left = processes(&container).await;
    assert!(!left.contains("sleep 777"), "{left}");
}

#[tokio::test]
async fn a_pipe_held_elsewhere_in_the_container_does_not_delay_the_answer() {
    let world = World::new();
    let container = world
        .runtime
        .start(world.shell("a", "mkfifo /tmp/go; read line </tmp/go; sleep 1000 >>$line"))
        .await;
    let container = container.expect("it starts");
    // Process 1 opens the command's own standard error.
    let script = "until [ -p /tmp/go ]; do :; done; echo /proc/$$/fd/2 >/tmp/go; until grep -q sleep /proc/1/comm \
                  /proc/[0-9]*/comm 2>/dev/null; do :; done; echo told";
    let begin = Instant::now();
    let output = exec(&container, &["sh", "-c", script]).await;
    assert_eq!(text(&output), "told\n");
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "it was waited for: {:?}",
        begin.elapsed()
    );
}

#[tokio::test]
async fn dropping_the_future_ends_the_command() {
    let world = World::new();
    let container = world.idle("a").await;
    let dropped = tokio::time::timeout(Duration::from_millis(200), container.exec(request(&["sleep", "7776"]))).await;
    assert!(dropped.is_err());
    eventually("the command is gone", || leaves(&world, "a").is_empty()).await;
    let left = processes(&container).await;
    assert!(!left.contains("sleep 777"), "{left}");
}

#[tokio::test]
async fn many_commands_run_at_once() {
    let world = World::new();
    let container = world.idle("a").await;
    let commands = (0..100).map(|number: i32| {
        let container = container.clone();
        tokio::spawn(async move {
            exec(&container, &["sh", "-c", &format!("sleep 0.2; exit {number}")])
                .await
                .exit_code
        })
    });
    for (number, command) in (0..).zip(commands.collect::<Vec<_>>()) {
        assert_eq!(command.await.unwrap(), number);
    }
    assert_eq!(leaves(&world, "a"), Vec::<String>::new());
}

#[tokio::test]
async fn a_container_that_has_ended_executes_nothing() {
    let world = World::new();
    let container = world.idle("a").await;
    let running = {
        let container = container.clone();
        tokio::spawn(async move { container.exec(request(&["sleep", "7777"])).await })
    };
    eventually("the command runs", || world.executes("sleep 7777")).await;
    container.signal(9, false).await.expect("a signal");
    // Which end is seen first is the kernel's to say.
    match running.await.unwrap() {
        Ok(output) => assert_eq!(output.exit_code, 137),
        Err(error) => assert!(matches!(error, ExecError::NotRunning { .. }), "{error}"),
    }
    container.wait().await;
    let error = container.exec(request(&["true"])).await.unwrap_err();
    assert!(matches!(error, ExecError::NotRunning { .. }), "{error}");
}

#[tokio::test]
async fn a_helper_that_was_killed_is_replaced() {
    let world = World::new();
    let container = world.idle("a").await;
    exec(&container, &["true"]).await;
    let running = {
        let container = container.clone();
        tokio::spawn(async move { container.exec(request(&["sleep", "7778"])).await })
    };
    eventually("the command runs", || world.executes("sleep 7778")).await;
    let helpers = world.processes_named("probelet-exec");
    assert_eq!(helpers.len(), 1);
    rustix::process::kill_process(helpers[0], rustix::process::Signal::KILL).unwrap();
    let error = running.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, ExecError::Failed { message, .. } if message.contains("helper")),
        "{error}"
    );
    eventually("the command is gone", || !world.executes("sleep 7778")).await;
    assert_eq!(exec(&container, &["true"]).await.exit_code, 0);
    assert_ne!(world.processes_named("probelet-exec"), helpers);
}

#[tokio::test]
async fn a_user_without_rights_cannot_end_the_helper() {
    let world = World::new();
    let user = User {
        uid: 1000,
        gid: 1000,
        additional_gids: Vec::new(),
    };
    let container = world
        .runtime
        .start(ContainerSpec {
            user,
            ..world.shell("a", IDLE)
        })
        .await
        .expect("it starts");
    exec(&container, &["sh", "-c", "kill -9 -1"]).await;
    assert_eq!(exec(&container, &["id", "-u"]).await.stdout, b"1000\n");
}

#[test]
fn all_of_this_with_unified_cgroups() {
    again_with_unified_cgroups("all_of_this_with_unified_cgroups", &[]);
}
