//! A WASI instance: the adapter, the module, what the guest is told, and the offers that `caps` expands to.
//!
//! Called by `resolve` for each of them; calls `grants`, `limits` and `parts`.
//!
//! Invariant: besides the memory that the adapter needs, an instance holds what `caps` grants and nothing else.

use super::grants::grants;
use super::limits::{MEMORY_MAX, Shares, Stated};
use super::names::KERNEL;
use super::parts::{Kind, Part};
use super::{At, Resolver};
use crate::document::{Instance, Methods, Text, Verify};
use crate::sources::{Held, offered};
use crate::system::{Launch, Preopen, Process, RingSizes, Source};

/// The program that runs WASI instances.
pub(crate) const ADAPTER: &str = "capos-wasm";
/// Bytes of linear memory of an instance that states no limit.
pub(crate) const MEMORY_DEFAULT: u64 = 256 << 20;
/// Bytes of the process's quota besides linear memory, module and value stack: the adapter's own heap, rings, page tables.
const ADAPTER_BYTES: u64 = 16 << 20;
/// The engine copies function bodies when it translates them: at most four times the module, measured with all translated.
const MODULE_FACTOR: u64 = 4;
/// Bytes of the engine's value stack at least and at most.
const STACK: (u64, u64) = (4 << 10, 1 << 30);
/// Depth of wasm calls at most: beyond it the records of the engine no longer fit beside the module.
const RECURSION_MAX: u32 = 1_000_000;
/// Bytes of arguments and environment together at most: the launch parameters are one message.
const LAUNCH_BYTES_MAX: usize = 1 << 20;

