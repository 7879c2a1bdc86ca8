//! What the first hit leads to.
//!
//! Many a question is about something that it does not name: the answer to "where was the builder
//! of the Heron born?" may have none of its words. But what comes first tells who built her. So the
//! first hit is asked, too: whom does it name, and what is like it? No model is asked for that:
//! names stand in the index over words, and its vector is there.

use std::sync::Arc;

use kenning_index::{WordPart, WordQuestion};
use kenning_record::Version;
use kenning_store::Result;

use super::Whose;
use super::arms::{Alike, Arms, ByWhose, Candidate, Candidates, Pieced, Searched};
use super::fuse::Ranked;
use crate::sealed::piece::Body;

/// Records that are found by a name. A name that more of them have says nothing.
const NAMED_MAX: usize = 1_000;

impl Arms<'_> {
    /// Adds whom the first hit names, and what is like it. `text` is what it says in
    /// this version.
    pub(super) fn follow(
        &mut self,
        first: &Ranked,
        version: Version,
        text: &str,
        depth: usize,
        found: &mut Candidates,
    ) -> Result<()> {
        let mut known: ByWhose<()> = found.named.iter().map(|it| (it.whose, ())).collect();
        // What a hit that may be wrong names is named as surely as the hit is right.
        for it in self.named(Some(text))?.into_iter().filter(|it| it.whose != first.whose) {
            if known.insert(it.whose, ()).is_none() {
                found.named.push(Candidate { score: first.score, ..it });
            }
        }
        self.explain.named = found.named.len() as u64;
        let Some((vector, alike)) = self.like(first.whose, version) else { return Ok(()) };
        let (near, cost) = self.nearest(alike.map(|searched| (searched, &vector[..])), depth)?;
        self.pay(cost);
        self.explain.alike = near.len() as u64;
        let likeness = ByWhose::default();
        found.alike = Some(Alike { first: first.whose, vector, found: near, likeness });
        Ok(())
    }

    /// Who is named in `text`, in the question if there is none.
    pub(super) fn named(&self, text: Option<&str>) -> Result<Vec<Candidate>> {
        let mut named = Vec::new();
        for (language, question) in &self.questions {
            named.extend(self.named_in(language, &**question, text)?);
        }
        Ok(named)
    }

    fn named_in(
        &self,
        language: &str,
        question: &dyn WordQuestion,
        text: Option<&str>,
    ) -> Result<Vec<Candidate>> {
        let is_read = |it: &&Searched| it.index.spec.language() == language;
        let read = self.words.iter().filter(is_read);
        let pieces: Vec<Pieced<'_>> = read.flat_map(Searched::pieces).collect();
        let asked = pieces.iter().filter_map(|it| match &it.piece.body {
            Body::Words(words) => Some((Arc::clone(words), it.mask)),
            Body::Vectors(_) => None,
        });
        let asked: Vec<(Arc<dyn WordPart>, _)> = asked.collect();
        let words = &self.search.finders.words;
        let hits = words.named(&asked, question, text, NAMED_MAX)?;
        Ok(hits.iter().map(|hit| pieces[hit.piece_idx].candidate(hit.row, hit.score)).collect())
    }

    /// The vector of a record, of several the nearest to the question, and the indexes that have
    /// vectors of the same model.
    fn like(
        &self,
        first: Whose,
        version: Version,
    ) -> Option<(Arc<Vec<f32>>, impl Iterator<Item = &Searched> + use<'_>)> {
        let (of_first, question) =
            self.vectors.iter().find(|(searched, _)| searched.table.number == first.0)?;
        let vector = of_first.nearest_of(question, first.1, version)?.to_vec();
        // Nothing is near what has no direction.
        vector.iter().any(|number| *number != 0.0).then_some(())?;
        let model = of_first.index.spec.model();
        let alike = self.vectors.iter().map(|(searched, _)| searched);
        let alike = alike.filter(move |searched| searched.index.spec.model() == model);
        Some((Arc::new(vector), alike))
    }
}
