//! The sessions in README and book: each command is run, and what it prints is compared with what the document shows.
//!
//! Called by `main` as `capos-test documents`, and so by the step of that name. A session is a code block marked
//! `console`; a line that begins with `$ ` is a command for bash, the lines after it are what it prints on both streams.
//! A line `...` stands for any lines. An HTML comment `<!-- file: NAME` with lines up to `-->` is a file that the sessions
//! of its document find in their folder; so is a code block whose info string ends in `file=NAME`.
//!
//! Invariant: a document that says that it has sessions and has none fails, so nothing is left out in silence.

use crate::count::Count;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The documents with sessions.
const DOCUMENTS: [&str; 3] = ["README.md", "docs/book/debugging.md", "docs/book/manifest.md"];

/// A command and what it prints.
#[derive(Debug, PartialEq, Eq)]
struct Exchange {
    line: usize,
    command: String,
    output: Vec<String>,
}

/// What a document asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Session {
    files: Vec<(String, String)>,
    exchanges: Vec<Exchange>,
}

/// Runs the sessions of every document; prints what differs.
pub(crate) fn run(root: &Path) -> Result<Count, String> {
    let mut total = Count::default();
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).map_err(|error| format!("{document}: {error}"))?;
        let session = parse(&text);
        if session.exchanges.is_empty() {
            return Err(format!("{document}: no code block is marked `console`"));
        }
        let folder = prepare(root, document, &session).map_err(|error| format!("{document}: {error}"))?;
        for exchange in &session.exchanges {
            let is_right = play(root, &folder, document, exchange)?;
            total = total + Count { passed: u64::from(is_right), failed: u64::from(!is_right) };
        }
    }
    Ok(total)
}

fn parse(text: &str) -> Session {
    let mut session = Session::default();
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        if let Some((name, end)) = file_of(line) {
            let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != end);
            let body: String = body.flat_map(|line| [line, "\n"]).collect();
            session.files.push((name.to_owned(), body));
        } else if line == "```console" {
            for (number, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
                if let Some(command) = line.strip_prefix("$ ") {
                    let command = command.to_owned();
                    session.exchanges.push(Exchange { line: number + 1, command, output: Vec::new() });
                } else if let Some(last) = session.exchanges.last_mut() {
                    last.output.push(line.to_owned());
                }
            }
        }
    }
    session
}

/// The name of the file that begins after this line, and the line that ends it.
fn file_of(line: &str) -> Option<(&str, &'static str)> {
    let hidden = line.strip_prefix("<!-- file: ").map(|name| (name, "-->"));
    let shown = || line.strip_prefix("```")?.split_once(" file=").map(|(_, name)| (name, "```"));
    hidden.or_else(shown)
}

/// An empty folder with the document's files, from which the clone's manifests and products can be named.
fn prepare(root: &Path, document: &str, session: &Session) -> std::io::Result<PathBuf> {
    let folder = root.join("target/documents").join(document.replace('/', "-"));
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    for (name, text) in &session.files {
        fs::write(folder.join(name), text)?;
    }
    for name in ["manifests", "target"] {
        std::os::unix::fs::symlink(root.join(name), folder.join(name))?;
    }
    Ok(folder)
}

fn play(root: &Path, folder: &Path, document: &str, exchange: &Exchange) -> Result<bool, String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("timeout")
        .args(["120", "bash", "-c", &format!("exec 2>&1; {}", exchange.command)])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", root.join("target/debug").display()))
        .env("ACCEL", "tcg")
        .output()
        .map_err(|error| format!("bash: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = printed.lines().collect();
    let wanted: Vec<&str> = exchange.output.iter().map(String::as_str).collect();
    let is_right = matches(&wanted, &lines);
    if !is_right {
        println!("{document}:{}: $ {}", exchange.line, exchange.command);
        println!("  the document shows:\n    {}", wanted.join("\n    "));
        println!("  it prints:\n    {}", lines.join("\n    "));
    }
    Ok(is_right)
}

/// Whether the lines are those wanted, `...` for any number of them.
fn matches(wanted: &[&str], lines: &[&str]) -> bool {
    match wanted {
        [] => lines.is_empty(),
        ["...", rest @ ..] => (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..])),
        [first, rest @ ..] => lines.first() == Some(first) && matches(rest, &lines[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_found() {
        let text = "text\n<!-- file: a.txt\none\n-->\n```\n$ not this\n```\n```console\n$ cat a.txt\none\n$ true\n```\n";
        let session = parse(text);
        assert_eq!(session.files, [("a.txt".to_owned(), "one\n".to_owned())]);
        let exchange = |line, command: &str, output: &[&str]| {
            let output = output.iter().map(|line| (*line).to_owned()).collect();
            Exchange { line, command: command.to_owned(), output }
        };
        assert_eq!(session.exchanges, [exchange(9, "cat a.txt", &["one"]), exchange(11, "true", &[])]);
    }

    #[test]
    fn files_are_hidden_or_shown() {
        let session =
            parse("<!-- file: a.txt\none\n-->\n```text file=b.txt\ntwo\n```\n```text\nno file\n```\n");
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        assert_eq!(session.files, [file("a.txt", "one\n"), file("b.txt", "two\n")]);
    }

    #[test]
    fn dots_stand_for_any_lines() {
        assert!(matches(&["a", "...", "c"], &["a", "b", "b", "c"]));
        assert!(matches(&["...", "c"], &["c"]));
        assert!(matches(&["..."], &[]));
        assert!(!matches(&[], &["a"]));
        assert!(!matches(&["a", "...", "c"], &["a", "b"]));
    }
}
