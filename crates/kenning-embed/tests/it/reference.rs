//! The same texts through plain numpy and the tokenizer of the model's makers.

use std::path::Path;

use kenning_embed::{KNOWN_MODELS, Kernel, KnownModel, Model, known_model};
use kenning_index::Embedder;
use serde_json::Value;

/// What the reference says of one text.
struct Said {
    text: String,
    tokens: Vec<u32>,
    vector: Vec<f32>,
}

fn reference(folder: &Path) -> Option<Vec<Said>> {
    let folder = folder.join("reference");
    let Ok(lines) = std::fs::read_to_string(folder.join("texts.jsonl")) else {
        eprintln!("skipped: the reference is not here; `make model` makes it where Python is");
        return None;
    };
    let vectors = std::fs::read(folder.join("vectors.f32")).unwrap();
    let (numbers, _) = vectors.as_chunks::<4>();
    let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let said = |(line, vector): (&str, &[f32])| {
        let line: Value = serde_json::from_str(line).unwrap();
        let tokens = line["ids"].as_array().unwrap();
        Said {
            text: line["text"].as_str().unwrap().to_owned(),
            tokens: tokens.iter().map(|token| token.as_u64().unwrap() as u32).collect(),
            vector: vector.to_vec(),
        }
    };
    let said: Vec<Said> = lines.lines().zip(numbers.chunks_exact(384)).map(said).collect();
    assert_eq!(said.len(), 1000);
    Some(said)
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The least cosine between what `known` says with `kernel` and the reference.
fn least(known: &'static KnownModel, folder: &Path, kernel: Kernel, said: &[Said]) -> f64 {
    let model = Model::open(known, folder, 2).unwrap().with_kernel(kernel).unwrap();
    let texts: Vec<&str> = said.iter().map(|said| said.text.as_str()).collect();
    let vectors = model.embed(&texts).unwrap();
    let cosines = vectors.chunks_exact(384).zip(said).map(|(a, said)| cosine(a, &said.vector));
    let mut cosines: Vec<f64> = cosines.collect();
    cosines.sort_by(f64::total_cmp);
    eprintln!(
        "{} {kernel:?}: least {:.6}, median {:.6}",
        known.id,
        cosines[0],
        cosines[cosines.len() / 2]
    );
    assert!(vectors.chunks_exact(384).all(|a| (cosine(a, a) - 1.0).abs() < 1e-6));
    cosines[0]
}

#[test]
fn tokens_are_those_of_the_reference() {
    let Some(folder) = crate::model_folder() else { return };
    let Some(said) = reference(&folder) else { return };
    for known in &KNOWN_MODELS {
        let model = Model::open(known, &folder, 1).unwrap();
        for said in &said {
            assert_eq!(model.tokens(&said.text).unwrap(), said.tokens, "{:?}", said.text);
        }
    }
}

#[test]
fn full_vectors_are_those_of_the_reference() {
    let Some(folder) = crate::model_folder() else { return };
    let Some(said) = reference(&folder) else { return };
    let known = known_model("all-minilm-l6-v2").unwrap();
    assert!(least(known, &folder, Kernel::best(), &said) >= 0.9999);
    for kernel in Kernel::all() {
        assert!(least(known, &folder, kernel, &said[..20]) >= 0.9999, "{kernel:?}");
    }
}

#[test]
fn compact_vectors_are_near_those_of_the_reference() {
    let Some(folder) = crate::model_folder() else { return };
    let Some(said) = reference(&folder) else { return };
    let known = known_model("all-minilm-l6-v2-int8").unwrap();
    assert!(least(known, &folder, Kernel::best(), &said) >= 0.99);
    for kernel in Kernel::all() {
        assert!(least(known, &folder, kernel, &said[..20]) >= 0.99, "{kernel:?}");
    }
}

#[test]
fn kernels_say_the_same() {
    let Some(folder) = crate::model_folder() else { return };
    let texts = ["a boat on the river", "", "Steuerrecht \u{1f600} in 2026", &"so on ".repeat(60)];
    for known in &KNOWN_MODELS {
        let say = |kernel| {
            let model = Model::open(known, &folder, 1).unwrap().with_kernel(kernel).unwrap();
            model.embed(&texts).unwrap()
        };
        let best = say(Kernel::best());
        for kernel in Kernel::all() {
            let other = say(kernel);
            let pairs = best.chunks_exact(384).zip(other.chunks_exact(384));
            let least = pairs.map(|(a, b)| cosine(a, b)).fold(1.0, f64::min);
            eprintln!("{} {kernel:?}: {least:.7} to the best kernel", known.id);
            assert!(least >= if known.id.ends_with("int8") { 0.999 } else { 0.999_999 });
        }
    }
}
