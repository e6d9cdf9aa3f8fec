//! The front door: `run` wakes the daemon; all else asks, by socket or offline.

use std::process::ExitCode;

fn main() -> ExitCode {
    let house = daemon::House::new();
    ExitCode::from(cli::main_with(std::env::args_os().collect(), cli::Env::of_process(), &house))
}
