//! A command of WASI 0.3: it fails if its argument is a variable that is not set.

mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "command",
        generate_all,
    });
}

use bindings::{
    exports::wasi::cli::run::Guest,
    wasi::{cli::environment, clocks::monotonic_clock::wait_for},
};

struct Command;

impl Guest for Command {
    async fn run() -> Result<(), ()> {
        wait_for(1_000_000).await;
        let wanted = environment::get_arguments();
        let variables = environment::get_environment();
        let is_set = |wanted: &String| variables.iter().any(|(name, _)| name == wanted);
        // The first one is the command's own name.
        if wanted.iter().skip(1).all(is_set) {
            Ok(())
        } else {
            Err(())
        }
    }
}

bindings::export!(Command with_types_in bindings);
