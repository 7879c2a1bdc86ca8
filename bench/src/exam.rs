//! How near, how soon, how many: answers of an index over vectors, judged against the right ones.
//!
//! Recall is the share of the right ten that are among the ten of an answer. Indexes look at as
//! many candidates as they are told to, their *effort*: more are slower and nearer. Who is compared
//! has the least effort of a ladder with which it reaches [`RECALL`].

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::Result;
use crate::measure::{Latencies, together};

/// Rows of an answer.
pub(crate) const NEAREST: usize = 10;
/// The recall that every index is to reach.
pub(crate) const RECALL: f64 = 0.95;
/// Efforts, least first.
pub(crate) const LADDER: [usize; 17] =
    [10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 256, 400, 800];

/// Questions, and the rows that are right.
pub(crate) struct Exam {
    pub(crate) dimensions: usize,
    /// One behind the other.
    pub(crate) questions: Vec<f32>,
    pub(crate) right: Vec<Vec<u32>>,
    /// How long each thread asks when it is counted how many answers there are a second.
    pub(crate) rate_ms: u64,
}

/// One question after the other.
pub(crate) struct Sitting {
    /// 0 to 1.
    pub(crate) recall: f64,
    pub(crate) p50_us: f64,
}

impl Exam {
    pub(crate) fn questions(&self) -> impl Iterator<Item = &[f32]> + Clone {
        self.questions.chunks(self.dimensions)
    }

    /// Asks every question, one after the other.
    pub(crate) fn sit(
        &self,
        mut answer: impl FnMut(&[f32]) -> Result<Vec<u32>>,
    ) -> Result<Sitting> {
        let mut latencies = Latencies::default();
        let (mut found, mut wanted) = (0, 0);
        for (question, right) in self.questions().zip(&self.right) {
            let rows = latencies.call(|| answer(question))?;
            found += right.iter().filter(|row| rows.contains(row)).count();
            wanted += right.len();
        }
        let recall = found as f64 / wanted.max(1) as f64;
        Ok(Sitting { recall, p50_us: latencies.percentile(50) })
    }

    /// Answers a second, with so many threads that ask one question after the other.
    pub(crate) fn rate(
        &self,
        threads: usize,
        answer: impl Fn(&[f32]) -> Result<Vec<u32>> + Sync,
    ) -> Result<f64> {
        let answers = AtomicU64::new(0);
        let until = Duration::from_millis(self.rate_ms);
        let seconds = together((0..threads).collect(), |thread: usize| {
            let began = Instant::now();
            // Threads begin at different questions, so that they do not read the same rows.
            let first = thread * self.right.len() / threads;
            for question in self.questions().cycle().skip(first) {
                answer(question)?;
                answers.fetch_add(1, Relaxed);
                if began.elapsed() >= until {
                    break;
                }
            }
            Ok(())
        })?;
        Ok(answers.load(Relaxed) as f64 / seconds)
    }

    /// The least effort that reaches the recall, or the largest one that there is.
    pub(crate) fn tune(
        &self,
        mut answer: impl FnMut(&[f32], usize) -> Result<Vec<u32>>,
    ) -> Result<usize> {
        for effort in LADDER {
            if self.sit(|question| answer(question, effort))?.recall >= RECALL {
                return Ok(effort);
            }
        }
        Ok(LADDER[LADDER.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exam() -> Exam {
        let right = vec![vec![0, 1], vec![2, 3]];
        Exam { dimensions: 1, questions: vec![0.0, 1.0], right, rate_ms: 1 }
    }

    #[test]
    fn recall_is_the_share_of_right_rows() {
        let sat = exam().sit(|_| Ok(vec![1, 2])).unwrap();
        assert_eq!(sat.recall, 0.5);
    }

    #[test]
    fn the_least_effort_that_is_enough_is_taken() {
        let right = |question: &[f32], effort: usize| {
            Ok(if effort < 20 {
                vec![]
            } else {
                vec![question[0] as u32 * 2, question[0] as u32 * 2 + 1]
            })
        };
        assert_eq!(exam().tune(right).unwrap(), 20);
        assert_eq!(exam().tune(|_, _| Ok(vec![])).unwrap(), 800);
    }
}
