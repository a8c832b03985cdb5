//! A WASI command that knows nothing of probelet: its arguments say what it does.

use std::{env, process::exit};

fn main() {
    for argument in env::args().skip(1) {
        match argument.split_once('=') {
            Some(("say", text)) => println!("{text}"),
            Some(("complain", text)) => eprintln!("{text}"),
            Some(("exit", code)) => exit(code.parse().expect("a number")),
            Some(("variable", name)) => println!("{name}={:?}", env::var(name)),
            Some(("read", path)) => println!("{:?}", std::fs::read(path).map_err(|error| error.kind())),
            Some(("input", _)) => println!("{:?}", std::io::read_to_string(std::io::stdin())),
            Some(("loop", _)) => loop {
                std::hint::black_box(());
            },
            _ => panic!("unknown argument: {argument}"),
        }
    }
}
