//! More runs at once than the engine has room for.

use std::time::{Duration, Instant};

use probelet_engine::{Outcome, Plugin, Verdict};
use serde_json::json;
use tokio::task::JoinSet;

use crate::fixture::{LONG, SHORT, guest_bytes, hook, new_engine, probe, said, within};

/// More than there is room for.
const TOO_MANY: usize = 1000;
/// What a run may take beyond its time, here beside as many others as there is room for.
const LATE: Duration = Duration::from_secs(1);

async fn nothing(plugin: &Plugin) -> Outcome {
    plugin.run(within(SHORT, probe(json!({"do": "nothing"})))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_without_room_says_so_within_its_time_and_leaves_the_others_alone() {
    // Not the engine of the other tests, which need room.
    let engine = new_engine();
    let plugin = engine
        .load("unruly", &guest_bytes("tests/unruly.wasm"))
        .await
        .expect("a plugin");
    let mut greedy = JoinSet::new();
    for _ in 0..TOO_MANY {
        let plugin = plugin.clone();
        greedy.spawn(async move { plugin.run(within(LONG, probe(json!({"do": "wait_for_ever"})))).await });
    }
    // They take their places one after the other.
    let (late, took) = loop {
        let begin = Instant::now();
        let outcome = nothing(&plugin).await;
        if outcome.verdict != Verdict::Success {
            break (outcome, begin.elapsed());
        }
        let ended = greedy.try_join_next();
        assert!(ended.is_none(), "there is room for {TOO_MANY}, or: {ended:?}");
    };
    assert_eq!(said(&late), "Errored: the engine is busy: too many runs are under way");
    assert!(took >= SHORT && took < SHORT + LATE, "{took:?}");
    assert_eq!((late.usage.fuel, late.usage.host_calls), (0, 0), "it has not begun");

    // Hooks have room of their own.
    let outcome = plugin.run(within(LONG, hook(json!({"do": "nothing"})))).await;
    assert_eq!(said(&outcome), "Success: ");

    // What is given up makes room at once.
    greedy.shutdown().await;
    assert_eq!(said(&nothing(&plugin).await), "Success: ");
}
