//! `wasm [--fuel] FILE [ARGUMENT]...`: runs one WASI command with wasmi, and ends with its exit code.
//!
//! Started by PID 1 of the Linux guest, which counts the instructions of the whole process. `--nothing` ends at once: what
//! the process itself costs.
//!
//! Invariant: the engine is set up as the WASI host of capOS sets up its own (capos-wasm/src/engine.rs): lazy translation,
//! custom sections ignored, the same stack, recursion and memory limits. Fuel is counted only with `--fuel`.
#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;

use wasmi::{CompilationMode, Config, Engine, Linker, Module, Store, StoreLimits, StoreLimitsBuilder};
use wasmi_wasi::{WasiCtx, WasiCtxBuilder};

/// Bytes of the engine's value stack, first and at most; the depth of recursion; bytes of linear memory.
const STACK: (usize, usize) = (1024, 8 << 20);
const RECURSION: usize = 50_000;
const MEMORY: usize = 16 << 20;

struct Context {
    wasi: WasiCtx,
    limits: StoreLimits,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, _)) if first == "--nothing" => return ExitCode::SUCCESS,
        Some((first, command)) if first == "--fuel" => run(command, true),
        _ => run(&arguments, false),
    };
    done.unwrap_or_else(|error| {
        eprintln!("wasm: {error}");
        ExitCode::from(255)
    })
}

fn run(command: &[String], is_fuel_counted: bool) -> Result<ExitCode, Box<dyn Error>> {
    let file = command.first().ok_or("usage: wasm [--fuel] FILE [ARGUMENT]...")?;
    let mut config = Config::default();
    config
        .consume_fuel(is_fuel_counted)
        .compilation_mode(CompilationMode::LazyTranslation)
        .ignore_custom_sections(true)
        .set_min_stack_height(STACK.0)
        .set_max_stack_height(STACK.1)
        .set_max_recursion_depth(RECURSION)
        .set_max_cached_stacks(1);
    let engine = Engine::new(&config);
    let module = Module::new(&engine, &std::fs::read(file)?[..])?;
    let mut linker = Linker::new(&engine);
    wasmi_wasi::add_to_linker(&mut linker, |context: &mut Context| &mut context.wasi)?;
    let wasi = WasiCtxBuilder::new().inherit_stdio().args(command)?.build();
    let limits = StoreLimitsBuilder::new().memory_size(MEMORY).build();
    let mut store = Store::new(&engine, Context { wasi, limits });
    store.limiter(|context| &mut context.limits);
    if is_fuel_counted {
        store.set_fuel(u64::MAX)?;
    }
    let instance = linker.instantiate_and_start(&mut store, &module)?;
    match instance.get_typed_func::<(), ()>(&store, "_start")?.call(&mut store, ()) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            let status = error.i32_exit_status().ok_or(error)?;
            Ok(ExitCode::from(u8::try_from(status).unwrap_or(254)))
        }
    }
}
