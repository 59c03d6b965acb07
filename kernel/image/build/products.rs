//! The list of what is built, and how: the one place to add a freestanding program.
//!
//! Called by the build script.

/// A set of programs that are compiled with the same flags for the same target.
pub(crate) struct Group {
    /// Name of its target folder under `target/capos`.
    pub(crate) folder: &'static str,
    /// A built-in target, or a target specification in `targets/`.
    pub(crate) target: &'static str,
    /// Linker script in `targets/`, if the package does not bring its own.
    pub(crate) linker_script: Option<&'static str>,
    /// Flags for every crate of the group, `core` and `alloc` included.
    pub(crate) flags: &'static [&'static str],
    /// What is built.
    pub(crate) products: &'static [Product],
}

/// A program.
pub(crate) struct Product {
    /// Folder of the package.
    pub(crate) source: &'static str,
    /// Name of the package.
    pub(crate) package: &'static str,
    /// Name of the binary, which is the package's unless it has several.
    pub(crate) binary: &'static str,
    /// Name of the file in `target/capos/lib/capos`.
    pub(crate) file: &'static str,
}

const fn product(source: &'static str, package: &'static str, file: &'static str) -> Product {
    Product { source, package, binary: package, file }
}

/// Everything freestanding.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        folder: "boot",
        target: "x86_64-unknown-none",
        linker_script: Some("boot.ld"),
        flags: &["-Crelocation-model=static", "-Ccode-model=small", "-Crelro-level=off"],
        products: &[product("boot", "capos-boot", "boot.elf")],
    },
    Group {
        folder: "probe",
        target: "x86_64-unknown-none",
        linker_script: None,
        flags: &["-Crelocation-model=static"],
        products: &[product("boot/probe", "capos-probe", "probe.pvh")],
    },
    Group {
        folder: "kernel",
        target: "x86_64-unknown-none",
        linker_script: Some("kernel.ld"),
        // Without a panicking allocator every allocation in ring 0 has its refusal, by construction.
        flags: &[
            "-Crelocation-model=static",
            "-Crelro-level=off",
            "-Cforce-frame-pointers=yes",
            "--cfg=no_global_oom_handling",
        ],
        products: &[product("kernel", "capos-kernel", "kernel.elf")],
    },
    Group {
        folder: "user",
        target: "x86_64-unknown-capos.json",
        linker_script: Some("x86_64-unknown-capos.ld"),
        flags: &[],
        products: &[
            product("services/init", "capos-init", "init.elf"),
            product("capos-wasm", "capos-wasm", "capos-wasm.elf"),
        ],
    },
];

/// Folders and files whose change makes a product stale, from the root of the workspace.
pub(crate) const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "boot",
    "capos-abi",
    "capos-rt",
    "capos-wasm",
    "kernel",
    "rust-toolchain.toml",
    "schema",
    "services",
    "targets",
    "tests/kernel",
    "tests/system",
];
