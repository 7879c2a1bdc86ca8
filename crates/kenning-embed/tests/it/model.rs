//! Models as files, and texts of every kind.

use std::path::Path;

use kenning_embed::{Hashing, KNOWN_MODELS, Model, known_model};
use kenning_index::Embedder;
use kenning_store::{ErrorKind, Result};
use tempfile::TempDir;

const COMPACT: &str = "all-minilm-l6-v2-int8";

/// The compact model, if it is here.
fn compact() -> Option<Model> {
    let folder = crate::model_folder()?;
    Some(Model::open(known_model(COMPACT).unwrap(), &folder, 2).unwrap())
}

fn odd_texts() -> Vec<String> {
    let mut texts: Vec<String> = ["", " ", "\0", "\u{200b}", "[CLS]", "a", "\u{1f600}", "\u{301}"]
        .map(str::to_owned)
        .to_vec();
    texts.extend([
        "x".repeat(10 << 20),
        "many words, and a dot. ".repeat(450_000),
        "\u{4e2d}".repeat(3 << 20),
        "a,".repeat(1 << 20),
        "\u{1fef}".repeat(100_000),
        "\u{f0b}\u{f40}".repeat(100_000),
        "\u{200b}".repeat(1 << 20),
        "[MASK]".repeat(1000),
    ]);
    texts
}

/// Every embedder that is here.
fn embedders() -> Vec<Box<dyn Embedder>> {
    let mut embedders: Vec<Box<dyn Embedder>> = vec![Box::new(Hashing)];
    embedders.extend(compact().map(|model| Box::new(model) as Box<dyn Embedder>));
    embedders
}

#[test]
fn every_text_has_a_vector_of_length_1() {
    let texts = odd_texts();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for embedder in embedders() {
        let vectors = embedder.embed(&texts).unwrap();
        assert_eq!(vectors.len(), texts.len() * 384);
        for vector in vectors.chunks_exact(384) {
            let square: f32 = vector.iter().map(|x| x * x).sum();
            assert!((square - 1.0).abs() < 1e-5);
        }
        assert!(embedder.embed(&[]).unwrap().is_empty());
    }
}

#[test]
fn windows_hold_every_word_once_and_fit() {
    for embedder in embedders() {
        for text in &odd_texts() {
            let windows = embedder.windows(text).unwrap();
            let mut at = 0;
            for window in &windows {
                assert!(at <= window.start && window.start < window.end);
                assert!(text[at..window.start].chars().all(|c| c.is_whitespace() || c == '\0'));
                assert!(text.is_char_boundary(window.end));
                at = window.end;
            }
            let rest = &text[at..];
            assert!(rest.chars().all(|c| " \0\u{200b}\u{301}".contains(c)), "{} left", rest.len());
        }
    }
}

#[test]
fn windows_are_full_but_not_more() {
    let Some(model) = compact() else { return };
    for text in odd_texts() {
        let windows = model.windows(&text).unwrap();
        for window in windows.iter().step_by(windows.len() / 50 + 1) {
            // The tokens of a window stop at 256, so that one more word would not be seen.
            let tokens = model.tokens(&text[window.clone()]).unwrap();
            assert!(tokens.len() <= 256);
            let parts = model.windows(&text[window.clone()]).unwrap();
            assert_eq!(parts, std::slice::from_ref(&(0..window.len())));
        }
    }
    let sentence = "One sentence has ten words in it, or so. ";
    let text = sentence.repeat(100);
    let windows = model.windows(&text).unwrap();
    assert!(windows.len() <= 6);
    assert!(windows.iter().all(|window| text[window.clone()].ends_with("so.")));
}

#[test]
fn texts_do_not_change_each_other() {
    let Some(model) = compact() else { return };
    let long = "some words that go on ".repeat(30);
    let texts = ["a boat", &long, "", "two boats on a lake", &long[..200], "a boat"];
    let together = model.embed(&texts).unwrap();
    for (text, vector) in texts.iter().zip(together.chunks_exact(384)) {
        assert_eq!(model.embed(&[text]).unwrap(), vector, "{text}");
    }
}

#[test]
fn a_folder_without_its_files_is_refused() {
    let folder = TempDir::new().unwrap();
    for known in &KNOWN_MODELS {
        let error = Model::open(known, folder.path(), 1).err().unwrap();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Invalid, "MODEL_MISSING"));
        for file in known.files {
            std::fs::write(folder.path().join(file.name), "short").unwrap();
        }
        let error = Model::open(known, folder.path(), 1).err().unwrap();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupt, "MODEL_DAMAGED"));
    }
    assert_eq!(known_model("gpt").unwrap_err().code(), "MODEL_UNKNOWN");
}

#[test]
fn an_altered_file_is_refused_when_it_is_used() {
    for known in &KNOWN_MODELS {
        let folder = TempDir::new().unwrap();
        for file in known.files {
            std::fs::write(folder.path().join(file.name), vec![7; file.bytes as usize]).unwrap();
        }
        let model = Model::open(known, folder.path(), 1).unwrap();
        // Another handle may have the weights loaded; this one looks at its own files.
        let error = known.verify(folder.path()).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Corrupt, "MODEL_DAMAGED"));
        drop(model);
    }
}

fn pull(from: &Path, into: &Path) -> Result<u64> {
    let mut told = 0;
    known_model(COMPACT)?.pull(from.to_str().unwrap(), into, &mut |bytes| told = bytes)?;
    Ok(told)
}

#[test]
fn a_model_is_brought_whole_or_not_at_all() {
    let Some(from) = crate::model_folder() else { return };
    let known = known_model(COMPACT).unwrap();
    let (into, bad) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    assert_eq!(pull(bad.path(), into.path()).unwrap_err().code(), "MODEL_MISSING");
    let name = known.files[0].name;
    let mut bytes = std::fs::read(from.join(name)).unwrap();
    for change in ["longer", "shorter", "altered"] {
        match change {
            "longer" => bytes.push(0),
            "shorter" => bytes.truncate(bytes.len() - 2),
            _ => bytes[1 << 20] ^= 1,
        }
        std::fs::write(bad.path().join(name), &bytes).unwrap();
        let error = pull(bad.path(), into.path()).unwrap_err();
        assert_eq!(error.code(), "MODEL_DAMAGED", "{change}");
        assert_eq!(std::fs::read_dir(into.path()).unwrap().count(), 0, "{change}");
    }
    assert_eq!(pull(&from, into.path()).unwrap(), known.bytes());
    known.verify(into.path()).unwrap();
    // What is there is not brought again.
    assert_eq!(pull(bad.path(), into.path()).unwrap(), known.bytes());
}

#[test]
fn the_program_has_the_compact_model_inside() {
    let Some(built_in) = Model::built_in(1) else {
        eprintln!("skipped: this build has no model inside");
        return;
    };
    assert_eq!(built_in.model_id(), COMPACT);
    let Some(model) = compact() else { return };
    assert_eq!(built_in.embed(&["a boat"]).unwrap(), model.embed(&["a boat"]).unwrap());
}
