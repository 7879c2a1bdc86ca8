//! The index: what is below, behind the traits that the engine knows.

use std::sync::Arc;

use kenning_index::{Bitmap, Mask, WordArm, WordHit, WordIndex, WordPart, WordQuestion, WordRow};
use kenning_store::{Bytes, Error, Result};

use crate::asked::ask;
use crate::language::{CODES, Language};
use crate::part::{Part, Piece};
use crate::question::Question;
use crate::terms::Reader;
use crate::{build, merge, names, unit, window};

/// The index over words.
///
/// ```
/// use kenning_index::{Mask, WordArm, WordIndex, WordRow};
/// use kenning_words::Words;
///
/// let row = |body: &str| Ok(WordRow { title: String::new(), body: body.into() });
/// let body = Words.build("en", &mut [row("A cat sat."), row("Dogs run.")].into_iter())?;
/// let pieces = [(Words.open(body.into())?, Mask::ALL)];
/// let question = Words.question("en", "running cats")?;
/// let hits = Words.best(&pieces, &*question, WordArm::Unit, 10)?;
/// assert_eq!(hits.len(), 2);
/// assert_eq!(question.highlights("Dogs run."), [5..8]);
/// # Ok::<(), kenning_store::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Words;

impl WordIndex for Words {
    fn languages(&self) -> &[&str] {
        CODES
    }

    fn build(
        &self,
        language: &str,
        rows: &mut dyn Iterator<Item = Result<WordRow>>,
    ) -> Result<Vec<u8>> {
        build::build(Language::of(language)?, rows)
    }

    fn merge(&self, parts: &[(Arc<dyn WordPart>, &Bitmap)]) -> Result<Vec<u8>> {
        let parts: Vec<_> = parts.iter().map(|(part, kept)| (own(&**part), *kept)).collect();
        merge::merge(&parts)
    }

    fn open(&self, body: Bytes) -> Result<Arc<dyn WordPart>> {
        Ok(Arc::new(Part::open(body)?))
    }

    fn question(&self, language: &str, text: &str) -> Result<Arc<dyn WordQuestion>> {
        Ok(Arc::new(Question::read(Language::of(language)?, text)))
    }

    fn best(
        &self,
        pieces: &[(Arc<dyn WordPart>, Mask<'_>)],
        question: &dyn WordQuestion,
        arm: WordArm<'_>,
        rows_max: usize,
    ) -> Result<Vec<WordHit>> {
        let question = read(question);
        if rows_max == 0 || question.is_empty() {
            return Ok(Vec::new());
        }
        let pieces = pieces.iter().map(|(part, mask)| piece(&**part, *mask, question));
        let pieces: Vec<Piece<'_>> = pieces.collect::<Result<_>>()?;
        match arm {
            WordArm::Unit => unit::best(&pieces, &ask(&question.clauses, &pieces)?, rows_max),
            WordArm::Window(around) => window::best(&pieces, &question.loose, around, rows_max),
        }
    }

    fn named(
        &self,
        pieces: &[(Arc<dyn WordPart>, Mask<'_>)],
        question: &dyn WordQuestion,
        text: Option<&str>,
        rows_max: usize,
    ) -> Result<Vec<WordHit>> {
        let question = read(question);
        let pieces = pieces.iter().map(|(part, mask)| piece(&**part, *mask, question));
        let pieces: Vec<Piece<'_>> = pieces.collect::<Result<_>>()?;
        let found;
        let names = match text {
            None => &question.names,
            Some(text) => {
                found = names::in_text(&mut Reader::of(question.language), text);
                &found
            }
        };
        names::bearers(&pieces, names, rows_max)
    }
}

fn read(question: &dyn WordQuestion) -> &Question {
    question.as_any().downcast_ref().expect("a question comes from the index it is asked")
}

fn own(part: &dyn WordPart) -> &Part {
    part.as_any().downcast_ref().expect("a part comes from the index it is in")
}

fn piece<'a>(part: &'a dyn WordPart, mask: Mask<'a>, question: &Question) -> Result<Piece<'a>> {
    let part = own(part);
    if part.language.code != question.language.code {
        let (part, asked) = (part.language.code, question.language.code);
        let message = format!("a question in '{asked}' is asked of words in '{part}'");
        return Err(Error::invalid("LANGUAGE_MISMATCH", message));
    }
    // Lengths are counted below; they have to be what they were.
    part.words()?;
    Ok(Piece::of(part, mask))
}
