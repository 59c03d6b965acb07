//! The project speaks of itself alone: no paths of somebody's machine, no hosts but those listed here, nothing put off.
//!
//! Called by `main`; looks at every text file.

use crate::Verdict;
use crate::repository::Repository;

/// Hosts that a URL in this repository may name: the specifications it follows, the namespace of SVG, and the index that
/// Cargo records.
const HOSTS: &[&str] = &["cuelang.org", "github.com", "www.apache.org", "localhost", "www.w3.org"];

/// Files whose text is not ours.
const FOREIGN: &[&str] = &["LICENSE-APACHE", "Cargo.lock", "cli/notices.txt", "go.sum", ".patch"];

/// Looks at every text file.
pub(crate) fn check(repository: &Repository, _: bool) -> Verdict {
    let mut complaints = Vec::new();
    let mut files = 0;
    for file in repository.with_ending("") {
        if FOREIGN.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let Some(text) = repository.text(file) else { continue };
        files += 1;
        for (index, line) in text.lines().enumerate() {
            if let Some(found) = complaint(line) {
                complaints.push(format!("{file}:{}: {found}", index + 1));
            }
        }
    }
    if complaints.is_empty() { Ok(format!("{files} files")) } else { Err(complaints) }
}

/// What is wrong with a line, if anything.
fn complaint(line: &str) -> Option<String> {
    // Written in two halves, so that this file does not complain about itself.
    let put_off = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    if let Some(word) = put_off.iter().find(|word| contains_word(line, word)) {
        return Some(format!("\"{word}\": do it, or leave it out and list it in docs/caveats.md"));
    }
    let machine = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    if let Some(path) = machine.iter().find(|path| contains_path(line, path)) {
        return Some(format!("\"{path}\" is a path of one machine"));
    }
    let hosts = line.split("://").skip(1).map(|rest| {
        let end =
            rest.find(|character: char| !character.is_ascii_alphanumeric() && !"-.".contains(character));
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    });
    let is_unknown = |host: &&str| host.contains('.') && !HOSTS.contains(host);
    hosts
        .into_iter()
        .find(is_unknown)
        .map(|host| format!("the host {host} is not listed in tools/check/src/words.rs"))
}

/// Whether a path begins in a line: one that goes on from something before it is relative.
fn contains_path(line: &str, path: &str) -> bool {
    let begins = |at: usize| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|character| character.is_alphanumeric() || "._-".contains(character))
    };
    line.match_indices(path).any(|(at, _)| begins(at))
}

/// Whether a line contains a word that stands alone.
fn contains_word(line: &str, word: &str) -> bool {
    crate::source::words(line, word).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found() {
        assert!(complaint(concat!("// TO", "DO: more")).is_some_and(|text| text.contains("caveats")));
        assert!(complaint(concat!("open(/ho", "me/me/x)")).is_some_and(|text| text.contains("one machine")));
        assert!(
            complaint(concat!("see https:", "//example.org/page"))
                .is_some_and(|text| text.contains("example.org"))
        );
    }

    #[test]
    fn ordinary_lines_pass() {
        for line in [
            "see https://github.com/WebAssembly/WASI",
            "AUTODOC",
            "--dir ./data::/data",
            "a://b",
            concat!("../wo", "rk/x"),
        ] {
            assert_eq!(complaint(line), None, "{line}");
        }
    }
}
