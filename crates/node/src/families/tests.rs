//! What comes of each combination of answers, in a time that stands still while somebody is waited for.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Mutex,
};

use tokio::time::{Instant, sleep};

use super::*;
use Verdict::{Errored, Failure, Success, Warning};

const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 88, 0, 2));
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
const TIMEOUT: Duration = Duration::from_secs(1);

/// How an address answers: after so many milliseconds, with this verdict.
type Answer = (u64, Verdict);

/// What came of it, when, and who was asked when, in milliseconds.
struct Found {
    outcome: Outcome,
    at: u128,
    asked: Vec<(IpAddr, u128)>,
}

async fn found(family: AddressFamily, four: Answer, six: Answer) -> Found {
    let (start, asked) = (Instant::now(), Mutex::new(Vec::new()));
    let run = async |address: IpAddr| {
        asked.lock().unwrap().push((address, start.elapsed().as_millis()));
        let (after, verdict) = if address == FOUR { four } else { six };
        sleep(Duration::from_millis(after)).await;
        let message = if verdict == Verdict::Success { "" } else { "it says so" };
        Outcome {
            verdict,
            message: message.to_owned(),
            fields: Vec::new(),
            log: "logged\n".to_owned(),
            usage: Usage {
                fuel: 10,
                memory_peak_bytes: 100,
                wall: Duration::from_millis(after),
                host_calls: 1,
            },
            grants: Vec::new(),
            state: None,
        }
    };
    let outcome = ask(family, vec![FOUR, SIX], TIMEOUT, run).await;
    Found {
        outcome,
        at: start.elapsed().as_millis(),
        asked: asked.into_inner().unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn f20_of_any_the_second_address_is_asked_when_the_first_has_not_answered_well() {
    let one = found(AddressFamily::Any, (5, Success), (5, Success)).await;
    assert_eq!(one.outcome.verdict, Success);
    assert_eq!(one.asked, [(FOUR, 0)], "one that answers is enough");
    assert_eq!(
        one.outcome.fields,
        [Field {
            name: "address".to_owned(),
            value: FieldValue::Text("10.88.0.2".to_owned()),
        }]
    );
    assert_eq!(one.outcome.usage.fuel, 10);

    let refused = found(AddressFamily::Any, (5, Failure), (5, Success)).await;
    assert_eq!((refused.outcome.verdict, refused.at), (Success, 10));
    assert_eq!(refused.asked, [(FOUR, 0), (SIX, 5)], "at once");
    assert_eq!(refused.outcome.message, "");
    assert_eq!(refused.outcome.usage.fuel, 20);
}

#[tokio::test(start_paused = true)]
async fn f20_of_any_a_silent_address_keeps_nobody_from_the_other_and_may_still_answer() {
    let silent = found(AddressFamily::Any, (1000, Failure), (5, Success)).await;
    assert_eq!(silent.asked, [(FOUR, 0), (SIX, 250)]);
    assert_eq!((silent.outcome.verdict, silent.at), (Success, 255));

    let slow = found(AddressFamily::Any, (900, Success), (5, Failure)).await;
    assert_eq!((slow.outcome.verdict, slow.at), (Success, 900));

    // Neither waits for the other, so that both have the whole of what is left.
    let both = found(AddressFamily::Any, (1000, Failure), (750, Failure)).await;
    assert_eq!((both.outcome.verdict, both.at), (Failure, 1000));
}

#[tokio::test(start_paused = true)]
async fn f20_any_fails_if_all_fail_and_says_what_each_said() {
    let failed = found(AddressFamily::Any, (5, Failure), (5, Failure)).await.outcome;
    assert_eq!(failed.verdict, Failure);
    assert_eq!(failed.message, "IPv4 10.88.0.2: it says so; IPv6 fd00::2: it says so");
    assert_eq!(failed.log, "logged\nlogged\n");
    assert_eq!(failed.usage.memory_peak_bytes, 200);
    for (four, six) in [(Errored, Failure), (Failure, Errored), (Errored, Errored)] {
        let unknown = found(AddressFamily::Any, (5, four), (5, six)).await.outcome;
        assert_eq!(unknown.verdict, Errored, "{four:?} {six:?}");
    }
    let warned = found(AddressFamily::Any, (5, Failure), (5, Warning)).await.outcome;
    assert_eq!(
        (warned.verdict, warned.message.as_str()),
        (Warning, "IPv6 fd00::2: it says so")
    );
}

#[tokio::test(start_paused = true)]
async fn f20_of_all_each_is_asked_at_once_and_has_to_be_well() {
    let well = found(AddressFamily::All, (5, Success), (7, Success)).await;
    assert_eq!((well.outcome.verdict, well.at), (Success, 7));
    assert_eq!(well.asked, [(FOUR, 0), (SIX, 0)]);
    assert_eq!(well.outcome.usage.wall, Duration::from_millis(7));
    for (four, six, verdict, message) in [
        (Success, Failure, Failure, "IPv6 fd00::2: it says so"),
        (Failure, Warning, Failure, "IPv4 10.88.0.2: it says so"),
        (
            Errored,
            Failure,
            Failure,
            "IPv4 10.88.0.2: it says so; IPv6 fd00::2: it says so",
        ),
        (Errored, Success, Errored, "IPv4 10.88.0.2: it says so"),
        (Success, Warning, Warning, "IPv6 fd00::2: it says so"),
    ] {
        let outcome = found(AddressFamily::All, (5, four), (7, six)).await.outcome;
        assert_eq!((outcome.verdict, outcome.message.as_str()), (verdict, message));
    }
}

#[test]
fn f20_a_family_is_chosen_among_the_pods_own_addresses() {
    let both = [FOUR, SIX];
    assert_eq!(chosen(AddressFamily::Ipv4, &both).unwrap(), [FOUR]);
    assert_eq!(chosen(AddressFamily::Ipv6, &both).unwrap(), [SIX]);
    for family in [AddressFamily::Any, AddressFamily::All] {
        assert_eq!(chosen(family, &both).unwrap(), both);
        assert_eq!(chosen(family, &[FOUR]).unwrap(), [FOUR], "those that there are");
        assert!(chosen(family, &[]).unwrap_err().contains("no address yet"));
    }
    let missing = chosen(AddressFamily::Ipv6, &[FOUR]).unwrap_err();
    assert!(missing.contains("--pod-cidr-ipv6"), "{missing}");
    assert!(chosen(AddressFamily::Ipv4, &[SIX]).is_err());
}

#[tokio::test(start_paused = true)]
async fn f20_a_single_family_that_was_asked_for_is_named_when_it_fails() {
    let run = async |address: IpAddr| {
        let found = found(AddressFamily::All, (5, Failure), (5, Failure)).await;
        assert_eq!(address, SIX);
        Outcome {
            message: "HTTP probe failed with statuscode: 500".to_owned(),
            ..found.outcome
        }
    };
    let outcome = ask(AddressFamily::Ipv6, vec![SIX], TIMEOUT, run).await;
    assert_eq!(outcome.message, "IPv6 fd00::2: HTTP probe failed with statuscode: 500");
}
