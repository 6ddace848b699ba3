//! From tokens to a tree of terms, each with its place. Knows precedence, brackets and nothing else: what a word means
//! and which types fit is for `types`. Depth is bounded, and chains of one operator are lists, so that no later walk
//! over the tree is deep either.

use super::Fault;
use super::lexer::{Token, tokens};
use super::tree::{Comparison, Direction};
use crate::finding::quoted;
use crate::limits::EXPRESSION_DEPTH_MAX;

/// A term and the byte offset where it begins; for a comparison, where its operator stands.
#[derive(Debug)]
pub(super) struct Term<'t> {
    pub(super) at: usize,
    pub(super) kind: Kind<'t>,
}

/// What a term is.
#[derive(Debug)]
pub(super) enum Kind<'t> {
    Integer(i64),
    Text(&'t str),
    Word(&'t str),
    Call { name: &'t str, arguments: Vec<Term<'t>> },
    Member { of: Box<Term<'t>>, name: &'t str, name_at: usize },
    Not(Box<Term<'t>>),
    And(Vec<Term<'t>>),
    Or(Vec<Term<'t>>),
    Compare(Comparison, Box<Term<'t>>, Box<Term<'t>>),
    In(Box<Term<'t>>, Vec<Term<'t>>),
    Sum(Box<Term<'t>>, Vec<(Direction, Term<'t>)>),
}

/// Words that people write for a sign.
const WORDS_FOR_SIGNS: [(&str, &str); 5] = [("and", "&&"), ("or", "||"), ("not", "!"), ("is", "=="), ("eq", "==")];

/// Reads a whole text as one term.
///
/// # Errors
/// At the first place where it does not go on as an expression.
pub(super) fn parse(text: &str) -> Result<Term<'_>, Fault> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let term = parser.or()?;
    match parser.peek() {
        (_, Token::End) => Ok(term),
        found => Err(unexpected(found, "an operator such as `&&`, or the end")),
    }
}

struct Parser<'t> {
    tokens: Vec<(usize, Token<'t>)>,
    next: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> (usize, Token<'t>) {
        self.tokens.get(self.next).or(self.tokens.last()).copied().unwrap_or((0, Token::End))
    }

    fn advance(&mut self) -> (usize, Token<'t>) {
        let token = self.peek();
        self.next = self.next.saturating_add(1);
        token
    }

    /// Takes a sign, if it is the next token.
    fn take(&mut self, sign: &'static str) -> bool {
        let found = self.peek().1 == Token::Sign(sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: &'static str, wanted: &str) -> Result<(), Fault> {
        if self.take(sign) { Ok(()) } else { Err(unexpected(self.peek(), wanted)) }
    }

    /// Goes one level deeper for as long as `inner` reads.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth >= EXPRESSION_DEPTH_MAX {
            let message = format!("this lies more than {EXPRESSION_DEPTH_MAX} levels deep");
            return Err(Fault::new(self.peek().0, message, "take out brackets, or split the condition"));
        }
        self.depth = self.depth.saturating_add(1);
        let result = inner(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    fn or(&mut self) -> Result<Term<'t>, Fault> {
        let first = self.and()?;
        let at = self.peek().0;
        let mut all = vec![first];
        while self.take("||") {
            all.push(self.and()?);
        }
        Ok(single(all, |all| Term { at, kind: Kind::Or(all) }))
    }

    fn and(&mut self) -> Result<Term<'t>, Fault> {
        let first = self.relation()?;
        let at = self.peek().0;
        let mut all = vec![first];
        while self.take("&&") {
            all.push(self.relation()?);
        }
        Ok(single(all, |all| Term { at, kind: Kind::And(all) }))
    }

    fn relation(&mut self) -> Result<Term<'t>, Fault> {
        let left = self.sum()?;
        let (at, token) = self.peek();
        let term = if token == Token::Word("in") {
            self.advance();
            let list = self.list()?;
            Term { at, kind: Kind::In(Box::new(left), list) }
        } else if let Some(comparison) = comparison(token) {
            self.advance();
            let right = self.sum()?;
            Term { at, kind: Kind::Compare(comparison, Box::new(left), Box::new(right)) }
        } else {
            return Ok(left);
        };
        let (at, token) = self.peek();
        if comparison(token).is_some() || token == Token::Word("in") {
            return Err(Fault::new(
                at,
                "comparisons do not form a chain",
                "join two comparisons by `&&`, or add brackets",
            ));
        }
        Ok(term)
    }

    fn list(&mut self) -> Result<Vec<Term<'t>>, Fault> {
        let (at, _) = self.peek();
        self.expect("[", "a list such as `[a, b]`")?;
        if self.take("]") {
            return Err(Fault::new(at, "the list is empty", "name at least one value"));
        }
        self.deeper(|parser| parser.separated("]"))
    }

    /// Terms between commas, up to and with the closing sign.
    fn separated(&mut self, closing: &'static str) -> Result<Vec<Term<'t>>, Fault> {
        let mut all = vec![self.or()?];
        while self.take(",") {
            all.push(self.or()?);
        }
        self.expect(closing, &format!("`,` or `{closing}`"))?;
        Ok(all)
    }

    fn sum(&mut self) -> Result<Term<'t>, Fault> {
        let first = self.unary()?;
        let at = self.peek().0;
        let mut more = Vec::new();
        loop {
            let direction = match self.peek().1 {
                Token::Sign("+") => Direction::Plus,
                Token::Sign("-") => Direction::Minus,
                Token::Sign(_) | Token::Word(_) | Token::Digits(_) | Token::Text(_) | Token::End => break,
            };
            self.advance();
            more.push((direction, self.unary()?));
        }
        Ok(if more.is_empty() { first } else { Term { at, kind: Kind::Sum(Box::new(first), more) } })
    }

    fn unary(&mut self) -> Result<Term<'t>, Fault> {
        let (at, token) = self.peek();
        match token {
            Token::Sign("!") => {
                self.advance();
                let inner = self.deeper(Self::unary)?;
                Ok(Term { at, kind: Kind::Not(Box::new(inner)) })
            }
            Token::Sign("-") => {
                self.advance();
                let (digits_at, token) = self.advance();
                let Token::Digits(digits) = token else {
                    return Err(Fault::new(
                        digits_at,
                        "a minus here makes a negative number",
                        "write `0 - ` before it",
                    ));
                };
                integer(at, &format!("-{digits}"))
            }
            Token::Sign(_) | Token::Word(_) | Token::Digits(_) | Token::Text(_) | Token::End => self.member(),
        }
    }

    fn member(&mut self) -> Result<Term<'t>, Fault> {
        let of = self.atom()?;
        if !self.take(".") {
            return Ok(of);
        }
        let (name_at, token) = self.advance();
        let Token::Word(name) = token else {
            return Err(unexpected((name_at, token), "the name of a field"));
        };
        let (at, token) = self.peek();
        match token {
            Token::Sign(".") => Err(Fault::new(at, format!("`{}` has no fields", quoted(name)), "take the rest out")),
            Token::Sign("(") => {
                Err(Fault::new(at, format!("`{}` is no function", quoted(name)), "take the brackets out"))
            }
            Token::Sign(_) | Token::Word(_) | Token::Digits(_) | Token::Text(_) | Token::End => {
                Ok(Term { at: of.at, kind: Kind::Member { of: Box::new(of), name, name_at } })
            }
        }
    }

    fn atom(&mut self) -> Result<Term<'t>, Fault> {
        let (at, token) = self.advance();
        match token {
            Token::Digits(digits) => integer(at, digits),
            Token::Text(text) => Ok(Term { at, kind: Kind::Text(text) }),
            Token::Sign("(") => {
                let inner = self.deeper(Self::or)?;
                self.expect(")", "`)`")?;
                Ok(inner)
            }
            Token::Word("in") => Err(unexpected((at, token), "a value")),
            Token::Word(name) if self.take("(") => {
                let closed = self.take(")");
                let arguments = if closed { Vec::new() } else { self.deeper(|parser| parser.separated(")"))? };
                Ok(Term { at, kind: Kind::Call { name, arguments } })
            }
            Token::Word(name) => Ok(Term { at, kind: Kind::Word(name) }),
            Token::Sign(_) | Token::End => {
                Err(unexpected((at, token), "a value, such as `has(...)` or `last(...).day`"))
            }
        }
    }
}

