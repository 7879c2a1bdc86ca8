//! Predicate to text, which is read as the same predicate.
//!
//! Parentheses are written where the grammar needs them, so the text is never nested deeper than
//! the one that was read.

use std::fmt::{self, Display, Formatter, Write};

use kenning_record::{Path, format_instant};

use super::parse::KEYWORDS;
use super::tokens::{Sign, is_plain};
use super::value::Literal;
use super::{Bound, Name, Node, Own, Predicate, Test};

impl Display for Predicate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write(&self.0, Inside::Nothing, f)
    }
}

/// Bytes of the text.
pub(super) fn size(node: &Node) -> usize {
    let mut count = Count(0);
    write(node, Inside::Nothing, &mut count).expect("counting takes everything");
    count.0
}

struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// What a condition is written inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Nothing,
    Any,
    All,
    Not,
}

fn write(node: &Node, inside: Inside, f: &mut impl Write) -> fmt::Result {
    match node {
        Node::All(nodes) if nodes.is_empty() => f.write_str("TRUE"),
        Node::Any(nodes) if nodes.is_empty() => f.write_str("FALSE"),
        Node::All(nodes) => {
            grouped(inside == Inside::Not, f, |f| joined(nodes, " AND ", Inside::All, f))
        }
        Node::Any(nodes) => grouped(matches!(inside, Inside::All | Inside::Not), f, |f| {
            joined(nodes, " OR ", Inside::Any, f)
        }),
        Node::Not(node) => negated(node, f),
        Node::Is(node, truth) => is(node, "", *truth, f),
        Node::Asks(name, test) => {
            let is_two = matches!(test, Test::Range(Some(_), Some(_))) && !is_between(test);
            grouped(is_two && inside == Inside::Not, f, |f| asks(name, "", test, f))
        }
    }
}

fn grouped<F: Write>(
    is_group: bool,
    f: &mut F,
    write: impl FnOnce(&mut F) -> fmt::Result,
) -> fmt::Result {
    if !is_group {
        return write(f);
    }
    f.write_char('(')?;
    write(f)?;
    f.write_char(')')
}

fn joined(nodes: &[Node], word: &str, inside: Inside, f: &mut impl Write) -> fmt::Result {
    for (idx, node) in nodes.iter().enumerate() {
        if idx > 0 {
            f.write_str(word)?;
        }
        write(node, inside, f)?;
    }
    Ok(())
}

/// Where the grammar has a place for `NOT` inside a condition, it is there.
fn negated(node: &Node, f: &mut impl Write) -> fmt::Result {
    match node {
        Node::Is(node, truth) => is(node, "NOT ", *truth, f),
        Node::Asks(name, test) if takes_not(test) => asks(name, "NOT ", test, f),
        Node::All(_) | Node::Any(_) | Node::Not(_) | Node::Asks(..) => {
            f.write_str("NOT ")?;
            write(node, Inside::Not, f)
        }
    }
}

fn takes_not(test: &Test) -> bool {
    match test {
        Test::Null | Test::Among(_) | Test::Like(_) => true,
        Test::Range(..) => is_between(test),
        Test::Equal(_) | Test::Unequal(_) => false,
    }
}

fn is_between(test: &Test) -> bool {
    matches!(test, Test::Range(Some(from), Some(until)) if from.inclusive && until.inclusive)
}

fn is(node: &Node, not: &str, truth: bool, f: &mut impl Write) -> fmt::Result {
    let stands_alone = match node {
        Node::All(nodes) | Node::Any(nodes) => nodes.is_empty(),
        Node::Asks(Name::Property(_), test) => *test == Test::Equal(Literal::Bool(true)),
        Node::Asks(Name::Own(_), _) | Node::Not(_) | Node::Is(..) => false,
    };
    grouped(!stands_alone, f, |f| write(node, Inside::Nothing, f))?;
    write!(f, " IS {not}{}", if truth { "TRUE" } else { "FALSE" })
}

fn asks(name: &Name, not: &str, test: &Test, f: &mut impl Write) -> fmt::Result {
    self::name(name, f)?;
    match test {
        Test::Null => write!(f, " IS {not}NULL"),
        Test::Equal(Literal::Bool(true)) => Ok(()),
        Test::Equal(value) => compared(Sign::Equal, value, f),
        Test::Unequal(value) => compared(Sign::Unequal, value, f),
        Test::Range(Some(from), Some(until)) if is_between(test) => {
            write!(f, " {not}BETWEEN ")?;
            literal(&from.literal, f)?;
            f.write_str(" AND ")?;
            literal(&until.literal, f)
        }
        Test::Range(from, until) => {
            lower(from.as_ref(), f)?;
            if from.is_some() && until.is_some() {
                f.write_str(" AND ")?;
                self::name(name, f)?;
            }
            upper(until.as_ref(), f)
        }
        Test::Among(literals) => {
            write!(f, " {not}IN (")?;
            for (idx, value) in literals.iter().enumerate() {
                f.write_str(if idx > 0 { ", " } else { "" })?;
                literal(value, f)?;
            }
            f.write_char(')')
        }
        Test::Like(pattern) => {
            write!(f, " {not}{} ", if pattern.is_cased() { "LIKE" } else { "ILIKE" })?;
            quoted(&pattern.write(), '\'', f)
        }
    }
}

fn lower(bound: Option<&Bound>, f: &mut impl Write) -> fmt::Result {
    bound.map_or(Ok(()), |bound| {
        let sign = if bound.inclusive { Sign::GreaterOrEqual } else { Sign::Greater };
        compared(sign, &bound.literal, f)
    })
}

fn upper(bound: Option<&Bound>, f: &mut impl Write) -> fmt::Result {
    bound.map_or(Ok(()), |bound| {
        let sign = if bound.inclusive { Sign::LessOrEqual } else { Sign::Less };
        compared(sign, &bound.literal, f)
    })
}

fn compared(sign: Sign, value: &Literal, f: &mut impl Write) -> fmt::Result {
    write!(f, " {} ", sign.text())?;
    literal(value, f)
}

fn literal(literal: &Literal, f: &mut impl Write) -> fmt::Result {
    match literal {
        Literal::Null => f.write_str("NULL"),
        Literal::Bool(true) => f.write_str("TRUE"),
        Literal::Bool(false) => f.write_str("FALSE"),
        Literal::Number { written, .. } => write!(f, "{written}"),
        Literal::Text(text) => quoted(text, '\'', f),
        Literal::Instant(ms) => quoted(&format_instant(*ms), '\'', f),
    }
}

fn quoted(text: &str, quote: char, f: &mut impl Write) -> fmt::Result {
    f.write_char(quote)?;
    for character in text.chars() {
        if character == quote {
            f.write_char(quote)?;
        }
        f.write_char(character)?;
    }
    f.write_char(quote)
}

fn name(name: &Name, f: &mut impl Write) -> fmt::Result {
    match name {
        Name::Own(own) => f.write_str(own.name()),
        Name::Property(path) => self::path(path, f),
    }
}

fn path(path: &Path, f: &mut impl Write) -> fmt::Result {
    for (idx, step) in path.steps.iter().enumerate() {
        if idx > 0 {
            f.write_char('.')?;
        }
        if is_plain(step) && !(path.steps.len() == 1 && is_taken(step)) {
            f.write_str(step)?;
        } else {
            quoted(step, '"', f)?;
        }
    }
    Ok(())
}

/// Whether a name of one step means something else.
fn is_taken(step: &str) -> bool {
    let is_keyword = KEYWORDS.iter().any(|word| word.eq_ignore_ascii_case(step));
    is_keyword || Own::of_name(step).is_some()
}
