//! Which of a pod's addresses a check asks, and what comes of one that asks several (F20).
//!
//! Each address has a run of its own, by the deadline that they share: what a component is told is one address, whichever
//! way it was chosen (decision 15).

use std::{future::Future, net::IpAddr, time::Duration};

use futures::{StreamExt, future::join_all, stream::FuturesUnordered};
use probelet_engine::{Field, FieldValue, Outcome, Usage, Verdict};
use probelet_manifest::{AddressFamily, Handler};

/// The share of the time after which, of `Any`, the next address is asked beside one that is still silent. Of Kubernetes'
/// default of one second it is as long as browsers wait (RFC 8305, section 5); and a pod that answers at the first address is
/// asked no second time.
const HEAD_START: u32 = 4;

/// The field that tells which address has answered to `Any`.
const ANSWERED: &str = "address";

/// A run and its address.
type Ended = (IpAddr, Outcome);

/// What a handler says of the addresses that it asks; `None` is the first one, or a `host`.
pub(crate) fn family(handler: &Handler) -> Option<AddressFamily> {
    match handler {
        Handler::HttpGet(http) => http.address_family,
        Handler::TcpSocket(tcp) => tcp.address_family,
        Handler::Grpc(grpc) => grpc.address_family,
        Handler::Exec { .. } | Handler::Sleep { .. } | Handler::Wasm(_) => None,
    }
}

/// Those of a pod's addresses that are asked.
///
/// # Errors
/// Why there is none.
pub(crate) fn chosen(family: AddressFamily, addresses: &[IpAddr]) -> Result<Vec<IpAddr>, String> {
    let wanted = |address: &&IpAddr| match family {
        AddressFamily::Ipv4 => address.is_ipv4(),
        AddressFamily::Ipv6 => address.is_ipv6(),
        AddressFamily::Any | AddressFamily::All => true,
    };
    let chosen: Vec<IpAddr> = addresses.iter().filter(wanted).copied().collect();
    match (chosen.is_empty(), addresses, family) {
        (false, ..) => Ok(chosen),
        (true, [], _) => Err("the pod has no address yet".to_owned()),
        (true, _, AddressFamily::Ipv4) => Err("the pod has no address of IPv4".to_owned()),
        (true, ..) => Err(
            "the pod has no address of IPv6: this node gave none when the pod started; see its option --pod-cidr-ipv6"
                .to_owned(),
        ),
    }
}

/// Asks the addresses, each by a run, and says what comes of it all.
pub(crate) async fn ask<Run: Future<Output = Outcome>>(
    family: AddressFamily,
    addresses: Vec<IpAddr>,
    timeout: Duration,
    run: impl Fn(IpAddr) -> Run,
) -> Outcome {
    let run = async |address| (address, run(address).await);
    match family {
        AddressFamily::Any => any(addresses, timeout / HEAD_START, run).await,
        // It is one only if one family was asked for.
        AddressFamily::All | AddressFamily::Ipv4 | AddressFamily::Ipv6 => {
            let ended = join_all(addresses.into_iter().map(run)).await;
            let verdict = worst(&ended);
            together(verdict, ended)
        }
    }
}

/// The next address is asked as soon as one has not answered well, or has been silent for too long. The first good answer
/// ends all other runs.
async fn any<Run: Future<Output = Ended>>(
    addresses: Vec<IpAddr>,
    head_start: Duration,
    run: impl Fn(IpAddr) -> Run,
) -> Outcome {
    let mut waiting = addresses.into_iter();
    let mut running: FuturesUnordered<Run> = waiting.next().map(&run).into_iter().collect();
    let mut ended: Vec<Ended> = Vec::new();
    loop {
        let next = if waiting.len() > 0 {
            tokio::time::timeout(head_start, running.next()).await
        } else {
            Ok(running.next().await)
        };
        match next {
            Ok(Some((address, outcome))) if is_good(outcome.verdict) => {
                let verdict = outcome.verdict;
                ended.push((address, outcome));
                let mut outcome = together(verdict, ended);
                outcome.fields.push(Field {
                    name: ANSWERED.to_owned(),
                    value: FieldValue::Text(address.to_string()),
                });
                return outcome;
            }
            Ok(Some(other)) => ended.push(other),
            Ok(None) if waiting.len() == 0 => {
                // Where a run could not be done, nobody knows whether that address answers.
                let verdict = if ended.iter().any(|(_, one)| one.verdict == Verdict::Errored) {
                    Verdict::Errored
                } else {
                    Verdict::Failure
                };
                return together(verdict, ended);
            }
            Ok(None) | Err(_) => {}
        }
        running.extend(waiting.next().map(&run));
    }
}

fn is_good(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Success | Verdict::Warning)
}

/// What is to be said of all together: one that fails is enough to fail, whatever could not be found out of the others.
fn worst(ended: &[Ended]) -> Verdict {
    let order = [Verdict::Failure, Verdict::Errored, Verdict::Warning];
    let is_there = |verdict: &Verdict| ended.iter().any(|(_, one)| one.verdict == *verdict);
    order.into_iter().find(is_there).unwrap_or(Verdict::Success)
}

/// One outcome of several: its message names each address of which something is to be said.
fn together(verdict: Verdict, ended: Vec<Ended>) -> Outcome {
    let says = |(_, one): &&Ended| is_good(one.verdict) == is_good(verdict) && !one.message.is_empty();
    let messages: Vec<_> = ended.iter().filter(says).map(told).collect();
    let mut all = Outcome {
        verdict,
        message: messages.join("; "),
        fields: Vec::new(),
        log: String::new(),
        usage: Usage::default(),
        grants: Vec::new(),
        // Built-in components keep none.
        state: None,
    };
    for (_, one) in ended {
        all.fields.extend(one.fields);
        all.log.push_str(&one.log);
        all.grants.extend(one.grants);
        all.usage.fuel += one.usage.fuel;
        all.usage.host_calls += one.usage.host_calls;
        // They may have been there at the same time.
        all.usage.memory_peak_bytes += one.usage.memory_peak_bytes;
        all.usage.wall = all.usage.wall.max(one.usage.wall);
    }
    all
}

/// `IPv6 fd00::2: dial tcp …`
fn told((address, outcome): &Ended) -> String {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    format!("{family} {address}: {}", outcome.message)
}

#[cfg(test)]
mod tests;
