//! Where unsafe code may be, and what every crate root and every module must say.
//!
//! Called by `main`. The places are the hardware layer, the runtime's `sys` folder and the boot stage; every crate root
//! outside them forbids unsafe code, so the compiler holds what this check counts.

use crate::Verdict;
use crate::repository::{Repository, is_vendored, list_of, text_of};
use crate::source;
use std::collections::BTreeMap;
use std::path::Path;

/// Where unsafe code may be, and the number of times that the word may occur in the code there. The file is the entry
/// macro's: its `#[unsafe(no_mangle)]` names the one symbol that the runtime's start calls.
const PLACES: &[(&str, usize)] =
    &[("kernel/hal/", 210), ("capos-rt/src/sys/", 120), ("capos-rt/src/process.rs", 1), ("boot/", 32)];

/// Crates in which one folder is a place: their roots deny unsafe code where the others forbid it.
const PARTLY: &[&str] = &["capos-rt/src/lib.rs"];

/// Counts `unsafe` by folder.
pub(crate) fn unsafe_code(repository: &Repository, _: bool) -> Verdict {
    let mut complaints = Vec::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for file in repository.with_ending(".rs") {
        let code = source::blank(&repository.text(file).unwrap_or_default());
        let found: Vec<usize> = source::words(&code, "unsafe").map(|at| source::line_of(&code, at)).collect();
        match PLACES.iter().find(|(place, _)| file.starts_with(place)) {
            Some((place, _)) => *counts.entry(place).or_default() += found.len(),
            None => complaints
                .extend(found.iter().map(|line| format!("{file}:{line}: unsafe outside its places"))),
        }
    }
    for (place, budget) in PLACES {
        let count = counts.get(place).copied().unwrap_or_default();
        if count > *budget {
            complaints.push(format!("{place}: unsafe occurs {count} times; {budget} is the most"));
        }
    }
    let note: Vec<String> = counts.iter().map(|(place, count)| format!("{place} {count}")).collect();
    if complaints.is_empty() { Ok(note.join(", ")) } else { Err(complaints) }
}

/// Checks the first lines of every module and of every crate root.
pub(crate) fn roots(repository: &Repository, _: bool) -> Verdict {
    let metadata = repository.metadata().map_err(|complaint| vec![complaint])?;
    let mut complaints = Vec::new();
    let mut count = 0;
    for package in list_of(metadata, "packages") {
        if !package.get("source").is_none_or(serde_json::Value::is_null) {
            continue;
        }
        for target in list_of(package, "targets") {
            let path = Path::new(text_of(target, "src_path"));
            let file = path.strip_prefix(repository.root()).unwrap_or(path).to_string_lossy().into_owned();
            if is_vendored(&file) {
                continue;
            }
            count += 1;
            let text = repository.text(&file).unwrap_or_default();
            complaints.extend(missing_attribute(&file, &text));
        }
    }
    for file in repository.with_ending(".rs") {
        let text = repository.text(file).unwrap_or_default();
        if !source::is_generated(&text) && !text.lines().take(12).any(|line| line.starts_with("//!")) {
            complaints
                .push(format!("{file}: does not open with //! (its role, callers, callees, invariant)"));
        }
    }
    if complaints.is_empty() { Ok(format!("{count} crate roots")) } else { Err(complaints) }
}

/// What a crate root should say about unsafe code and does not.
fn missing_attribute(file: &str, text: &str) -> Option<String> {
    if PLACES.iter().any(|(place, _)| file.starts_with(place)) {
        return None;
    }
    let wanted = if PARTLY.contains(&file) { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
    (!source::blank(text).contains(wanted)).then(|| format!("{file}: {wanted} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_outside_the_places_forbids() {
        assert_eq!(missing_attribute("kernel/hal/src/lib.rs", ""), None);
        assert_eq!(missing_attribute("cli/src/main.rs", "#![forbid(unsafe_code)]"), None);
        assert!(missing_attribute("cli/src/main.rs", "// #![forbid(unsafe_code)]").is_some());
        assert!(missing_attribute("capos-rt/src/lib.rs", "#![forbid(unsafe_code)]").is_some());
    }
}
