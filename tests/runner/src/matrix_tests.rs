//! Tests of `matrix`: what decides about a cell, and what is refused.

use super::*;

const AXES: &str = "[axes]\nsuite = ['one', 'two']\nmachine = ['microvm', 'q35']\nprocessors = [1]\n\
    mode = ['plain', 'icount']\naccelerator = ['tcg']\nbuild = ['release']\n";
const TESTS: &str = "[tests]\none = { plain = 3, icount = 4 }\ntwo = { plain = 1, icount = 1 }\n";
const ROWS: &str = "[[row]]\nsuite = ['two']\nmode = ['icount']\nrun = 'never'\nreason = 'no clock'\n\
    [[row]]\nmachine = ['microvm']\nrun = 'test'\n\
    [[row]]\nrun = 'all'\nreason = 'long'\n";

fn parse(text: &str) -> Result<Matrix, String> {
    Matrix::parse(text, &["one", "two"].map(str::to_owned).into())
}

fn refusal(text: &str) -> String {
    parse(text).map(|_| String::new()).unwrap_or_else(|told| told)
}

#[test]
fn every_cell_is_there_and_the_first_row_decides() {
    let matrix = parse(&[AXES, TESTS, ROWS].concat()).unwrap();
    let decided: Vec<(String, When)> =
        matrix.cells.iter().map(|(cell, decision)| (cell.to_string(), decision.when)).collect();
    let expected = [
        ("one-microvm-1-plain-tcg-release", When::Test),
        ("one-microvm-1-icount-tcg-release", When::Test),
        ("one-q35-1-plain-tcg-release", When::All),
        ("one-q35-1-icount-tcg-release", When::All),
        ("two-microvm-1-plain-tcg-release", When::Test),
        ("two-microvm-1-icount-tcg-release", When::Never),
        ("two-q35-1-plain-tcg-release", When::All),
        ("two-q35-1-icount-tcg-release", When::Never),
    ];
    assert_eq!(decided, expected.map(|(name, when)| (name.to_owned(), when)));
    assert_eq!(matrix.cells.iter().map(|(cell, _)| matrix.expected(cell)).sum::<usize>(), 2 * 3 + 2 * 4 + 4);
}

#[test]
fn what_is_unknown_is_refused() {
    let axes = |from: &str, to: &str| [&AXES.replace(from, to), TESTS, ROWS].concat();
    assert!(refusal(&axes("'one', 'two'", "'one', 'two', 'three'")).contains("no suite called three"));
    assert!(refusal(&axes("'one', 'two'", "'one'")).contains("suite two is in no cell"));
    assert!(refusal(&axes("'q35'", "'pc'")).contains("unknown variant `pc`"));
    assert!(refusal(&axes("'q35'", "'microvm'")).contains("machine names its value 2 twice"));
    assert!(refusal(&axes("processors = [1]", "processors = []")).contains("processors has no value"));
    let rows = |from: &str, to: &str| [AXES, TESTS, &ROWS.replace(from, to)].concat();
    assert!(refusal(&rows("['two']", "['tow']")).contains("row 1: the axis suite has no \"tow\""));
    assert!(refusal(&rows("['icount']", "['multi']")).contains("row 1: the axis mode has no Multi"));
    assert!(refusal(&rows("machine", "machines")).contains("unknown field `machines`"));
}

#[test]
fn what_is_not_decided_is_refused() {
    let rows = |rows: &str| [AXES, TESTS, rows].concat();
    let some = "[[row]]\nmachine = ['microvm']\nrun = 'test'\n";
    assert!(refusal(&rows(some)).contains("no row decides about the cell one-q35-1-plain-tcg-release"));
    let all = "[[row]]\nrun = 'test'\n";
    assert!(refusal(&rows(&[all, some].concat())).contains("row 2 decides about no cell"));
    let unexplained = "[[row]]\nrun = 'all'\n";
    assert!(refusal(&rows(&[some, unexplained].concat())).contains("row 2: what is left out needs a reason"));
    let explained = "[[row]]\nrun = 'test'\nreason = 'why'\n";
    assert!(refusal(&rows(explained)).contains("row 1: what `make test` runs needs no reason"));
}

#[test]
fn a_suite_that_does_not_run_is_refused() {
    let left_out = ROWS.replace("mode = ['icount']\n", "");
    assert!(refusal(&[AXES, TESTS, &left_out].concat()).contains("suite two is in no cell that `make test`"));
    let empty = TESTS.replace("plain = 1", "plain = 0");
    assert!(refusal(&[AXES, &empty, ROWS].concat()).contains("suite two is in no cell that `make test`"));
    let uncounted = TESTS.replace("plain = 1, ", "");
    assert!(refusal(&[AXES, &uncounted, ROWS].concat()).contains("[tests] two must have a count for each"));
    let misspelt = TESTS.replace("two =", "tow =");
    assert!(refusal(&[AXES, &misspelt, ROWS].concat()).contains("[tests] counts"));
}
