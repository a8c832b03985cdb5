//! What a plugin cannot do to the host, and how each attempt ends.

use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime},
};

use probelet_engine::{Check, HookReason, Limits, Port, RunRequest, Subject, Verdict};
use serde_json::{Value, json};

use crate::fixture::{SHORT, hook, probe, said, sleep, unruly, within};

async fn run(config: Value) -> (Verdict, String) {
    let outcome = unruly().await.run(probe(config)).await;
    (outcome.verdict, outcome.message)
}

#[tokio::test]
async fn the_four_outcomes() {
    assert_eq!(run(json!({"do": "nothing"})).await, (Verdict::Success, String::new()));
    assert_eq!(
        run(json!({"do": "degrade", "message": "m"})).await,
        (Verdict::Warning, "m".to_owned())
    );
    assert_eq!(
        run(json!({"do": "talk", "bytes": 2})).await,
        (Verdict::Failure, "yy".to_owned())
    );
    assert_eq!(
        run(json!({"do": "give_up", "message": "m"})).await,
        (Verdict::Errored, "m".to_owned())
    );
}

#[tokio::test]
async fn each_run_is_a_fresh_instance() {
    for _ in 0..3 {
        let expected = (Verdict::Warning, "run 1 of this instance".to_owned());
        assert_eq!(run(json!({"do": "count"})).await, expected);
    }
}

#[tokio::test]
async fn an_endless_loop_uses_up_its_fuel() {
    let outcome = unruly().await.run(probe(json!({"do": "loop"}))).await;
    assert_eq!(
        said(&outcome),
        "Errored: the plugin `unruly` used up its 100000000 units of fuel (limits.fuel)"
    );
    assert_eq!(outcome.usage.fuel, 100_000_000);
}

#[tokio::test]
async fn an_endless_loop_with_fuel_without_end_meets_its_deadline_and_lets_others_run() {
    let limits = Limits {
        fuel: u64::MAX,
        ..Limits::default()
    };
    let request = RunRequest {
        limits,
        ..within(SHORT, probe(json!({"do": "loop"})))
    };
    let plugin = unruly().await;
    // On this test's single thread.
    let mut ticks = 0;
    let outcome = {
        let run = plugin.run(request);
        tokio::pin!(run);
        let mut interval = tokio::time::interval(Duration::from_millis(20));
        loop {
            tokio::select! {
                outcome = &mut run => break outcome,
                _ = interval.tick() => ticks += 1,
            }
        }
    };
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(
        outcome
            .message
            .starts_with("timed out after 400ms: the plugin `unruly` was still at work after 0."),
        "{outcome:?}"
    );
    assert!(ticks > 3, "{ticks}");
}

#[tokio::test]
async fn memory_is_bounded_in_total() {
    let limits = Limits {
        memory_bytes: 4 << 20,
        ..Limits::default()
    };
    let request = |bytes: usize| RunRequest {
        limits,
        ..probe(json!({"do": "allocate", "bytes": bytes}))
    };
    let outcome = unruly().await.run(request(5 << 20)).await;
    let expected = "Errored: the plugin `unruly` needed more than its 4194304 bytes of memory (limits.memory)";
    assert_eq!(said(&outcome), expected);
    let outcome = unruly().await.run(request(2 << 20)).await;
    assert_eq!(said(&outcome), "Success: ");
    assert!(
        (2 << 20..=4 << 20).contains(&outcome.usage.memory_peak_bytes),
        "{outcome:?}"
    );
    let too_little = Limits {
        memory_bytes: 1000,
        ..limits
    };
    let outcome = unruly()
        .await
        .run(RunRequest {
            limits: too_little,
            ..request(0)
        })
        .await;
    assert_eq!(said(&outcome), expected.replace("4194304", "1000"));
}

