//! One test per row of the Preview 1 table, and more where a row has more to say.
//!
//! The list of rows is expanded into a list of these functions: a row without a test does not compile.
#![forbid(unsafe_code)]

#[path = "../support/mod.rs"]
mod support;

mod absent;
mod clock;
mod fd;
mod others;
mod strings;

macro_rules! one_test_per_row {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ident = $state:ident $($area:ident::$function:ident)?;)+) => {
        /// The tests, by the names of the rows.
        mod rows {
            use super::absent::*;
            use super::clock::*;
            use super::fd::*;
            use super::others::*;
            use super::strings::*;

            pub(super) const TESTS: &[(&str, fn())] = &[$((stringify!($name), $name),)+];
        }
    };
}

capos_wasm::for_each_preview1_function!(one_test_per_row);

#[test]
fn the_table_has_46_rows() {
    assert_eq!(rows::TESTS.len(), 46);
    assert_eq!(capos_wasm::table::ROWS.len(), 46);
    let names = rows::TESTS.iter().map(|(name, _)| *name);
    assert!(names.eq(capos_wasm::table::ROWS.iter().map(|row| row.name)));
}

#[test]
fn the_coverage_page_is_current() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/coverage.md");
    let written = std::fs::read_to_string(page).unwrap_or_default();
    assert!(
        written == capos_wasm::table::coverage_page(),
        "docs/coverage.md is not what the table says: cargo run -p capos-wasm --example coverage > docs/coverage.md"
    );
}
