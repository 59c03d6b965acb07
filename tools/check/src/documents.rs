//! Links in documents: each leads to a file that exists, and to a heading or a test that is in it.
//!
//! Called by `main`. A link whose text is `` `name` `` and whose target is a source file promises that the file has that
//! name; the tables of `docs/spec/` hold each promise against its test this way.

use crate::Verdict;
use crate::repository::Repository;
use std::path::{Component, Path, PathBuf};

/// Follows every link of every Markdown file.
pub(crate) fn links(repository: &Repository, _: bool) -> Verdict {
    let mut complaints = Vec::new();
    let mut count = 0;
    for file in repository.with_ending(".md") {
        let Some(text) = repository.text(file) else { continue };
        for (line, link) in links_of(&text) {
            count += 1;
            if let Some(found) = complaint(repository, file, &link) {
                complaints.push(format!("{file}:{line}: {found}"));
            }
        }
    }
    if complaints.is_empty() { Ok(format!("{count} links")) } else { Err(complaints) }
}

/// A link as it is written.
struct Link {
    text: String,
    target: String,
}

/// The links outside code blocks, with their line numbers.
fn links_of(document: &str) -> Vec<(usize, Link)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in document.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let mut rest = if in_code { "" } else { line };
        while let Some((before, after)) = rest.split_once("](") {
            let text = before.rsplit('[').next().unwrap_or_default().to_owned();
            let Some((target, after)) = after.split_once(')') else { break };
            found.push((index + 1, Link { text, target: target.to_owned() }));
            rest = after;
        }
    }
    found
}

fn complaint(repository: &Repository, file: &str, link: &Link) -> Option<String> {
    if link.target.contains("://") {
        return None;
    }
    let (path, anchor) = link.target.split_once('#').unwrap_or((&link.target, ""));
    let target = if path.is_empty() { PathBuf::from(file) } else { resolve(file, path) };
    if !repository.root().join(&target).exists() {
        return Some(format!("{} does not exist", target.display()));
    }
    let text = repository.text(&target.to_string_lossy()).unwrap_or_default();
    if !anchor.is_empty() && !text.lines().any(|line| anchor_of(line).as_deref() == Some(anchor)) {
        return Some(format!("{} has no heading #{anchor}", target.display()));
    }
    let name = link.text.strip_prefix('`').and_then(|text| text.strip_suffix('`'));
    let is_source = target.extension().is_some_and(|ending| ending == "rs" || ending == "go");
    match name.map(|name| name.rsplit("::").next().unwrap_or(name)) {
        Some(name) if is_source && !name.contains('/') && !text.contains(name) => {
            Some(format!("{} has nothing called {name}", target.display()))
        }
        _ => None,
    }
}

/// A path relative to a document, as a path from the root.
fn resolve(document: &str, path: &str) -> PathBuf {
    let mut resolved = Path::new(document).parent().unwrap_or(Path::new("")).to_path_buf();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(resolved.pop()),
            Component::Normal(name) => resolved.push(name),
            _ => {}
        }
    }
    resolved
}

/// The anchor that a heading gets: lower case, words joined by hyphens, punctuation dropped.
fn anchor_of(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept =
        title.trim().chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    Some(kept.map(|character| if character == ' ' { '-' } else { character.to_ascii_lowercase() }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_in_code_blocks_are_text() {
        let found = links_of("[a](b) and [c](d#e)\n```\n[f](g)\n```\n");
        let targets: Vec<_> = found.iter().map(|(line, link)| (*line, link.target.as_str())).collect();
        assert_eq!(targets, [(1, "b"), (1, "d#e")]);
    }

    #[test]
    fn anchors_follow_headings() {
        assert_eq!(
            anchor_of("## How to add a `demo`, quickly").as_deref(),
            Some("how-to-add-a-demo-quickly")
        );
        assert_eq!(anchor_of("text"), None);
    }

    #[test]
    fn paths_are_relative_to_the_document() {
        assert_eq!(resolve("docs/book/rings.md", "../spec/rings.md"), Path::new("docs/spec/rings.md"));
    }
}
