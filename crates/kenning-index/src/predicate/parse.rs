//! Text to predicate: each rule of the grammar is a function.
//!
//! ```text
//! any    = all { OR all }
//! all    = part { AND part }
//! part   = NOT part | '(' any ')' [is] | TRUE [is] | FALSE [is] | literal sign name | asked
//! asked  = name [ sign literal | is | IS [NOT] NULL | [NOT] IN '(' literal { ',' literal } ')'
//!               | [NOT] BETWEEN literal AND literal | [NOT] (LIKE | ILIKE) text [ESCAPE text] ]
//! is     = IS [NOT] (TRUE | FALSE)
//! ```
//!
//! A keyword is one where the grammar has it, and a name elsewhere. `TRUE`, `FALSE` and `NULL` are
//! literals everywhere; `NOT` is a name if a sign, the end or a closing parenthesis follows.

use kenning_record::{Id, Json, parse_instant};
use kenning_store::Result;

use super::pattern::{Escape, Pattern};
use super::tokens::{Placed, Sign, Token, malformed, tokens};
use super::value::Literal;
use super::{Bound, Name, Node, Own, PREDICATE_BYTES_MAX, PREDICATE_DEPTH_MAX, Test};
use super::{too_deep, too_long};

/// Every word of the grammar.
pub(super) const KEYWORDS: [&str; 12] =
    ["AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ILIKE", "ESCAPE", "IS", "NULL", "TRUE", "FALSE"];

