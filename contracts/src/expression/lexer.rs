//! Cuts the text of an expression into tokens, each with its place. Must never decide what a word means.

use super::Fault;
use crate::finding::quoted;

/// One piece of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'t> {
    /// A name or a keyword.
    Word(&'t str),
    /// The digits of an integer; a sign stands before it as a token of its own.
    Digits(&'t str),
    /// What stands between quotes.
    Text(&'t str),
    /// An operator, a bracket or a separator.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// Longer signs first, so that `<=` is not read as `<`.
const SIGNS: [&str; 17] = ["&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "(", ")", "[", "]", ",", "."];

/// What people write by habit and what is written here instead.
const HABITS: [(char, &str); 11] = [
    ('&', "write `&&` for and"),
    ('|', "write `||` for or"),
    ('=', "write `==` to compare"),
    ('*', "there is only `+` and `-`"),
    ('/', "there is only `+` and `-`"),
    ('%', "there is only `+` and `-`"),
    ('?', "write two rules, one with the opposite condition"),
    ('{', "a list stands in `[` and `]`"),
    ('}', "a list stands in `[` and `]`"),
    (';', "one expression is one condition"),
    ('\\', "nothing is escaped here; in TOML put the expression in single quotes"),
];

/// All tokens of a text with their byte offsets; the last is the end.
///
/// # Errors
/// At the first character that begins no token.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        let at = text.len().saturating_sub(rest.len());
        let Some(first) = rest.chars().next() else {
            tokens.push((at, Token::End));
            return Ok(tokens);
        };
        let (token, after) = next(first, rest, at)?;
        tokens.push((at, token));
        rest = after;
    }
}

fn next(first: char, rest: &str, at: usize) -> Result<(Token<'_>, &str), Fault> {
    if first.is_ascii_alphabetic() || first == '_' {
        let (word, after) = split(rest, |sign| sign.is_ascii_alphanumeric() || sign == '_');
        return Ok((Token::Word(word), after));
    }
    if first.is_ascii_digit() {
        let (digits, after) = split(rest, |sign| sign.is_ascii_digit());
        if after.starts_with('.') {
            return Err(Fault::new(at, "there are no fractions", "write an integer"));
        }
        if after.starts_with(|sign: char| sign.is_alphanumeric() || sign == '_') {
            return Err(Fault::new(at, "a number has only the digits 0-9", "write it in plain decimal digits"));
        }
        return Ok((Token::Digits(digits), after));
    }
    if first == '"' || first == '\'' {
        let inner = rest.get(1..).unwrap_or_default();
        let Some((content, after)) = inner.split_once(first) else {
            return Err(Fault::new(at, "this quote is not closed", format!("add a `{first}` at its end")));
        };
        return Ok((Token::Text(content), after));
    }
    for sign in SIGNS {
        if let Some(after) = rest.strip_prefix(sign) {
            return Ok((Token::Sign(sign), after));
        }
    }
    let habit = HABITS.iter().find(|(sign, _)| *sign == first).map(|(_, fix)| *fix);
    let message = format!("`{}` is no part of an expression", quoted(&first.to_string()));
    Err(Fault::new(at, message, habit.unwrap_or("take it out")))
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|sign| !belongs(sign)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}
