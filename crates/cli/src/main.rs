//! The `seawall` binary: the only place that knows every name.

mod client;
mod commands;
mod demo;
mod output;
mod settings;

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = commands::Seawall::parse();
    let exit = match command.run() {
        Ok(exit) => exit,
        Err(failure) => failure.report(),
    };
    output::settle();
    exit
}
