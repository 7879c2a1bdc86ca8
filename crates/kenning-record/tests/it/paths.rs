use kenning_record::Path;
use kenning_store::ErrorKind;
use proptest::prelude::*;
use serde_json::json;

use crate::refused;

fn found(path: &str, json: &serde_json::Value) -> Vec<serde_json::Value> {
    let mut found = Vec::new();
    let path: Path = path.parse().unwrap();
    path.visit(json, &mut |value| {
        found.push(value.clone());
        Ok(())
    })
    .unwrap();
    found
}

#[test]
fn a_path_meets_every_element() {
    let json = json!({
        "name": "Ada", "a.b": 1, "address": {"city": "London"}, "tags": ["x", ["y", []], "z"],
        "people": [{"name": "A"}, {"nick": "B"}, "C", {"name": ["D", "E"]}], "none": [],
    });
    assert_eq!(found("name", &json), [json!("Ada")]);
    assert_eq!(found(r"a\.b", &json), [json!(1)]);
    assert_eq!(found("address.city", &json), [json!("London")]);
    assert_eq!(found("address", &json), [json!({"city": "London"})]);
    assert_eq!(found("tags", &json), [json!("x"), json!("y"), json!("z")]);
    assert_eq!(found("people.name", &json), [json!("A"), json!("D"), json!("E")]);
    for path in ["none", "missing", "name.first", "a.b", "address.city.x"] {
        assert!(found(path, &json).is_empty(), "{path}");
    }
    let one: Path = "people".parse().unwrap();
    assert!(one.get(&json).unwrap().is_array(), "one value is taken as it is");
    assert_eq!("people.name".parse::<Path>().unwrap().get(&json), None);
}

#[test]
fn a_path_without_steps_is_refused() {
    let deep = vec!["a"; 65].join(".");
    for path in ["", ".", "a.", ".a", "a..b", r"a\", r"a\b", &deep] {
        refused(path.parse::<Path>(), ErrorKind::Invalid, "PATH_MALFORMED");
    }
}

proptest! {
    #[test]
    fn a_path_reads_back_as_it_was_written(
        steps in prop::collection::vec(r"[a\\. ]{1,4}|\PC{1,4}", 1..5),
    ) {
        let path = Path { steps };
        prop_assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
    }
}