/// One term stands for itself.
fn single<'t>(mut all: Vec<Term<'t>>, join: impl FnOnce(Vec<Term<'t>>) -> Term<'t>) -> Term<'t> {
    match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            join(all)
        }
        None => join(all),
    }
}

fn integer<'t>(at: usize, digits: &str) -> Result<Term<'t>, Fault> {
    let too_large = || Fault::new(at, "the number does not fit 64 bits", "write a smaller one");
    digits.parse().map(|value| Term { at, kind: Kind::Integer(value) }).map_err(|_error| too_large())
}

fn comparison(token: Token<'_>) -> Option<Comparison> {
    match token {
        Token::Sign(sign) => Comparison::ALL.into_iter().find(|comparison| comparison.sign() == sign),
        Token::Word(_) | Token::Digits(_) | Token::Text(_) | Token::End => None,
    }
}

fn unexpected((at, token): (usize, Token<'_>), wanted: &str) -> Fault {
    let habit = match token {
        Token::Word(word) => WORDS_FOR_SIGNS.iter().find(|(name, _)| *name == word).map(|(_, sign)| *sign),
        Token::Digits(_) | Token::Text(_) | Token::Sign(_) | Token::End => None,
    };
    let found = match token {
        Token::Word(name) => format!("`{}` cannot stand here", quoted(name)),
        Token::Digits(digits) => format!("the number `{}` cannot stand here", quoted(digits)),
        Token::Text(text) => format!("the text `{}` cannot stand here", quoted(text)),
        Token::Sign(sign) => format!("`{sign}` cannot stand here"),
        Token::End => "the expression ends too early".to_owned(),
    };
    match habit {
        Some(sign) => Fault::new(at, found, format!("write `{sign}`")),
        None => Fault::new(at, found, format!("write {wanted}")),
    }
}
