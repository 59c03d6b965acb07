//! The sessions in README and book: each command is run, and what it prints is compared with what the document shows.
//!
//! Called by `main` as `capos-test documents`, and so by the step of that name. A session is a code block marked
//! `console`; a line that begins with `$ ` is a command for bash, the lines after it are what it prints on both streams.
//! A line `...` stands for any lines. An HTML comment `<!-- file: NAME` with lines up to `-->` is a file that the sessions
//! of its document find in their folder; so is a code block whose info string ends in `file=NAME`. A session under the
//! line `<!-- not run: REASON -->` is printed as skipped.
//!
//! Invariant: nothing is left out in silence: every block says what it is, and a command is in a session or is refused.

use crate::count::Count;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a block may be that is no session: languages, and text that nobody runs.
const NO_SESSION: [&str; 6] = ["c", "cue", "rust", "text", "toml", "wat"];

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
    /// Lines of sessions that are not run, and why.
    skipped: Vec<(usize, String)>,
}

/// Runs the sessions of every document; prints what differs.
pub(crate) fn run(root: &Path) -> Result<Count, String> {
    let mut total = Count::default();
    for document in &documents(root)? {
        let text = fs::read_to_string(root.join(document)).map_err(|error| format!("{document}: {error}"))?;
        let session = parse(&text).map_err(|problem| format!("{document}:{problem}"))?;
        for (line, reason) in &session.skipped {
            println!("skip  {document}:{line}: {reason}");
        }
        let folder = prepare(root, document, &session).map_err(|error| format!("{document}: {error}"))?;
        for exchange in &session.exchanges {
            let is_right = play(root, &folder, document, exchange)?;
            total = total + Count { passed: u64::from(is_right), failed: u64::from(!is_right) };
        }
    }
    Ok(total)
}

/// The README and the chapters of the book, from the root.
fn documents(root: &Path) -> Result<Vec<String>, String> {
    const BOOK: &str = "docs/book";
    let told = |error: std::io::Error| format!("{BOOK}: {error}");
    let mut names = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root.join(BOOK)).map_err(told)? {
        let name = entry.map_err(told)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".md") {
            names.push(format!("{BOOK}/{name}"));
        }
    }
    names.sort();
    Ok(names)
}

fn parse(text: &str) -> Result<Session, String> {
    let mut session = Session::default();
    let mut lines = text.lines().enumerate();
    let mut previous = "";
    while let Some((number, line)) = lines.next() {
        if let Some((name, end)) = file_of(line) {
            let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != end);
            let body: String = body.flat_map(|line| [line, "\n"]).collect();
            session.files.push((name.to_owned(), body));
        } else if let Some(kind) = line.strip_prefix("```") {
            let body: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
            let reason = previous.strip_prefix("<!-- not run: ").and_then(|rest| rest.strip_suffix(" -->"));
            match (kind, reason) {
                ("console", Some(reason)) => session.skipped.push((number + 1, reason.to_owned())),
                ("console", None) => session.exchanges.extend(exchanges(&body)?),
                _ => no_commands(number + 1, kind, &body)?,
            }
        }
        previous = line;
    }
    Ok(session)
}

/// The commands of a session with what they print.
fn exchanges(body: &[(usize, &str)]) -> Result<Vec<Exchange>, String> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for (number, line) in body {
        let line_number = number + 1;
        match (line.strip_prefix("$ "), exchanges.last_mut()) {
            (Some(command), _) => {
                exchanges.push(Exchange {
                    line: line_number,
                    command: command.to_owned(),
                    output: Vec::new(),
                });
            }
            (None, Some(last)) => last.output.push((*line).to_owned()),
            (None, None) => return Err(format!("{line_number}: a session begins with `$ ` and a command")),
        }
    }
    Ok(exchanges)
}

/// Refuses a block that may be a session and does not say so.
fn no_commands(line: usize, kind: &str, body: &[(usize, &str)]) -> Result<(), String> {
    if !NO_SESSION.contains(&kind.split(' ').next().unwrap_or_default()) {
        let known = NO_SESSION.join(", ");
        return Err(format!("{line}: a block is `console` or one of {known}, not \"{kind}\""));
    }
    match body.iter().find(|(_, line)| line.starts_with("$ ")) {
        Some((number, _)) => Err(format!("{}: a command outside a block marked `console`", number + 1)),
        None => Ok(()),
    }
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
        let text = "text\n<!-- file: a.txt\none\n-->\n<!-- not run: why -->\n```console\n$ no\n```\n```console\n$ cat a.txt\none\n$ true\n```\n";
        let session = parse(text).unwrap();
        assert_eq!(session.files, [("a.txt".to_owned(), "one\n".to_owned())]);
        let exchange = |line, command: &str, output: &[&str]| {
            let output = output.iter().map(|line| (*line).to_owned()).collect();
            Exchange { line, command: command.to_owned(), output }
        };
        assert_eq!(session.exchanges, [exchange(10, "cat a.txt", &["one"]), exchange(12, "true", &[])]);
        assert_eq!(session.skipped, [(6, "why".to_owned())]);
    }

    #[test]
    fn a_command_that_would_not_be_run_is_refused() {
        let refusal = |text: &str| parse(text).map(|_| String::new()).unwrap_or_else(|told| told);
        assert!(refusal("```\nmake test\n```\n").starts_with("1: a block is `console` or one of"));
        assert_eq!(refusal("\n```text\nwords\n$ ls\n```\n"), "4: a command outside a block marked `console`");
        assert_eq!(refusal("```console\nls\n```\n"), "2: a session begins with `$ ` and a command");
        assert_eq!(refusal("```cue\na: 1\n```\n"), "");
    }

    #[test]
    fn a_wrong_output_fails() {
        let folder = std::env::temp_dir();
        let exchange = |command: &str, output: &[&str]| Exchange {
            line: 1,
            command: command.to_owned(),
            output: output.iter().map(|line| (*line).to_owned()).collect(),
        };
        let is_right = |it: &Exchange| play(&folder, &folder, "a document", it).unwrap();
        assert!(is_right(&exchange("echo one; echo two >&2", &["one", "two"])));
        assert!(!is_right(&exchange("echo one", &["two"])));
        assert!(!is_right(&exchange("echo one", &[])));
        assert!(!is_right(&exchange("true", &["one"])));
    }

    #[test]
    fn files_are_hidden_or_shown() {
        let text = "<!-- file: a.txt\none\n-->\n```text file=b.txt\ntwo\n```\n```text\nno file\n```\n";
        let session = parse(text).unwrap();
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
