//! A native process: its program, its limits, its grants.
//!
//! Called by `resolve` for each of them; calls `grants`, `limits` and `parts`.
//!
//! Invariant: what comes out has exactly the grants that offers give it.

use std::time::Duration;

use super::grants::grants;
use super::limits::{MEMORY_MAX, Shares, Stated};
use super::parts::{Kind, Part};
use super::{At, Resolver};
use crate::document::{Native, Rings, When};
use crate::sources::{Held, offered};
use crate::system::{Process, Restart, RingSizes, Service, Source};

/// Bytes of memory of a process that states no limit.
const MEMORY_DEFAULT: u64 = 16 << 20;
/// Bytes of memory that a process has to be given at least: its rings, its stack and its page tables.
const MEMORY_MIN: u64 = 512 << 10;
/// Bytes of stack of a process that states none: 0 is the kernel's default, 256 KiB.
const STACK_DEFAULT: u64 = 0;
/// How many times a process is started again, and the first wait, where the manifest does not say.
const RESTARTS_DEFAULT: u32 = 3;
const DELAY_DEFAULT: Duration = Duration::from_millis(10);
/// Bytes of stack at least and at most, as `ProcessSpawner.create` has it.
const STACK: (u64, u64) = (16 << 10, 64 << 20);

impl Resolver<'_> {
    /// The process, and what it holds; no process if something was refused.
    pub(super) fn native(&mut self, native: &Native, at: &At) -> (Option<Process>, Vec<(String, Held)>) {
        let mut held = self.native_grants(native, at);
        let serves = self.services(native, &at.field("serves"));
        let process = self.native_process(native, &held, &serves, at);
        held.extend(serves.into_iter().map(|service| {
            let name = service.name.clone();
            (name, offered(&Source::Service { process: native.name.clone(), service }))
        }));
        (process, held)
    }

    fn native_process(
        &mut self,
        native: &Native,
        held: &[(String, Held)],
        serves: &[Service],
        at: &At,
    ) -> Option<Process> {
        self.check_grant_count(native.uses.0.len() + native.serves.0.len(), &at.field("uses"));
        let image = self.program(&native.program, &native.name, &at.field("program"));
        let limits = at.field("limits");
        let memory = self.size(
            native.limits.memory.as_ref(),
            MEMORY_DEFAULT,
            MEMORY_MIN,
            MEMORY_MAX,
            &limits.field("memory"),
        );
        let stack =
            self.size(native.limits.stack.as_ref(), STACK_DEFAULT, STACK.0, STACK.1, &limits.field("stack"));
        let stated = Stated {
            reserve: native.limits.reserve.as_ref(),
            weight: native.limits.weight,
            budget: native.limits.budget.as_ref(),
            period: native.limits.period.as_ref(),
        };
        let shares = memory.and_then(|memory| self.shares(&stated, memory, &limits));
        let wall_clock = self.time(native.limits.time.as_ref(), &limits.field("time"));
        let restart = self.restart(native, &at.field("restart"));
        let rings = self.rings(&native.rings, &at.field("rings"));
        let Shares { memory_reserve, processor } = shares?;
        Some(Process {
            name: native.name.clone(),
            image: image?,
            grants: grants(held),
            memory_limit: memory?,
            memory_reserve,
            processor,
            stack_bytes: stack?,
            wall_clock,
            launch: None,
            module: None,
            rings: rings?,
            serves: serves.to_vec(),
            restart: restart?,
        })
    }

    /// What it serves, each with all the methods that the interface has now.
    fn services(&mut self, native: &Native, at: &At) -> Vec<Service> {
        let mut services = Vec::new();
        for (name, interface_name) in &native.serves.0 {
            let at = at.field(name);
            self.check_capability_name(name, &at);
            if native.uses.get(name).is_some() {
                let message = format!("\"{name}\" is the name of something that \"{}\" uses", native.name);
                self.refuse(&at, message, "another name");
            }
            if let Some(interface) = self.interface(interface_name, &at) {
                services.push(Service { name: name.clone(), interface, methods: interface.all_methods });
            }
        }
        services
    }

    fn restart(&mut self, native: &Native, at: &At) -> Option<Restart> {
        let written = &native.restart;
        if written.when == When::Never {
            return Some(Restart::default());
        }
        if self.main() == native.name {
            let message = format!("the run ends when \"{}\" has ended: it is not started again", native.name);
            self.refuse(&at.field("when"), message, "\"never\"");
            return None;
        }
        let before = self.refusals.len();
        let delay = self.time(written.delay.as_ref(), &at.field("delay")).unwrap_or(DELAY_DEFAULT);
        let most = written.most.unwrap_or(RESTARTS_DEFAULT);
        (self.refusals.len() == before).then_some(Restart { when: written.when, most, delay })
    }

    /// The part with a program: a built-in one by its name, or a file by its path.
    fn program(&mut self, program: &str, process: &str, at: &At) -> Option<String> {
        if program.contains('/') {
            let part = self.part(format!("program/{process}"), Kind::Plain, program, at)?;
            return self.is_executable(program, at).then_some(part.name);
        }
        let programs = self.library.programs();
        if !programs.iter().any(|name| name == program) {
            let names = programs.join(", ");
            let accepted = if names.is_empty() {
                "the path of an ELF file with a slash in it".to_owned()
            } else {
                format!("{names}, or the path of an ELF file with a slash in it")
            };
            self.refuse(at, format!("no program \"{program}\""), accepted);
            return None;
        }
        self.built_in(program, at).map(|part| part.name)
    }

    /// The part with a program that comes with capOS.
    pub(super) fn built_in(&mut self, program: &str, at: &At) -> Option<Part> {
        let file = self.library.program(program);
        match file.to_str() {
            Some(path) => self.part(program.to_owned(), Kind::Plain, path, at),
            None => {
                self.refuse(at, format!("{}: the path has to be UTF-8", file.display()), "");
                None
            }
        }
    }

    /// Refuses more grants than the CapSet page has entries.
    pub(super) fn check_grant_count(&mut self, count: usize, at: &At) {
        let most = capos_abi::capset::ENTRIES_MAX;
        if count > most {
            self.refuse(at, format!("{count} capabilities"), format!("at most {most}"));
        }
    }

    fn rings(&mut self, rings: &Rings, at: &At) -> Option<RingSizes> {
        let area = self.size(rings.area.as_ref(), 0, 4096, 1 << 20, &at.field("area"))?;
        let sizes = RingSizes {
            submission_entries: rings.submissions.unwrap_or(0),
            completion_entries: rings.completions.unwrap_or(0),
            area_bytes: area as u32,
        };
        if sizes.is_valid() {
            return Some(sizes);
        }
        let accepted = "submissions: a power of two, 4 to 1024; completions: a power of two, at least twice as many, at most 4096; area: whole pages of 4KiB, 4KiB to 1MiB";
        self.refuse(at, "these ring sizes do not go together", accepted);
        None
    }
}
