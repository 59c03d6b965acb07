//! From a CUE file to a checked system.
//!
//! Called by the host command for `build`, `check` and `run MANIFEST.cue`; calls `capos-manifest` and `resolve`.
//!
//! Invariant: an answer of the tool is either a document with positions or refusals; anything else is the tool's failure and
//! is said to be that.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::document::Document;
use crate::library::Library;
use crate::refusal::{Position, Refusal, Refusals};
use crate::resolve::{Positions, resolve};
use crate::system::Package;

/// What `capos-manifest` prints.
#[derive(Deserialize)]
struct Answer {
    value: Option<Document>,
    #[serde(default)]
    positions: HashMap<String, String>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    file: String,
    line: u32,
    column: u32,
    path: String,
    message: String,
    accepted: String,
}

/// Reads, evaluates and checks a manifest.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(library: &Library, manifest: &Path) -> Result<Package, Refusals> {
    let (document, positions) = evaluate(library, manifest)?;
    let folder = manifest.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    resolve(&document, &positions, folder, None, library)
}

/// Evaluates a manifest and checks it against the schema, no more.
pub(crate) fn evaluate(library: &Library, manifest: &Path) -> Result<(Document, Positions), Refusals> {
    let file = manifest.to_str().ok_or_else(|| {
        Refusal::general(format!("{}: the path of a manifest has to be UTF-8", manifest.display()))
    })?;
    // A path that starts with "-" would be an option.
    let argument = if file.starts_with('-') { format!("./{file}") } else { file.to_owned() };
    let tool = library.manifest_tool();
    let output = Command::new(&tool)
        .arg(argument)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|error| Refusal::general(format!("{}: cannot be started: {error}", tool.display())))?;
    let answer: Answer = serde_json::from_slice(&output.stdout)
        .map_err(|error| Refusal::general(format!("{}: answers nonsense: {error}", tool.display())))?;
    if !answer.errors.is_empty() {
        return Err(Refusals(answer.errors.into_iter().map(Refusal::from).collect()));
    }
    let document = answer.value.ok_or_else(|| {
        Refusal::general(format!("{}: answers neither a system nor errors", tool.display()))
    })?;
    let positions = answer.positions.iter().filter_map(|(path, text)| Some((path.clone(), position(text)?)));
    Ok((document, Positions::new(file, positions.collect())))
}

/// Reads `file:line:column`, where the file may have colons.
fn position(text: &str) -> Option<Position> {
    let mut parts = text.rsplitn(3, ':');
    let (column, line) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    Some(Position { file: parts.next()?.to_owned(), line, column })
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        // A problem of the file as a whole has no line.
        let position = Position { file: problem.file, line: problem.line, column: problem.column };
        Refusal {
            position: Some(position),
            path: problem.path,
            message: problem.message,
            accepted: problem.accepted,
        }
    }
}