pub(super) fn predicate(text: &str) -> Result<Node> {
    if text.len() > PREDICATE_BYTES_MAX {
        return Err(too_long(text.len()));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
    let node = parser.any()?;
    if *parser.peek() != Token::End {
        return Err(parser.wrong("AND, OR or the end"));
    }
    Ok(node)
}

struct Parser<'a> {
    text: &'a str,
    /// The last one is the end, which is never passed.
    tokens: Vec<Placed>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Node> {
        let mut nodes = vec![self.all()?];
        while self.take_word("OR") {
            nodes.push(self.all()?);
        }
        Ok(Node::any(nodes))
    }

    fn all(&mut self) -> Result<Node> {
        let mut nodes = vec![self.part()?];
        while self.take_word("AND") {
            nodes.push(self.part()?);
        }
        Ok(Node::all(nodes))
    }

    fn part(&mut self) -> Result<Node> {
        if self.is_word("NOT") && !self.ends_name(self.next + 1) {
            self.next += 1;
            return self.deeper(|parser| parser.part().map(Node::not));
        }
        if self.take(&Token::Open) {
            let node = self.deeper(Parser::any)?;
            if !self.take(&Token::Close) {
                return Err(self.wrong("AND, OR or ')'"));
            }
            return self.is_truth(node);
        }
        match self.literal() {
            Some(literal) => self.literal_first(literal),
            None => self.asked(),
        }
    }

    fn deeper(&mut self, rule: impl FnOnce(&mut Self) -> Result<Node>) -> Result<Node> {
        if self.depth == PREDICATE_DEPTH_MAX {
            return Err(too_deep());
        }
        self.depth += 1;
        let node = rule(self)?;
        self.depth -= 1;
        Ok(node)
    }

    /// Behind a literal comes a sign, unless it says by itself whether it holds.
    fn literal_first(&mut self, literal: Literal) -> Result<Node> {
        let at = self.next - 1;
        let Token::Sign(sign) = *self.peek() else {
            return match literal {
                Literal::Bool(true) => self.is_truth(Node::All(Vec::new())),
                Literal::Bool(false) => self.is_truth(Node::Any(Vec::new())),
                Literal::Null | Literal::Number { .. } | Literal::Text(_) | Literal::Instant(_) => {
                    Err(self.wrong("one of = <> < <= > >="))
                }
            };
        };
        self.next += 1;
        let name = self.name()?;
        let literal = self.fitted(&name, literal, at)?;
        Ok(Node::Asks(name, compared(sign.turned(), literal)))
    }

    fn asked(&mut self) -> Result<Node> {
        let name = self.name()?;
        if let Token::Sign(sign) = *self.peek() {
            self.next += 1;
            let literal = self.literal_for(&name)?;
            return Ok(Node::Asks(name, compared(sign, literal)));
        }
        if self.is_word("IS") {
            return self.is_null(name);
        }
        let is_not = self.take_word("NOT");
        let test = if self.take_word("IN") {
            self.among(&name)?
        } else if self.take_word("BETWEEN") {
            self.between(&name)?
        } else if self.take_word("LIKE") {
            self.like(&name, true)?
        } else if self.take_word("ILIKE") {
            self.like(&name, false)?
        } else if is_not {
            return Err(self.wrong("IN, BETWEEN, LIKE or ILIKE"));
        } else {
            return self.bare(name);
        };
        let node = Node::Asks(name, test);
        Ok(if is_not { Node::not(node) } else { node })
    }

    /// A property that is true.
    fn bare(&mut self, name: Name) -> Result<Node> {
        match name {
            Name::Property(_) => Ok(Node::Asks(name, Test::Equal(Literal::Bool(true)))),
            Name::Own(own) => {
                Err(self.wrong(&format!("an operator: {} is never true or false", own.name())))
            }
        }
    }

    fn is_null(&mut self, name: Name) -> Result<Node> {
        let from = self.next;
        self.next += 1;
        let is_not = self.take_word("NOT");
        if self.take_word("NULL") {
            let node = Node::Asks(name, Test::Null);
            return Ok(if is_not { Node::not(node) } else { node });
        }
        if !self.is_word("TRUE") && !self.is_word("FALSE") {
            return Err(self.wrong("NULL, NOT NULL, [NOT] TRUE or [NOT] FALSE"));
        }
        let node = self.bare(name)?;
        self.next = from;
        self.is_truth(node)
    }

    /// `node`, or what is said about it.
    fn is_truth(&mut self, node: Node) -> Result<Node> {
        if !self.take_word("IS") {
            return Ok(node);
        }
        let is_not = self.take_word("NOT");
        let truth = self.take_word("TRUE");
        if !truth && !self.take_word("FALSE") {
            return Err(self.wrong("[NOT] TRUE or [NOT] FALSE"));
        }
        let node = Node::Is(Box::new(node), truth);
        Ok(if is_not { Node::not(node) } else { node })
    }

    fn among(&mut self, name: &Name) -> Result<Test> {
        if !self.take(&Token::Open) {
            return Err(self.wrong("'('"));
        }
        let mut literals = vec![self.literal_for(name)?];
        while self.take(&Token::Comma) {
            literals.push(self.literal_for(name)?);
        }
        if !self.take(&Token::Close) {
            return Err(self.wrong("',' or ')'"));
        }
        Ok(Test::Among(literals))
    }

    fn between(&mut self, name: &Name) -> Result<Test> {
        let from = Bound { literal: self.literal_for(name)?, inclusive: true };
        if !self.take_word("AND") {
            return Err(self.wrong("AND and the second bound"));
        }
        let until = Bound { literal: self.literal_for(name)?, inclusive: true };
        Ok(Test::Range(Some(from), Some(until)))
    }

    fn like(&mut self, name: &Name, is_cased: bool) -> Result<Test> {
        match name {
            Name::Property(_) | Name::Own(Own::Id | Own::Key) => {}
            Name::Own(own) => {
                let expected = format!("a comparison: {} is no text", own.name());
                self.next -= 1;
                return Err(self.wrong(&expected));
            }
        }
        let at = self.next;
        let text = self.text_literal("a pattern in single quotes")?;
        let mut escape = Escape::default();
        if self.take_word("ESCAPE") {
            let at = self.next;
            let sign = self.text_literal("one character in single quotes, or none")?;
            let mut characters = sign.chars();
            escape = Escape(characters.next());
            if characters.next().is_some() {
                return Err(self.wrong_at(at, "one character in single quotes, or none"));
            }
        }
        Pattern::read(&text, escape, is_cased).map(Test::Like).ok_or_else(|| {
            self.wrong_at(at, "a pattern in which a character follows the one that escapes it")
        })
    }

    fn text_literal(&mut self, expected: &str) -> Result<String> {
        let Token::Text(text) = self.peek() else { return Err(self.wrong(expected)) };
        let text = text.clone();
        self.next += 1;
        Ok(text)
    }

    fn name(&mut self) -> Result<Name> {
        let Token::Name { path, is_bare } = self.peek() else {
            return Err(self.wrong("the name of a property, or a condition"));
        };
        let own = path.steps.first().filter(|_| *is_bare).and_then(|step| Own::of_name(step));
        let name = own.map_or_else(|| Name::Property(path.clone()), Name::Own);
        if *is_bare && ["TRUE", "FALSE", "NULL"].iter().any(|word| self.is_word(word)) {
            return Err(self.wrong("a name; in double quotes, if it is called so"));
        }
        self.next += 1;
        Ok(name)
    }

    fn literal_for(&mut self, name: &Name) -> Result<Literal> {
        let at = self.next;
        match self.literal() {
            Some(literal) => self.fitted(name, literal, at),
            None => Err(self.wrong("a literal: 'a text', a number, TRUE, FALSE or NULL")),
        }
    }

    fn literal(&mut self) -> Option<Literal> {
        let literal = match self.peek() {
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Number(number) => Literal::of_json(number).ok()?,
            Token::Name { .. } => [Json::Bool(true), Json::Bool(false), Json::Null]
                .into_iter()
                .find(|json| self.is_word(&json.to_string()))
                .and_then(|json| Literal::of_json(&json).ok())?,
            Token::Sign(_) | Token::Open | Token::Close | Token::Comma | Token::End => return None,
        };
        self.next += 1;
        Some(literal)
    }

    /// A literal that is compared with what the record itself has must be of its type.
    fn fitted(&self, name: &Name, literal: Literal, at: usize) -> Result<Literal> {
        let Name::Own(own) = name else { return Ok(literal) };
        let fitted = match (own, literal) {
            (_, Literal::Null) => Some(Literal::Null),
            (Own::Key, Literal::Text(text)) => Some(Literal::Text(text)),
            (Own::Id, Literal::Text(text)) => {
                text.parse().ok().map(|id: Id| Literal::Text(id.to_string()))
            }
            (Own::Version, number @ Literal::Number { .. }) => Some(number),
            (
                Own::CreatedAt | Own::ModifiedAt | Own::ValidFrom | Own::ValidUntil,
                Literal::Text(text),
            ) => parse_instant(&text).ok().map(Literal::Instant),
            (
                Own::Id
                | Own::Key
                | Own::Version
                | Own::CreatedAt
                | Own::ModifiedAt
                | Own::ValidFrom
                | Own::ValidUntil,
                _,
            ) => None,
        };
        fitted.ok_or_else(|| {
            let expected = match own {
                Own::Id => "an id in single quotes",
                Own::Key => "a text in single quotes",
                Own::Version => "a number",
                Own::CreatedAt | Own::ModifiedAt | Own::ValidFrom | Own::ValidUntil => {
                    "an instant such as '2026-11-20' or '2026-11-20T08:30:00Z'"
                }
            };
            self.wrong_at(at, expected)
        })
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.next].token
    }

    fn take(&mut self, token: &Token) -> bool {
        let is_there = self.peek() == token;
        self.next += usize::from(is_there);
        is_there
    }

    fn is_word(&self, word: &str) -> bool {
        match self.peek() {
            Token::Name { path, is_bare } => *is_bare && path.steps[0].eq_ignore_ascii_case(word),
            Token::Number(_)
            | Token::Text(_)
            | Token::Sign(_)
            | Token::Open
            | Token::Close
            | Token::Comma
            | Token::End => false,
        }
    }

    fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        self.next += usize::from(is_there);
        is_there
    }

    /// Whether only a name can stand before this token.
    fn ends_name(&self, idx: usize) -> bool {
        match self.tokens[idx].token {
            Token::Sign(_) | Token::Close | Token::Comma | Token::End => true,
            Token::Name { .. } | Token::Number(_) | Token::Text(_) | Token::Open => false,
        }
    }

    fn wrong(&self, expected: &str) -> kenning_store::Error {
        self.wrong_at(self.next, expected)
    }

    fn wrong_at(&self, idx: usize, expected: &str) -> kenning_store::Error {
        malformed(self.text, self.tokens[idx].at, expected)
    }
}

fn compared(sign: Sign, literal: Literal) -> Test {
    let bound = |inclusive| Some(Bound { literal: literal.clone(), inclusive });
    match sign {
        Sign::Equal => Test::Equal(literal),
        Sign::Unequal => Test::Unequal(literal),
        Sign::Less => Test::Range(None, bound(false)),
        Sign::LessOrEqual => Test::Range(None, bound(true)),
        Sign::Greater => Test::Range(bound(false), None),
        Sign::GreaterOrEqual => Test::Range(bound(true), None),
    }
}
