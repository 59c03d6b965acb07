//! Size budgets: small rooms, a small kernel, small products.
//!
//! Called by `main`. Source files are counted as they are; the products are those of the last build, and a product that has
//! not been built is named in the note and not judged.
//!
//! A budget is a decision: raising one needs a reason in the commit that raises it.

use crate::repository::Repository;
use crate::{Verdict, elf, source};

const MAXIMUM_FILE_LINES: usize = 500;
const MAXIMUM_FUNCTION_LINES: usize = 80;
const MAXIMUM_MAKEFILE_LINES: usize = 100;

/// A product of the build in target/capos/lib/capos: how many bytes of code it may have, and of file.
struct Product {
    name: &'static str,
    code: u64,
    file: u64,
}

const KIB: u64 = 1024;

const PRODUCTS: &[Product] = &[
    Product { name: "boot.elf", code: 96 * KIB, file: 128 * KIB },
    Product { name: "kernel.elf", code: 320 * KIB, file: 384 * KIB },
    Product { name: "init.elf", code: 192 * KIB, file: 256 * KIB },
    Product { name: "virtio-rng.elf", code: 80 * KIB, file: 112 * KIB },
    Product { name: "capos-wasm.elf", code: 1792 * KIB, file: 2304 * KIB },
];

/// Checks every budget.
pub(crate) fn check(repository: &Repository, _: bool) -> Verdict {
    let mut complaints = Vec::new();
    let lines = rust_sources(repository, &mut complaints);
    let makefile = repository.text("Makefile").unwrap_or_default().lines().count();
    if makefile >= MAXIMUM_MAKEFILE_LINES {
        complaints.push(format!("Makefile: {makefile} lines; it stays under {MAXIMUM_MAKEFILE_LINES}"));
    }
    let mut note = format!("{lines} lines of Rust");
    for product in PRODUCTS {
        match sizes_of(repository, product) {
            None => note.push_str(&format!(", {} not built", product.name)),
            Some((code, file)) => {
                note.push_str(&format!(", {} {} KiB", product.name, code / KIB));
                complaints.extend(over_budget(product, code, file));
            }
        }
    }
    if complaints.is_empty() { Ok(note) } else { Err(complaints) }
}

/// Checks files and functions; the number of lines of all files.
fn rust_sources(repository: &Repository, complaints: &mut Vec<String>) -> usize {
    let mut total = 0;
    for file in repository.with_ending(".rs") {
        let Some(text) = repository.text(file) else { continue };
        let lines = text.lines().count();
        total += lines;
        if source::is_generated(&text) {
            continue;
        }
        if lines > MAXIMUM_FILE_LINES {
            complaints.push(format!("{file}: {lines} lines; {MAXIMUM_FILE_LINES} is the most"));
        }
        let long = |function: &source::Function| function.lines > MAXIMUM_FUNCTION_LINES;
        for function in source::functions(&source::blank(&text)).into_iter().filter(long) {
            complaints.push(format!(
                "{file}:{}: {} takes {} lines; {MAXIMUM_FUNCTION_LINES} is the most",
                function.line, function.name, function.lines
            ));
        }
    }
    total
}

/// Bytes of code and of file; `None` if it has not been built.
fn sizes_of(repository: &Repository, product: &Product) -> Option<(u64, u64)> {
    let bytes = std::fs::read(repository.root().join("target/capos/lib/capos").join(product.name)).ok()?;
    Some((elf::code_bytes(&bytes).unwrap_or(u64::MAX), u64::try_from(bytes.len()).ok()?))
}

fn over_budget(product: &Product, code: u64, file: u64) -> Vec<String> {
    let mut complaints = Vec::new();
    for (what, bytes, budget) in [("code", code, product.code), ("file", file, product.file)] {
        if bytes > budget {
            complaints.push(format!("{}: {bytes} bytes of {what}; its budget is {budget}", product.name));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_budget_counts_by_itself() {
        let product = Product { name: "x", code: 10, file: 20 };
        assert!(over_budget(&product, 10, 20).is_empty());
        assert_eq!(over_budget(&product, 11, 20), ["x: 11 bytes of code; its budget is 10"]);
        assert_eq!(over_budget(&product, 11, 21).len(), 2);
    }
}
