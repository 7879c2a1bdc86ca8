//! Text to words, literals and signs, each with its place.

use kenning_record::{DEPTH_MAX, Json, Path};
use kenning_store::{Error, Result};

/// Characters of what was found that an error shows.
const SHOWN_CHARACTERS_MAX: usize = 40;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A path. `is_bare` if it is one step and not in quotes, so that it may be a keyword.
    Name {
        path: Path,
        is_bare: bool,
    },
    /// A literal, neither a word nor in quotes.
    Number(Json),
    /// What was between single quotes.
    Text(String),
    /// One of `= <> < <= > >=`.
    Sign(Sign),
    Open,
    Close,
    Comma,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Sign {
    pub(super) fn text(self) -> &'static str {
        match self {
            Sign::Equal => "=",
            Sign::Unequal => "<>",
            Sign::Less => "<",
            Sign::LessOrEqual => "<=",
            Sign::Greater => ">",
            Sign::GreaterOrEqual => ">=",
        }
    }

    /// The sign that says the same with its sides exchanged.
    pub(super) fn turned(self) -> Sign {
        match self {
            Sign::Equal => Sign::Equal,
            Sign::Unequal => Sign::Unequal,
            Sign::Less => Sign::Greater,
            Sign::LessOrEqual => Sign::GreaterOrEqual,
            Sign::Greater => Sign::Less,
            Sign::GreaterOrEqual => Sign::LessOrEqual,
        }
    }
}

/// A token, and the byte at which it begins.
pub(super) struct Placed {
    pub(super) at: usize,
    pub(super) token: Token,
}

/// The tokens of `text`; the last one is its end.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>> {
    let mut reader = Reader { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        reader.skip(char::is_whitespace);
        let at = reader.at;
        let token = reader.token()?;
        let is_end = token == Token::End;
        tokens.push(Placed { at, token });
        if is_end {
            return Ok(tokens);
        }
    }
}

/// What is wrong at byte `at` of `text`.
pub(super) fn malformed(text: &str, at: usize, expected: &str) -> Error {
    let found = &text[at..];
    let found = if found.is_empty() {
        "its end".to_owned()
    } else {
        let shown: String = found.chars().take(SHOWN_CHARACTERS_MAX).collect();
        let more = if shown.len() < found.len() { "..." } else { "" };
        format!("'{shown}{more}'")
    };
    let character = 1 + text[..at].chars().count();
    Error::invalid(
        "PREDICATE_MALFORMED",
        format!(
            "a predicate is malformed at character {character}: expected {expected}, found {found}"
        ),
    )
}

/// Whether `step` may be written without quotes at the beginning of a name.
pub(super) fn is_plain(step: &str) -> bool {
    step.chars().next().is_some_and(begins_name) && step.chars().all(continues_name)
}

