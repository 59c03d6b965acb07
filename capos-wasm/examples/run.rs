//! Runs a module on the build host: `cargo run -p capos-wasm --example run -- FILE.wasm [ARGS]...`.
//!
//! For looking at the WASI layer without a machine: the same library over the host's streams and clock. It grants no random
//! bytes, because it has no source to grant.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use capos_abi::outcome::OutcomeKind;
use capos_wasm::engine;
use capos_wasm::launch::Launch;
use capos_wasm::port::{Clock, PortError, Ports, Stream};

struct Host<T>(T);

impl<T: Write> Stream for Host<T> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        let taken = self.0.write_all(bytes).and_then(|()| self.0.flush());
        taken.map(|()| bytes.len()).map_err(|_| PortError::Gone)
    }
}

impl Clock for Host<Instant> {
    fn now(&mut self) -> Result<u64, PortError> {
        u64::try_from(self.0.elapsed().as_nanos())
            .map_err(|_| PortError::Impossible("five centuries have passed"))
    }

    fn resolution(&mut self) -> Result<u64, PortError> {
        Ok(1)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(file) = arguments.first() else {
        eprintln!("usage: run FILE.wasm [ARGS]...");
        return ExitCode::FAILURE;
    };
    let module = match wat::parse_file(file) {
        Ok(module) => module,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let launch = Launch {
        arguments: arguments.iter().map(|argument| argument.clone().into_bytes()).collect(),
        memory_limit: 256 << 20,
        ..Launch::default()
    };
    let ports = Ports {
        stdout: Some(Box::new(Host(std::io::stdout()))),
        stderr: Some(Box::new(Host(std::io::stderr()))),
        clock: Some(Box::new(Host(Instant::now()))),
        ..Ports::default()
    };
    let ending = engine::run(&module, launch, ports);
    let status = ending.status();
    if status.kind == OutcomeKind::Exited {
        return ExitCode::from(u8::try_from(status.code).unwrap_or(1));
    }
    eprintln!("{}: {}", status.kind.word(), ending.report());
    ExitCode::FAILURE
}