#[tokio::test]
async fn recursion_handles_and_panics_are_errored() {
    for config in [
        json!({"do": "recurse"}),
        json!({"do": "hoard_handles"}),
        json!({"do": "panic"}),
    ] {
        let outcome = unruly().await.run(probe(config.clone())).await;
        assert_eq!(outcome.verdict, Verdict::Errored, "{config}");
        assert!(outcome.message.starts_with("the plugin `unruly` "), "{outcome:?}");
        assert_eq!(
            outcome.log.contains("on purpose"),
            config == json!({"do": "panic"}),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn the_log_and_the_message_are_cut_without_harm() {
    let outcome = unruly()
        .await
        .run(probe(json!({"do": "write", "bytes": 200_000})))
        .await;
    assert_eq!(outcome.verdict, Verdict::Success, "{}", outcome.message);
    assert_eq!(outcome.log, "x".repeat(10_240) + "… (cut)");
    let outcome = unruly().await.run(probe(json!({"do": "talk", "bytes": 200_000}))).await;
    assert_eq!(said(&outcome), format!("Failure: {}… (cut)", "y".repeat(10_240)));
    let outcome = unruly()
        .await
        .run(probe(json!({"do": "talk", "bytes": 8_000_000})))
        .await;
    assert_eq!(outcome.verdict, Verdict::Errored, "{}", outcome.message);
}

#[tokio::test]
async fn the_soft_deadline_leaves_time_for_a_word() {
    let outcome = unruly()
        .await
        .run(within(SHORT, probe(json!({"do": "wait_politely"}))))
        .await;
    assert_eq!(said(&outcome), "Failure: was waiting for nothing");
    assert!(outcome.usage.wall >= SHORT / 2, "{outcome:?}");
}

#[tokio::test]
async fn a_wait_without_end_meets_the_hosts_deadline() {
    let outcome = unruly()
        .await
        .run(within(SHORT, probe(json!({"do": "wait_for_ever"}))))
        .await;
    assert_eq!(outcome.verdict, Verdict::Failure);
    assert!(outcome.message.starts_with("timed out after 400ms"), "{outcome:?}");
    assert!(outcome.usage.wall >= SHORT, "{outcome:?}");
}

#[tokio::test]
async fn a_plugin_learns_what_it_is_run_for() {
    let subject = Subject {
        namespace: "default".to_owned(),
        pod: "web".to_owned(),
        container: "nginx".to_owned(),
        container_id: "c0ffee".to_owned(),
        restart_count: 3,
        address: Some(IpAddr::from([10, 88, 0, 2])),
        ports: vec![Port {
            name: Some("http".to_owned()),
            number: 80,
            protocol: "TCP".to_owned(),
        }],
        started_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1500)),
    };
    let of_probe = RunRequest {
        subject: subject.clone(),
        attempt: 7,
        previous: Some(Verdict::Failure),
        ..probe(json!({"do": "tell"}))
    };
    let outcome = unruly().await.run(of_probe).await;
    assert_eq!(
        outcome.message,
        "default/web nginx c0ffee restarts=3 address=Some(\"10.88.0.2\") ports=http=80/TCP started=Some(1500) \
         CheckKind::Liveness attempt=7 previous=Some(Outcome::Failure) timeout=30s why=None grace=None"
    );
    let of_hook = RunRequest {
        check: Check::Hook(HookReason::Delete),
        subject,
        grace_left: Some(Duration::from_secs(20)),
        ..hook(json!({"do": "tell"}))
    };
    let outcome = unruly().await.run(of_hook).await;
    let end = "CheckKind::PreStop attempt=1 previous=None timeout=30s why=Some(\"delete\") grace=Some(\"20s\")";
    assert!(outcome.message.ends_with(end), "{outcome:?}");
}

#[tokio::test]
async fn sleeping_takes_its_time_and_no_more_than_there_is() {
    let begin = Instant::now();
    let outcome = sleep().await.run(hook(json!({"seconds": 1}))).await;
    assert_eq!(said(&outcome), "Success: ");
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let outcome = sleep().await.run(within(SHORT, hook(json!({"seconds": 60})))).await;
    assert_eq!(
        said(&outcome),
        "Failure: container terminated before sleep hook finished"
    );
    let outcome = sleep().await.run(probe(json!({"seconds": 0}))).await;
    assert_eq!(
        said(&outcome),
        "Errored: the plugin is no probe: it does not export `probelet:plugin/probe`"
    );
}
