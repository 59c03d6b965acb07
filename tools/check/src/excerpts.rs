//! Program text in documents: each Rust block is text of a file that is compiled and run.
//!
//! Called by `main`. The line above a block names the file: `<!-- from: PATH -->`, from the repository's root.
//!
//! Invariant: a block that names no file, or differs from it by more than indentation, is refused.

use crate::Verdict;
use crate::repository::Repository;

/// Compares every Rust block of every Markdown file with its file.
pub(crate) fn excerpts(repository: &Repository, _: bool) -> Verdict {
    let mut complaints = Vec::new();
    let mut count = 0;
    for file in repository.with_ending(".md") {
        let Some(text) = repository.text(file) else { continue };
        for block in blocks(&text) {
            count += 1;
            let source = block.source.and_then(|source| repository.text(source));
            let complaint = match (block.source, source) {
                (None, _) => "a block of Rust without `<!-- from: FILE -->` above it",
                (Some(_), None) => "the file that it is from is not there",
                (Some(_), Some(source)) if !contains(&source, &block.body) => {
                    "the block is not in the file that it is from"
                }
                _ => continue,
            };
            complaints.push(format!("{file}:{}: {complaint}", block.line));
        }
    }
    if complaints.is_empty() { Ok(format!("{count} blocks")) } else { Err(complaints) }
}

struct Block<'t> {
    line: usize,
    source: Option<&'t str>,
    body: Vec<&'t str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut previous = "";
    while let Some((index, line)) = lines.next() {
        if line == "```rust" {
            let source = previous.strip_prefix("<!-- from: ").and_then(|rest| rest.strip_suffix(" -->"));
            let body =
                lines.by_ref().map(|(_, line)| line.trim()).take_while(|line| *line != "```").collect();
            found.push(Block { line: index + 1, source, body });
        }
        previous = line;
    }
    found
}

/// True if the lines stand in `source` one after another, whatever their indentation.
fn contains(source: &str, body: &[&str]) -> bool {
    let source: Vec<&str> = source.lines().map(str::trim).collect();
    !body.is_empty() && source.windows(body.len()).any(|window| window == body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_compared_with_its_file() {
        let found =
            blocks("<!-- from: a.rs -->\n```rust\none\n  two\n```\n```rust\nthree\n```\n```text\nx\n```\n");
        let told: Vec<_> = found.iter().map(|block| (block.line, block.source, block.body.len())).collect();
        assert_eq!(told, [(2, Some("a.rs"), 2), (6, None, 1)]);
        assert!(contains("zero\n    one\n    two\n", &found[0].body));
        assert!(!contains("one\nzero\ntwo\n", &found[0].body));
    }
}