fn begins_name(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn continues_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn token(&mut self) -> Result<Token> {
        let Some(character) = self.peek() else { return Ok(Token::End) };
        match character {
            '(' => self.one(Token::Open),
            ')' => self.one(Token::Close),
            ',' => self.one(Token::Comma),
            '=' => self.one(Token::Sign(Sign::Equal)),
            '!' | '<' | '>' => self.sign(character),
            '\'' => self.quoted('\'').map(Token::Text),
            '0'..='9' | '+' | '-' | '.' => self.number(),
            '"' | '\\' => self.name(),
            character if begins_name(character) => self.name(),
            _ => {
                let expected = "a name, a literal or an operator; other names are in double quotes";
                Err(self.wrong(self.at, expected))
            }
        }
    }

    fn one(&mut self, token: Token) -> Result<Token> {
        self.next();
        Ok(token)
    }

    fn sign(&mut self, first: char) -> Result<Token> {
        let from = self.at;
        self.next();
        let second = self.peek().filter(|second| matches!(second, '=' | '>'));
        let sign = match (first, second) {
            ('!', Some('=')) | ('<', Some('>')) => Sign::Unequal,
            ('<', Some('=')) => Sign::LessOrEqual,
            ('>', Some('=')) => Sign::GreaterOrEqual,
            ('<', None) => return Ok(Token::Sign(Sign::Less)),
            ('>', None) => return Ok(Token::Sign(Sign::Greater)),
            _ => return Err(self.wrong(from, "one of = <> != < <= > >=")),
        };
        self.one(Token::Sign(sign))
    }

    /// What is between two quotes; two of them in it mean one.
    fn quoted(&mut self, quote: char) -> Result<String> {
        let from = self.at;
        self.next();
        let mut text = String::new();
        while let Some(character) = self.next() {
            if character == quote && !self.take(quote) {
                return Ok(text);
            }
            text.push(character);
        }
        let what = if quote == '"' { "a name" } else { "a text" };
        Err(self.wrong(from, &format!("{what} that ends with a quote")))
    }

    fn number(&mut self) -> Result<Token> {
        let from = self.at;
        let negative = self.peek() == Some('-');
        if matches!(self.peek(), Some('+' | '-')) {
            self.next();
        }
        let whole = self.digits();
        let fraction = if self.take('.') { Some(self.digits()) } else { None };
        let mut exponent = None;
        if matches!(self.peek(), Some('e' | 'E')) {
            self.next();
            let sign = self.peek().filter(|sign| matches!(sign, '+' | '-'));
            if sign.is_some() {
                self.next();
            }
            let digits = self.digits();
            exponent = Some(format!("{}{digits}", if sign == Some('-') { "-" } else { "" }));
        }
        let has_digits = !whole.is_empty() || fraction.is_some_and(|digits| !digits.is_empty());
        let has_exponent = exponent.as_ref().is_none_or(|e| !e.trim_matches('-').is_empty());
        if !has_digits
            || !has_exponent
            || self.peek().is_some_and(|c| c == '.' || continues_name(c))
        {
            return Err(self.wrong(from, "a number such as -1.5e3"));
        }
        let mut written = String::from(if negative { "-" } else { "" });
        let whole = whole.trim_start_matches('0');
        written += if whole.is_empty() { "0" } else { whole };
        if let Some(fraction) = fraction.filter(|digits| !digits.is_empty()) {
            written += &format!(".{fraction}");
        }
        written.extend(exponent.into_iter().map(|exponent| format!("e{exponent}")));
        let number = serde_json::from_str(&written);
        number.map(Token::Number).map_err(|_| self.wrong(from, "a number that 64 bits can hold"))
    }

    fn digits(&mut self) -> &'a str {
        let (text, from) = (self.text, self.at);
        self.skip(|character| character.is_ascii_digit());
        &text[from..self.at]
    }

    fn name(&mut self) -> Result<Token> {
        let from = self.at;
        let mut steps = Vec::new();
        let mut is_bare = true;
        loop {
            let is_quoted = self.peek() == Some('"');
            let step_at = self.at;
            let step = if is_quoted { self.quoted('"')? } else { self.step()? };
            if step.is_empty() {
                return Err(self.wrong(step_at, "the name of a property"));
            }
            is_bare &= !is_quoted;
            steps.push(step);
            if !self.take('.') {
                break;
            }
        }
        if steps.len() > DEPTH_MAX {
            return Err(self.wrong(from, &format!("a path of at most {DEPTH_MAX} steps")));
        }
        is_bare &= steps.len() == 1;
        Ok(Token::Name { path: Path { steps }, is_bare })
    }

    /// A step of a path without quotes, in which `\.` is a dot and `\\` a backslash.
    fn step(&mut self) -> Result<String> {
        let mut step = String::new();
        while let Some(character) = self.peek() {
            if character == '\\' {
                let from = self.at;
                self.next();
                match self.next() {
                    Some(escaped @ ('.' | '\\')) => step.push(escaped),
                    _ => return Err(self.wrong(from, r"\. or \\")),
                }
            } else if continues_name(character) {
                self.next();
                step.push(character);
            } else {
                break;
            }
        }
        Ok(step)
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn take(&mut self, expected: char) -> bool {
        let is_there = self.peek() == Some(expected);
        if is_there {
            self.next();
        }
        is_there
    }

    fn skip(&mut self, is_skipped: impl Fn(char) -> bool) {
        let rest = &self.text[self.at..];
        self.at += rest.find(|character| !is_skipped(character)).unwrap_or(rest.len());
    }

    fn wrong(&self, at: usize, expected: &str) -> Error {
        malformed(self.text, at, expected)
    }
}
