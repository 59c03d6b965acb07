//! Licence expressions: whether one can be met with licences that this project accepts.
//!
//! Called by `dependencies`. Understands AND, OR, WITH, parentheses, and the old `A/B` for "A OR B".

/// Licences that code built into capOS or its tools may have.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether some choice of licences that the expression offers is accepted. A malformed expression is not.
pub(crate) fn is_accepted(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let accepted = any(&mut rest);
    accepted == Some(true) && rest.is_empty()
}

/// `all OR all OR ...`
fn any(words: &mut &[&str]) -> Option<bool> {
    let mut accepted = all(words)?;
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        accepted |= all(words)?;
    }
    Some(accepted)
}

/// `one AND one AND ...`
fn all(words: &mut &[&str]) -> Option<bool> {
    let mut accepted = one(words)?;
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        accepted &= one(words)?;
    }
    Some(accepted)
}

/// A licence, a licence with an exception, or an expression in parentheses.
fn one(words: &mut &[&str]) -> Option<bool> {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let accepted = any(words)?;
            let [")", rest @ ..] = *words else { return None };
            *words = rest;
            Some(accepted)
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            Some(ACCEPTED.contains(&format!("{licence} WITH {exception}").as_str()))
        }
        [licence, rest @ ..] => {
            *words = rest;
            Some(ACCEPTED.contains(licence))
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_needs_one_and_a_sum_needs_all() {
        for good in
            ["MIT", "MIT/GPL-3.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "Apache-2.0 WITH LLVM-exception"]
        {
            assert!(is_accepted(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "MIT AND", "(MIT", "MIT WITH Something", "MIT MIT"] {
            assert!(!is_accepted(bad), "{bad}");
        }
    }
}
