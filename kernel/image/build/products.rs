//! The list of what is built, and how: the one place to add a freestanding program.
//!
//! Called by the build script.

/// A set of programs that are compiled with the same flags for the same target.
pub(crate) struct Group {
    /// Name of its target folder in the tree of a variant; groups with the same target and flags share one.
    pub(crate) folder: &'static str,
    /// A built-in target, or a target specification in `targets/`.
    pub(crate) target: &'static str,
    /// Linker script in `targets/`, if the packages do not name their own.
    pub(crate) linker_script: Option<&'static str>,
    /// Flags for every crate of the group, `core` and `alloc` included.
    pub(crate) flags: &'static [&'static str],
    /// Cargo features of the packages.
    pub(crate) features: &'static [&'static str],
    /// True for programs that only tests boot: built with the feature `tests`, into the tree's folder `tests`.
    pub(crate) is_for_tests: bool,
    /// What of a package is built: `--bins` or `--examples`.
    pub(crate) artifacts: &'static str,
    /// What is built.
    pub(crate) products: &'static [Product],
}

/// A program.
pub(crate) struct Product {
    /// Name of the package.
    pub(crate) package: &'static str,
    /// Where the program is in cargo's output: the name of the binary, or `examples/` and that of an example.
    pub(crate) binary: &'static str,
    /// Name of the file in the output folder.
    pub(crate) file: &'static str,
}

const fn product(package: &'static str, file: &'static str) -> Product {
    Product { package, binary: package, file }
}

/// A kernel that is only the hardware layer.
const fn example(binary: &'static str, file: &'static str) -> Product {
    Product { package: "capos-kernel-hal", binary, file }
}

/// A program of the services demo.
const fn demo(binary: &'static str, file: &'static str) -> Product {
    Product { package: "capos-services-demo", binary, file }
}

/// A program of the kernel's tests.
const fn suite(binary: &'static str, file: &'static str) -> Product {
    Product { package: "capos-kernel-suite", binary, file }
}

/// A program of the bench.
const fn counted(binary: &'static str, file: &'static str) -> Product {
    Product { package: "capos-bench-guests", binary, file }
}

/// Ring 0. Without a panicking allocator every allocation has its refusal, by construction.
const KERNEL_FLAGS: &[&str] = &[
    "-Crelocation-model=static",
    "-Crelro-level=off",
    "-Cforce-frame-pointers=yes",
    "--cfg=no_global_oom_handling",
];

/// Everything freestanding.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        folder: "boot",
        target: "x86_64-unknown-none",
        linker_script: None,
        flags: &["-Crelocation-model=static", "-Ccode-model=small", "-Crelro-level=off"],
        features: &[],
        is_for_tests: false,
        artifacts: "--bins",
        products: &[product("capos-boot", "boot.elf"), product("capos-probe", "probe.pvh")],
    },
    Group {
        folder: "kernel",
        target: "x86_64-unknown-none",
        linker_script: Some("kernel.ld"),
        flags: KERNEL_FLAGS,
        features: &[],
        is_for_tests: false,
        artifacts: "--bins",
        products: &[product("capos-kernel", "kernel.elf")],
    },
    Group {
        folder: "kernel",
        target: "x86_64-unknown-none",
        linker_script: Some("kernel.ld"),
        flags: KERNEL_FLAGS,
        features: &[],
        is_for_tests: true,
        artifacts: "--examples",
        products: &[example("examples/proof", "proof.elf"), example("examples/overflow", "overflow.elf")],
    },
    Group {
        folder: "user",
        target: "x86_64-unknown-capos.json",
        linker_script: Some("x86_64-unknown-capos.ld"),
        flags: &[],
        features: &[],
        is_for_tests: false,
        artifacts: "--bins",
        products: &[
            product("capos-init", "init.elf"),
            product("capos-wasm", "capos-wasm.elf"),
            product("capos-smoke", "smoke.elf"),
            demo("key-value", "key-value.elf"),
            demo("key-value-writer", "key-value-writer.elf"),
            demo("key-value-reader", "key-value-reader.elf"),
        ],
    },
    Group {
        folder: "user",
        target: "x86_64-unknown-capos.json",
        linker_script: Some("x86_64-unknown-capos.ld"),
        flags: &[],
        features: &[],
        is_for_tests: false,
        artifacts: "--bins",
        products: &[
            product("capos-virtio-console", "virtio-console.elf"),
            product("capos-virtio-rng", "virtio-rng.elf"),
        ],
    },
    Group {
        folder: "user",
        target: "x86_64-unknown-capos.json",
        linker_script: Some("x86_64-unknown-capos.ld"),
        flags: &[],
        features: &["programs"],
        is_for_tests: true,
        artifacts: "--bins",
        products: &[
            suite("suite", "suite.elf"),
            suite("crash", "crash.elf"),
            suite("fuzz", "fuzz.elf"),
            suite("rounds", "rounds.elf"),
            suite("clock", "clock.elf"),
            suite("seed", "seed.elf"),
            suite("fairness", "fairness.elf"),
            suite("accounts", "accounts.elf"),
            suite("driver", "driver.elf"),
            suite("heir", "heir.elf"),
            suite("idle", "idle.elf"),
            suite("mortal", "mortal.elf"),
            suite("writer", "writer.elf"),
            suite("pressure", "pressure.elf"),
            suite("stopper", "stopper.elf"),
            suite("stretch", "stretch.elf"),
            suite("instances", "instances.elf"),
            suite("sharing", "sharing.elf"),
            suite("load", "load.elf"),
            suite("soak", "soak.elf"),
            suite("soaked", "soaked.elf"),
            counted("counts", "counts.elf"),
            counted("echo", "echo.elf"),
            counted("bell", "bell.elf"),
            counted("asker", "asker.elf"),
            counted("sleeper", "sleeper.elf"),
            counted("first", "first.elf"),
        ],
    },
];

/// Folders and files whose change makes a product stale, from the root of the workspace.
pub(crate) const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "bench/guests",
    "boot",
    "capos-abi",
    "capos-rt",
    "capos-wasm",
    "cli/image",
    "demos/services",
    "demos/smoke",
    "drivers",
    "kernel",
    "rust-toolchain.toml",
    "schema",
    "services",
    "targets",
    "tests/kernel",
    "tests/system",
    "vendor",
];
