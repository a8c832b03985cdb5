//! A hook before the stop: waits until a port has no open connections any more, by the kernel's tables.
//!
//! It reads them by `cat` in the container. It ends early when all is quiet. If time runs out first, it fails with what is
//! still open; the container is stopped then all the same.

use probelet_plugin::{
    Failure,
    container_exec::{self, Error},
    net::Port,
};

use crate::{quiet::Wait, text::quote};

/// A table of connections is read so far: some 10,000 of them.
const MAX_TABLE: u32 = 2 << 20;
/// `ESTABLISHED` in the kernel's tables.
const ESTABLISHED: &str = "01";

/// What is waited for. It takes a grant: `allow: { exec: [[cat, /proc/net/tcp, /proc/net/tcp6]] }`.
#[probelet_plugin::config]
pub struct Config {
    /// The port whose open connections are counted.
    pub port: Port,
    /// How it is waited for.
    #[serde(default)]
    pub wait: Wait,
}

/// Waits.
pub fn run(config: &Config) -> Result<(), Failure> {
    let port = config.port.number()?;
    config.wait.until_quiet("connections", || connections(port))
}

fn connections(port: u16) -> Result<f64, Failure> {
    let command = ["cat", "/proc/net/tcp", "/proc/net/tcp6"].map(str::to_owned);
    let output = container_exec::exec(&command, MAX_TABLE).map_err(|error| {
        Failure::Errored(match error {
            Error::TimedOut => format!("{} took longer than there was time", command.join(" ")),
            Error::NotRunning => "the container is not running".to_owned(),
            Error::NotGranted(how) | Error::Host(how) => how,
        })
    })?;
    // Without IPv6 there is no second table, and a first one all the same.
    if output.stdout.is_empty() {
        let said = quote(&String::from_utf8_lossy(&output.stderr));
        return Err(Failure::Errored(format!("{} told nothing: {said}", command.join(" "))));
    }
    if output.truncated {
        // Those that are closing are in it as well, so it becomes shorter.
        let limit = MAX_TABLE >> 20;
        let reason = format!("the kernel's tables of connections are longer than {limit} MiB");
        return Err(Failure::Unhealthy(reason));
    }
    Ok(established(&String::from_utf8_lossy(&output.stdout), port) as f64)
}

/// The open connections to a port in the kernel's tables: `sl local_address rem_address st …`, in hexadecimal.
fn established(table: &str, port: u16) -> usize {
    let port = format!("{port:04X}");
    let lines = table.lines().map(|line| line.split_whitespace().skip(1));
    let counted = lines.filter(|fields| {
        let mut fields = fields.clone();
        let local = fields.next().and_then(|local| local.rsplit(':').next());
        local == Some(port.as_str()) && fields.nth(1) == Some(ESTABLISHED)
    });
    counted.count()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probelet_plugin::{container_exec::Output, serde_json::json, testing::Host};

    use super::*;
    use crate::tests::config;

    /// Of a real kernel: one that listens at 8080, two connections to it, one from it to elsewhere, and one at 8081.
    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0
   1: 0100007F:1F90 0100007F:B8A2 01 00000000:00000000 00:00000000 00000000     0
   2: 0100007F:B8A2 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0
   3: 0100007F:1F91 0100007F:B8A4 01 00000000:00000000 00:00000000 00000000     0
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:B8A6 01 00000000:00000000
   1: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:B8A8 06 00000000:00000000
";

    #[test]
    fn connections_are_counted_by_port_and_state() {
        assert_eq!(established(TABLE, 8080), 2);
        assert_eq!(established(TABLE, 8081), 1);
        assert_eq!(established("", 8080), 0);
        assert_eq!(established("a\n: : :\n1F90\n", 8080), 0);
    }

    #[test]
    fn it_ends_when_few_enough_are_left_and_fails_when_time_is_over() {
        let command = ["cat", "/proc/net/tcp", "/proc/net/tcp6"].map(str::to_owned).to_vec();
        let output = Output {
            exit_code: 0,
            stdout: TABLE.as_bytes().to_vec(),
            stderr: Vec::new(),
            truncated: false,
        };
        let mut host = Host {
            commands: vec![(command, Ok(output))],
            timeout: Duration::from_millis(100),
            ..Host::default()
        };
        let mut told = |port: u16, wait| host.run(|| run(&config(json!({ "port": port, "wait": wait }))));
        assert_eq!(told(8080, json!({ "atMost": 2, "everyMilliseconds": 10 })), Ok(()));
        let failure = told(8080, json!({ "everyMilliseconds": 10 })).expect_err("two are left");
        assert_eq!(failure.message(), "after 100ms: 2 connections are left");
        let failure = told(8082, json!({ "quietMilliseconds": 1000, "everyMilliseconds": 10 }));
        assert!(
            failure
                .expect_err("not quiet for a second")
                .message()
                .contains("quiet for")
        );
        if let Ok(output) = &mut host.commands[0].1 {
            output.truncated = true;
        }
        let cut = host
            .run(|| run(&config(json!({ "port": 8082 }))))
            .expect_err("half a table");
        assert!(cut.message().contains("longer than 2 MiB"), "{cut}");
        host.commands.clear();
        let refused = host.run(|| run(&config(json!({ "port": 80 }))));
        assert!(matches!(refused, Err(Failure::Errored(_))), "{refused:?}");
    }
}
