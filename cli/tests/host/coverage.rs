//! What has no test here is found: every verb, option, value, exit status and text of the command.
//!
//! Reads clap's description of the command line, the enums of ends, and the sources of the command and of its tests.
//!
//! Invariant: a new option, status or text without a test that names it fails; so does an exemption that is none.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use capos_abi::outcome::OutcomeKind;
use capos_cli::options::Options;
use capos_cli::outcome::{Ending, MachineOutcome};
use clap::CommandFactory;

/// Texts that no test can bring about, with the reason.
const EXEMPT: [(&str, &str); 12] = [
    ("the path of the capos command cannot be found", "only without /proc, where nothing works"),
    ("nothing can be written", "a file that takes no byte and tells no error: Linux has none"),
    ("the parent-death signal cannot be set", "Linux refuses it to nobody"),
    ("QEMU's end cannot be watched (pidfd_open", "a kernel older than 5.3"),
    ("a thread cannot be started", "a limit of processes does not hold for root, as whom tests may run"),
    (
        "a file in memory cannot be made",
        "other descriptors are lacking first; a host without memory ends the test, too",
    ),
    ("the boot image in memory", "a host without memory ends the test, too"),
    ("in an unknown way", "a process ends with a status or by a signal"),
    ("capos: internal: this is a bug in capos, please report it", "there is no known one"),
    ("for no reason that it tells", "there is no known bug"),
    ("making the boot image", "takes 2 s of some hundreds of mebibytes only"),
    ("verifying the boot image", "takes 2 s of some hundreds of mebibytes only"),
];

/// The string literals of a source: what a test or a message says.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '\'', '/', 'r']) {
        let before = rest[..at].chars().next_back();
        rest = &rest[at..];
        let is_after_word = before.is_some_and(|it| it.is_alphanumeric() || it == '_');
        let hashes = rest[1..].chars().take_while(|it| *it == '#').count();
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with('r') && !is_after_word && rest[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let text = &rest[2 + hashes..];
            let length = text.find(&end).unwrap_or(text.len());
            found.push(text[..length].to_owned());
            rest = &text[(length + end.len()).min(text.len())..];
        } else if rest.starts_with('"') {
            let (text, length) = quoted(&rest[1..]);
            found.push(text);
            rest = &rest[1 + length..];
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\") {
            rest = &rest[rest[2..].find('\'').map_or(1, |it| it + 3)..];
        } else {
            rest = &rest[1..];
        }
    }
    found
}

/// The text up to the closing quote, without escapes, and how many bytes that took.
fn quoted(source: &str) -> (String, usize) {
    let mut text = String::new();
    let mut letters = source.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (text, at + 1),
            '\\' => match letters.next().map(|it| it.1) {
                Some('\n') => while letters.next_if(|it| it.1.is_whitespace()).is_some() {},
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    (text, source.len())
}

/// The longest piece between placeholders, with single spaces.
fn longest_piece(literal: &str) -> String {
    let mut pieces = vec![String::new()];
    let mut depth = 0;
    for letter in literal.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => pieces.last_mut().unwrap().push(letter),
            _ if pieces.last().is_some_and(|it| !it.is_empty()) => pieces.push(String::new()),
            _ => {}
        }
        if depth == 1 && letter == '{' && !pieces.last().unwrap().is_empty() {
            pieces.push(String::new());
        }
    }
    let pieces = pieces.iter().map(|piece| spaced(piece.trim_matches([':', ';', ',', '"', ')', ' '])));
    pieces.max_by_key(String::len).unwrap_or_default()
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
    found
}

/// What the sources of the command say, file by file, and everything that its tests say.
fn texts() -> (Vec<(String, Vec<String>)>, String) {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut said, mut tested) = (Vec::new(), Vec::new());
    for path in sources(&package.join("src")) {
        let source = fs::read_to_string(&path).unwrap();
        let end = source
            .find("#[cfg(test)]\nmod tests")
            .or_else(|| source.find("#[cfg(test)]\npub(super) mod tests"));
        let (code, tests) = source.split_at(end.unwrap_or(source.len()));
        said.push((path.strip_prefix(package).unwrap().display().to_string(), literals(code)));
        tested.extend(literals(tests));
    }
    for path in sources(&package.join("tests/host")) {
        if !path.ends_with("coverage.rs") {
            tested.extend(literals(&fs::read_to_string(path).unwrap()));
        }
    }
    (said, tested.iter().map(|text| spaced(text)).collect::<Vec<_>>().join("\n"))
}

/// True for what people read: a few words, and no path, option of QEMU's, or name of a variable.
fn is_for_people(piece: &str) -> bool {
    let words = piece.split(' ').filter(|word| word.chars().filter(|it| it.is_alphabetic()).count() > 1);
    words.count() >= 3 && !piece.starts_with('-')
}

#[test]
fn every_text_is_in_a_test() {
    let (said, tested) = texts();
    let mut used = BTreeSet::new();
    let mut missing = Vec::new();
    for (file, texts) in &said {
        // Help is printed whole, and looked at there.
        for text in texts.iter().filter(|_| !file.starts_with("src/options")) {
            let piece = longest_piece(text);
            if !is_for_people(&piece) || tested.contains(&piece) {
                continue;
            }
            match EXEMPT.iter().find(|(exempt, _)| *exempt == piece) {
                Some((exempt, _)) => _ = used.insert(*exempt),
                None => missing.push(format!("{file}: {piece}")),
            }
        }
    }
    assert!(missing.is_empty(), "no test has these texts:\n{}", missing.join("\n"));
    let idle: Vec<_> = EXEMPT.iter().filter(|(exempt, _)| !used.contains(exempt)).collect();
    assert!(idle.is_empty(), "these need no exemption: {idle:?}");
}