impl Resolver<'_> {
    /// The process, and what it holds; no process if something was refused.
    pub(super) fn instance(
        &mut self,
        instance: &Instance,
        at: &At,
    ) -> (Option<Process>, Vec<(String, Held)>) {
        let held = self.instance_grants(instance, &at.field("caps"));
        (self.instance_process(instance, &held, at), held)
    }

    fn instance_process(&mut self, instance: &Instance, held: &[(String, Held)], at: &At) -> Option<Process> {
        let binary = at.field("binary");
        let module = self.part(format!("module/{}", instance.name), Kind::Module, &instance.binary, &binary);
        let image = self.built_in(ADAPTER, &binary);
        let wall_clock = self.time(instance.limits.time.as_ref(), &at.field("limits").field("time"));
        let preopens = self.preopens(instance, &at.field("caps").field("preopens"));
        let launch = self.launch(instance, preopens, at);
        let (module, launch) = (module?, launch?);
        let stated = Stated {
            reserve: instance.limits.reserve.as_ref(),
            weight: instance.limits.weight,
            budget: instance.limits.budget.as_ref(),
            period: instance.limits.period.as_ref(),
        };
        let memory_limit = quota(&launch, &module);
        let Shares { memory_reserve, processor } = self.shares(&stated, memory_limit, &at.field("limits"))?;
        Some(Process {
            name: instance.name.clone(),
            image: image?.name,
            grants: grants(held),
            memory_limit,
            memory_reserve,
            processor,
            stack_bytes: 0,
            wall_clock,
            launch: Some(launch),
            module: Some(module.name),
            rings: RingSizes::default(),
            ..Process::default()
        })
    }

    /// The offers that `caps` expands to, each from the kernel.
    fn instance_grants(&mut self, instance: &Instance, at: &At) -> Vec<(String, Held)> {
        let streams = instance.caps.console.streams();
        let mut granted = Vec::new();
        for (name, source, is_granted) in [
            ("stdout", Source::ConsoleOutput, streams.stdout),
            ("stderr", Source::ConsoleError, streams.stderr),
            ("log", Source::ConsoleOutput, instance.caps.log),
        ] {
            if is_granted {
                granted.push((name.to_owned(), offered(&source)));
            }
        }
        for (name, source, methods) in [
            ("timer", Source::Timer, &instance.caps.timer),
            ("random", Source::EntropySource, &instance.caps.random),
        ] {
            let held = offered(&source);
            let mask = match methods {
                Methods::Whole(false) => None,
                Methods::Whole(true) => Some(held.methods),
                Methods::Named(names) => self.methods(&held, names, KERNEL, &at.field(name)),
            };
            granted.extend(mask.map(|methods| (name.to_owned(), Held { methods, ..held })));
        }
        granted.push(("memory".to_owned(), offered(&Source::VirtualMemory)));
        granted
    }

    /// The directories. Each has to be a Namespace that its giver holds.
    fn preopens(&mut self, instance: &Instance, at: &At) -> Vec<Preopen> {
        let mut preopens = Vec::new();
        for (index, preopen) in instance.caps.preopens.iter().enumerate() {
            let at = at.index(index);
            if preopen.from != KERNEL && !self.check_process_exists(&preopen.from, &at.field("from")) {
                continue;
            }
            let Some(held) = self.held_by(&preopen.from, &preopen.cap, &at.field("cap")) else { continue };
            if held.interface.name == "Namespace" {
                preopens.push(Preopen { capability: preopen.cap.clone(), path: preopen.path.clone() });
            } else {
                let message = format!("\"{}\" is a {}, not a directory", preopen.cap, held.interface.name);
                self.refuse(&at.field("cap"), message, "a Namespace");
            }
        }
        preopens
    }

    fn launch(&mut self, instance: &Instance, preopens: Vec<Preopen>, at: &At) -> Option<Launch> {
        let before = self.refusals.len();
        let limits = at.field("limits");
        let stated = &instance.limits;
        let memory =
            self.size(stated.memory.as_ref(), MEMORY_DEFAULT, 0, MEMORY_MAX, &limits.field("memory"));
        let stack = self.size(stated.stack.as_ref(), 0, STACK.0, STACK.1, &limits.field("stack"));
        if stated.recursion.is_some_and(|depth| depth == 0 || depth > RECURSION_MAX) {
            self.refuse(
                &limits.field("recursion"),
                "the depth is out of range",
                format!("1 to {RECURSION_MAX}"),
            );
        }
        if stated.fuel == Some(0) {
            self.refuse(&limits.field("fuel"), "no fuel", "a whole number from 1");
        }
        let launch = Launch {
            arguments: self.arguments(instance, at),
            environment: self.environment(instance, &at.field("env")),
            fuel: stated.fuel,
            memory_limit: memory?,
            recursion_limit: stated.recursion.unwrap_or(0),
            stack_bytes: stack?,
            preopens,
            module_name: file_name(&instance.binary).to_owned(),
            validated: instance.verify == Verify::Call,
        };
        let bytes: usize =
            launch.arguments.iter().chain(&launch.environment).map(|text| text.len() + 1).sum();
        if bytes > LAUNCH_BYTES_MAX {
            let message = format!("arguments and environment have {bytes} bytes");
            self.refuse(&at.field("args"), message, format!("at most {LAUNCH_BYTES_MAX}"));
        }
        (self.refusals.len() == before).then_some(launch)
    }

    fn arguments(&mut self, instance: &Instance, at: &At) -> Vec<Vec<u8>> {
        let name = instance.argv0.clone().unwrap_or_else(|| Text(file_name(&instance.binary).into()));
        self.check_no_nul(&name, &at.field("argv0"));
        let mut arguments = vec![name.0];
        for (index, argument) in instance.args.iter().enumerate() {
            self.check_no_nul(argument, &at.field("args").index(index));
            arguments.push(argument.0.clone());
        }
        arguments
    }

    fn environment(&mut self, instance: &Instance, at: &At) -> Vec<Vec<u8>> {
        let mut environment = Vec::new();
        for (key, value) in &instance.env.0 {
            let at = at.field(key);
            if key.is_empty() || key.contains(['=', '\0']) {
                self.refuse(&at, format!("wrong name {key:?}"), "a name without \"=\" and NUL, not empty");
            }
            self.check_no_nul(value, &at);
            environment.push([key.as_bytes(), b"=", value.0.as_slice()].concat());
        }
        environment
    }

    fn check_no_nul(&mut self, text: &Text, at: &At) {
        if text.0.contains(&0) {
            self.refuse(at, "a text with a NUL", "a text without NUL");
        }
    }
}

/// Bytes that the process may use: what the guest may, and what the adapter needs for that, in whole MiB for the reader.
fn quota(launch: &Launch, module: &Part) -> u64 {
    [ADAPTER_BYTES, launch.stack_bytes, module.bytes.saturating_mul(MODULE_FACTOR)]
        .into_iter()
        .fold(launch.memory_limit, u64::saturating_add)
        .checked_next_multiple_of(1 << 20)
        .unwrap_or(u64::MAX)
}

/// The last component of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
