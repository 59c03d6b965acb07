//! Prints `docs/coverage.md` from the table of Preview 1 functions.
#![forbid(unsafe_code)]

fn main() {
    print!("{}", capos_wasm::table::coverage_page());
}
