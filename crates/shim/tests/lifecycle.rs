//! Containers from start to end.

mod common;

use common::*;

#[tokio::test]
async fn an_exit_code_is_passed_on() {
    let world = World::new();
    let container = world.runtime.start(world.shell("a", "exit 42")).await.expect("it starts");
    let record = container.wait().await;
    assert_eq!((record.code, record.signal, record.lost, record.oom_killed), (42, None, false, false));
}