#[test]
fn every_verb_option_and_value_is_in_a_test() {
    let (_, tested) = texts();
    let words: BTreeSet<&str> = tested.split([' ', '\n', '=', ',']).collect();
    let command = Options::command();
    let mut missing = Vec::new();
    for part in command.get_subcommands().chain([&command]) {
        let mut names = vec![part.get_name().to_owned()];
        for option in part.get_arguments() {
            names.extend(option.get_long().map(|name| format!("--{name}")));
            names.extend(option.get_all_aliases().unwrap_or_default().iter().map(|name| format!("--{name}")));
            if option.get_action().takes_values() {
                names.extend(option.get_possible_values().iter().map(|value| value.get_name().to_owned()));
            }
        }
        missing.extend(names.into_iter().filter(|name| !words.contains(name.as_str())));
    }
    assert!(missing.is_empty(), "no test uses {missing:?}");
}

#[test]
fn every_option_explains_itself() {
    let command = Options::command();
    for part in command.get_subcommands().chain([&command]) {
        let verb = part.get_name();
        assert!(part.get_about().is_some() && part.get_after_help().is_some(), "{verb} has no help");
        for option in part.get_arguments().filter(|option| !option.is_positional()) {
            assert!(option.get_help().is_some(), "{verb} {option} has no help");
        }
    }
}

/// A test for each exit status: where it is, and what it is called.
const STATUSES: [(u8, &str, &str); 17] = [
    (0, "endings.rs", "outcomes_become_statuses_and_lines"),
    (1, "refusals.rs", "usage_of_the_other_verbs"),
    (2, "refusals.rs", "usage_of_the_other_verbs"),
    (7, "endings.rs", "outcomes_become_statuses_and_lines"),
    (125, "endings.rs", "outcomes_become_statuses_and_lines"),
    (126, "endings.rs", "outcomes_become_statuses_and_lines"),
    (127, "endings.rs", "outcomes_become_statuses_and_lines"),
    (129, "streams.rs", "signals_end_the_run_even_while_nobody_reads"),
    (130, "streams.rs", "signals_end_the_run_even_while_nobody_reads"),
    (131, "streams.rs", "signals_end_the_run_even_while_nobody_reads"),
    (134, "endings.rs", "outcomes_become_statuses_and_lines"),
    (137, "endings.rs", "outcomes_become_statuses_and_lines"),
    (141, "streams.rs", "a_closed_pipe_ends_the_run"),
    (142, "endings.rs", "outcomes_become_statuses_and_lines"),
    (143, "streams.rs", "signals_end_the_run_even_while_nobody_reads"),
    (152, "endings.rs", "outcomes_become_statuses_and_lines"),
    (153, "endings.rs", "outcomes_become_statuses_and_lines"),
];

/// One of each end; a new one does not compile without a place here.
fn endings() -> Vec<Ending> {
    let machine = |kind, code| {
        let outcome = MachineOutcome { kind, code, process: String::new(), report: String::new() };
        Ending::Machine { outcome, is_instance: true, log: None }
    };
    let kinds = (0..=u16::MAX).filter_map(OutcomeKind::from_number);
    let mut all: Vec<Ending> = kinds.map(|kind| machine(kind, 0)).collect();
    all.extend([7, 125, 126].map(|code| machine(OutcomeKind::Exited, code)));
    all.extend([1, 2, 3, 15].map(Ending::Signal));
    all.extend([
        Ending::Refused(String::new()),
        Ending::Failed(String::new()),
        Ending::KernelFailed { reason: String::new(), calls: Vec::new(), absence: None },
        Ending::Deadline,
        Ending::Unread,
        Ending::OutputClosed,
        Ending::OutputFailed(String::new()),
    ]);
    let is_known = |ending: &Ending| match ending {
        Ending::Machine { .. } | Ending::Refused(_) | Ending::Failed(_) | Ending::KernelFailed { .. } => true,
        Ending::Deadline | Ending::Unread | Ending::Signal(_) => true,
        Ending::OutputClosed | Ending::OutputFailed(_) => true,
    };
    assert!(all.iter().all(is_known));
    all
}

#[test]
fn every_exit_status_has_a_test_and_a_line_in_the_help() {
    let possible: BTreeSet<u8> = endings().iter().map(Ending::status).chain([0, 1, 2]).collect();
    let tested: BTreeSet<u8> = STATUSES.iter().map(|(status, ..)| *status).collect();
    assert_eq!(possible, tested);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/host");
    for (status, file, name) in STATUSES {
        let source = fs::read_to_string(folder.join(file)).unwrap();
        let body =
            source.split(&format!("fn {name}(")).nth(1).unwrap_or_else(|| panic!("{file} has no {name}"));
        let body = body.split("\n}\n").next().unwrap();
        let has_it = body.split(|it: char| !it.is_ascii_digit()).any(|word| word == status.to_string());
        assert!(has_it, "{name} says nothing of {status}");
    }
    let mut command = Options::command();
    let help = command.find_subcommand_mut("run").unwrap().render_help().to_string();
    for status in possible.into_iter().filter(|status| *status > 125) {
        assert!(help.contains(&format!("{status} ")), "the help says nothing of {status}");
    }
}

#[test]
fn texts_are_found_in_sources() {
    let source = "let a = \"one \\\"two\\\" {x}\"; // \"no\"\nlet b = '\"'; let c = r#\"raw \"text\"\"#; f(\"a \\\n   b\")";
    assert_eq!(literals(source), ["one \"two\" {x}", "raw \"text\"", "a b"]);
    assert_eq!(longest_piece("{}: the longest of {them}, is it"), "the longest of");
}
