//! The imports of a generated module of `capos-rt`.
//!
//! Called by `client` and `server` with the module's code.
//!
//! Invariant: what the code mentions is imported, and nothing else.

use std::fmt::Write;

use crate::model::Interface;

/// What `body` mentions: of the vocabulary, and of `wanted`, pairs of path and name.
pub(crate) fn imports(interfaces: &[Interface], body: &str, wanted: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for other in interfaces {
        let names = [other.name.clone()].into_iter();
        let enums = other.enums.iter().map(|enumeration| enumeration.name.clone());
        let nested = other.structures.iter().map(|structure| structure.name.clone());
        let messages = other
            .methods
            .iter()
            .flat_map(|method| [method.parameters.name.clone(), method.results.name.clone()]);
        let used: Vec<String> =
            names.chain(enums).chain(nested).chain(messages).filter(|name| mentions(body, name)).collect();
        if !used.is_empty() {
            let _ = writeln!(out, "use capos_schema::{}::{{{}}};", other.module, used.join(", "));
        }
    }
    for (path, name) in wanted {
        if mentions(body, name) {
            let _ = writeln!(out, "use {path}::{name};");
        }
    }
    out
}

/// True if the identifier occurs in the code.
fn mentions(body: &str, name: &str) -> bool {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    body.match_indices(name).any(|(at, _)| {
        let before = body[..at].chars().next_back();
        let after = body[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}
