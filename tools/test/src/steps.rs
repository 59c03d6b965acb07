//! The steps of each group: the one list of what `make test` runs.
//!
//! Called by `main`. To add a suite, add a step to `suites`; to test a new verb, add it to `verbs`.

use crate::failing;
use crate::miri;
use crate::root;
use crate::step::{Expect, Step};

/// What can be asked for.
pub(crate) const GROUPS: &[&str] =
    &["all", "whole", "ci", "config", "miri", "verbs", "suites", "other-compiler"];

/// The verb that holds counts against the recorded ones.
const GATE: &str = "make --no-print-directory bench-check";

/// What the services demo says.
const SERVICES: &str = include_str!("../../../tests/system/services.expected");

/// The model test of what is shared without a lock, in a folder of its own: everything below it is compiled for `loom`.
const RINGS: &str = "RUSTFLAGS=--cfg=loom cargo test --locked --target-dir target/loom --package capos-kernel-core \
                     --test rings";

/// The steps of a group; `None` if there is no such group.
pub(crate) fn of_group(group: &str) -> Option<Vec<Step>> {
    match group {
        "all" => Some(all(suites(), GATE)),
        "whole" => Some(all(whole_product(), GATE)),
        "ci" => {
            let gate = format!("{GATE} OPTIONS=--must-compare");
            Some(all(suites(), &gate).into_iter().chain(other_compiler()).collect())
        }
        "miri" => Some(miri()),
        "config" => Some(config()),
        "verbs" => Some(verbs("").into_iter().chain(failing_verbs()).collect()),
        "suites" => Some(suites()),
        "other-compiler" => Some(other_compiler()),
        _ => None,
    }
}

/// Everything, with the suites as these steps. `gate` compares the counts with the recorded ones; CI's fails where there
/// are none.
fn all(suites: Vec<Step>, gate: &str) -> Vec<Step> {
    let mut steps = vec![
        step("build", "make --no-print-directory build", 1800, Expect::Success),
        step("doctor", "target/debug/capos doctor", 120, Expect::Success).showing("accelerator"),
        step("check", "cargo run --quiet --locked --package capos-check", 1200, Expect::Tests(10)),
        step("host", "cargo test --locked --no-fail-fast", 1800, Expect::Tests(400)),
        step("rings", RINGS, 900, Expect::Tests(2)),
    ];
    steps.extend(miri());
    steps.extend([
        step("manifest-tool", "go test -v ./...", 600, Expect::Tests(15)).inside("tools/manifest"),
        step("demos", "cargo build-demos-capos", 900, Expect::Success),
    ]);
    steps.extend(verbs(""));
    steps.extend(failing_verbs());
    steps.extend(suites);
    steps.push(step("bench-check", gate, 1800, Expect::Success).showing("bench:"));
    steps.extend(distribution());
    steps
}

/// What a stranger gets: the archive, and everything in it tried with nothing but QEMU.
fn distribution() -> Vec<Step> {
    vec![
        step("dist", "make --no-print-directory dist", 1800, Expect::Success),
        step("dist-alone", "tools/dist/try", 600, Expect::Tests(10)),
        step(
            "documents",
            "cargo run --quiet --locked --package capos-test -- documents",
            900,
            Expect::Tests(15),
        )
        .showing("skip  "),
    ]
}

/// The manifest tools, on both sides of the JSON between them.
fn config() -> Vec<Step> {
    vec![
        step("manifest-tool", "go test -v ./...", 600, Expect::Tests(15)).inside("tools/manifest"),
        step("manifest-model", "cargo test --locked --package capos-manifest-model", 900, Expect::Tests(80)),
    ]
}

/// Every run verb: it ends well and prints what its guest prints, and nothing else. `prefix` names the compiler.
fn verbs(prefix: &str) -> Vec<Step> {
    let run = |verb: &str, output: &'static str| {
        let name = format!("{prefix}{verb}");
        step(&name, &format!("make --no-print-directory {verb}"), 900, Expect::Output(output))
    };
    vec![
        run("run-wasm-host", "[wasm-host] empty module instantiated and exited\n"),
        run("run-wasi-hello-rust", "Hello from WASI on capOS\n"),
        run("run-wasi-hello-c", "Hello from WASI on capOS\n"),
        run("run-services", SERVICES),
        step(&format!("{prefix}run-smoke"), "make --no-print-directory run-smoke", 900, Expect::Success),
    ]
}

/// Every run verb with a guest that fails: make reports the code that the guest ended with.
fn failing_verbs() -> Vec<Step> {
    // A folder that could not be written has no manifests, and then no verb says what it should.
    let folder = failing::manifests().unwrap_or("target/no-manifests");
    let verb = |name: &str| {
        let command = format!("make --no-print-directory {name} MANIFESTS={folder}");
        step(&format!("{name}-failing"), &command, 900, Expect::Refusal(failing::REPORT))
    };
    ["run-wasm-host", "run-wasi-hello-rust", "run-wasi-hello-c", "run-smoke"].map(verb).into()
}

/// The suites of `tests/`, which boot capOS for each case, in the cells of `tests/matrix.toml` that fit.
fn suites() -> Vec<Step> {
    let command = "cargo run --quiet --locked --package capos-suites";
    vec![step("suites", command, 3600, Expect::Tests(400)).showing("skip  ")]
}

/// The suites in every cell that there is.
fn whole_product() -> Vec<Step> {
    let command = "cargo run --quiet --locked --package capos-suites -- --all";
    vec![step("suites-whole-product", command, 6 * 3600, Expect::Tests(2000)).showing("skip  ")]
}

/// The pure crates under Miri, where it is installed.
fn miri() -> Vec<Step> {
    let words = miri::command().into_iter();
    words.map(|command| Step { command, ..step("miri", "", 1800, Expect::Tests(75)) }).collect()
}

/// The run verbs once more with the other of the two compilers, where the machine has it or can have it.
fn other_compiler() -> Vec<Step> {
    let used = std::fs::read_to_string(root().join("target/tools/rust-from")).unwrap_or_default();
    let used = used.trim();
    let (other, needs) = if used == "debian" { ("rustup", "rustup") } else { ("debian", "apt-get") };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    if !std::env::split_paths(&paths).any(|folder| folder.join(needs).is_file()) {
        println!("test: Rust from {other} is not tried, because this machine has no {needs}");
        return Vec::new();
    }
    let mut steps = verbs(&format!("{other}-"));
    for step in &mut steps {
        step.command.insert(0, format!("RUST_FROM={other}"));
        step.limit = 1800;
    }
    // The links of the set-up mean the first compiler again when this is over.
    steps.push(step(
        "compiler-restored",
        &format!("RUST_FROM={used} tools/setup/setup rust"),
        60,
        Expect::Success,
    ));
    steps
}

/// A step whose command has no words with spaces.
fn step(name: &str, command: &str, limit: u64, expect: Expect) -> Step {
    let command = command.split(' ').map(str::to_owned).collect();
    Step { name: name.to_owned(), command, folder: "", limit, expect, show: "" }
}

impl Step {
    /// The same, run in a folder.
    fn inside(self, folder: &'static str) -> Self {
        Self { folder, ..self }
    }

    /// The same, with the lines that contain this text shown in the report.
    fn showing(self, show: &'static str) -> Self {
        Self { show, ..self }
    }
}
