use kenning_record::{Category, Json, Schema};
use kenning_store::ErrorKind;
use serde_json::json;

use crate::refused;

fn person() -> Schema {
    Schema::parse(&json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "born": {"type": "integer", "minimum": 0},
            "email": {"type": "string", "pattern": "^[^@]+@[^@]+$"},
            "role": {"enum": ["engineer", "poet"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "address": {"type": "object", "properties": {"zip.code": {"type": "string"}}},
        },
        "required": ["name"],
        "additionalProperties": false,
        "x-kenning": {
            "key": "name", "indexed": ["born", "address.city", ["role", "born"]],
            "unique": ["email"], "category": "agents", "version": 2,
        },
    }))
    .unwrap()
}

#[test]
fn a_schema_names_key_indexes_and_category() {
    let schema = person();
    assert_eq!(schema.key.as_ref().unwrap().to_string(), "name");
    let indexes: Vec<(String, bool)> = schema
        .indexes
        .iter()
        .map(|index| {
            let paths: Vec<_> = index.paths.iter().map(|path| path.to_string()).collect();
            (paths.join("+"), index.unique)
        })
        .collect();
    let expected =
        [("email", true), ("born", false), ("address.city", false), ("role+born", false)];
    assert_eq!(indexes, expected.map(|(paths, unique)| (paths.to_owned(), unique)));
    assert_eq!(schema.category, Category::Agents);
    assert_eq!(Schema::parse(&schema.json).unwrap().indexes, schema.indexes);
    assert_eq!(Schema::default().category, Category::User);
}

#[test]
fn a_violation_names_field_and_rule() {
    let check = |document: Json, field: &str, rule: &str| {
        let message = refused(person().validate(&document), ErrorKind::Invalid, "SCHEMA_VIOLATION");
        assert!(message.contains(field), "{message}");
        assert!(message.contains(&format!("rule '{rule}'")), "{message}");
        assert!(message.len() < 250, "{message}");
    };
    person().validate(&json!({"name": "Ada", "tags": ["x"], "address": {"street": 1}})).unwrap();
    check(json!({}), "field 'name'", "required");
    check(json!({"name": 1}), "field 'name'", "type");
    check(json!({"name": ""}), "field 'name'", "minLength");
    check(json!({"name": "A", "born": -1}), "field 'born'", "minimum");
    check(json!({"name": "A", "email": "nobody"}), "field 'email'", "pattern");
    check(json!({"name": "A", "role": "x".repeat(999)}), "field 'role'", "enum");
    check(json!({"name": "A", "tags": ["a", 2]}), "field 'tags.1'", "type");
    check(json!({"name": "A", "address": {"zip.code": 2}}), r"field 'address.zip\.code'", "type");
    check(json!({"name": "A", "shoe": 1}), "field 'shoe'", "additionalProperties");
    check(json!({"name": "A", "x".repeat(500): 1}), "field 'xxx", "additionalProperties");
}

#[test]
fn a_violation_shows_hardly_any_content() {
    let secret = "secret ".repeat(100);
    let rules = [
        json!({"type": "integer"}),
        json!({"enum": [1]}),
        json!({"const": 1}),
        json!({"pattern": "^x"}),
        json!({"maxLength": 3}),
        json!({"not": {"type": "string"}}),
        json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        json!(false),
        json!({"oneOf": [{"type": "string"}, {"minLength": 1}]}),
    ];
    for rule in rules {
        let schema = Schema::parse(&json!({"properties": {"a": rule}})).unwrap();
        let result = schema.validate(&json!({"a": secret}));
        let message = refused(result, ErrorKind::Invalid, "SCHEMA_VIOLATION");
        assert!(!message.contains("secret"), "{message}");
    }
    let schema = Schema::parse(&json!({"propertyNames": {"maxLength": 3}})).unwrap();
    let document = json!({secret: 1});
    let message = refused(schema.validate(&document), ErrorKind::Invalid, "SCHEMA_VIOLATION");
    assert!(message.matches("secret").count() <= 12, "{message}");
}

#[test]
fn records_are_objects_whatever_the_schema() {
    for schema in [Schema::default(), person()] {
        for document in [json!(null), json!([]), json!("x"), json!(3)] {
            refused(schema.validate(&document), ErrorKind::Invalid, "NOT_AN_OBJECT");
        }
    }
    Schema::default().validate(&json!({"any": ["thing", {"at": "all"}]})).unwrap();
    // Notes alone forbid nothing.
    let noted = Schema::parse(&json!({"title": "T", "x-kenning": {"indexed": ["a"]}})).unwrap();
    noted.validate(&json!({"a": {}})).unwrap();
    assert_eq!(noted.indexes.len(), 1);
}

#[test]
fn what_is_no_schema_is_refused() {
    let schemas = [
        json!(true),
        json!([]),
        json!("x"),
        json!({"type": "text"}),
        json!({"required": "name"}),
        json!({"properties": {"a": {"minimum": "1"}}}),
        json!({"properties": {"a": {"pattern": "("}}}),
        json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
        json!({"$schema": 7}),
        json!({"$ref": "#/$defs/missing"}),
        json!({"title": 7}),
    ];
    for schema in schemas {
        let message = refused(Schema::parse(&schema), ErrorKind::Invalid, "SCHEMA_MALFORMED");
        assert!(message.len() < 300, "{message}");
    }
    let deep = (0..70).fold(json!({}), |schema, _| json!({"not": schema}));
    refused(Schema::parse(&deep), ErrorKind::Exhausted, "TOO_DEEP");
}

#[test]
fn a_reference_stays_in_the_document() {
    let schema = Schema::parse(&json!({
        "properties": {"a": {"$ref": "#/$defs/small"}, "child": {"$ref": "#"}},
        "$defs": {"small": {"maximum": 9}},
    }))
    .unwrap();
    schema.validate(&json!({"a": 9, "child": {"a": 1}})).unwrap();
    let result = schema.validate(&json!({"child": {"child": {"a": 10}}}));
    let message = refused(result, ErrorKind::Invalid, "SCHEMA_VIOLATION");
    assert!(message.contains("field 'child.child.a'"), "{message}");
    let places = [
        "https://example.com/schema.json",
        "http://127.0.0.1:1/x",
        "file:///etc/hostname",
        "other.json",
        "../x",
        "urn:example:x",
        "json-schema:///other",
    ];
    for place in places {
        for keyword in ["$ref", "$dynamicRef"] {
            let schema = json!({"properties": {"a": {keyword: place}}});
            refused(Schema::parse(&schema), ErrorKind::Invalid, "SCHEMA_MALFORMED");
        }
    }
    let endless = Schema::parse(&json!({"$ref": "#"}));
    if let Ok(schema) = endless {
        let _ = schema.validate(&json!({"a": 1}));
    }
}

#[test]
fn an_unknown_member_is_refused_with_a_suggestion() {
    let check = |extension: Json, expected: &str| {
        let schema = json!({"x-kenning": extension});
        let message = refused(Schema::parse(&schema), ErrorKind::Invalid, "SCHEMA_UNKNOWN");
        assert!(message.contains(expected), "{message}");
    };
    check(json!({"indexd": ["a"]}), "'indexd'; did you mean 'indexed'?");
    check(json!({"Unique": ["a"]}), "did you mean 'unique'?");
    check(json!({"colour": "red"}), "there are key, indexed");
    check(json!({"vectors": {"v": {"dimension": 3}}}), "did you mean 'dimensions'?");
}

#[test]
fn a_wrong_shape_names_its_member() {
    let check = |extension: Json, member: &str| {
        let schema = json!({"x-kenning": extension});
        let message = refused(Schema::parse(&schema), ErrorKind::Invalid, "SCHEMA_MALFORMED");
        assert!(message.starts_with(member), "{message}");
    };
    check(json!([]), "x-kenning is");
    check(json!({"key": ["a"]}), "x-kenning.key is");
    check(json!({"key": "a..b"}), "x-kenning.key is");
    check(json!({"indexed": "a"}), "x-kenning.indexed is");
    check(json!({"indexed": ["a", 2]}), "x-kenning.indexed[1] is");
    check(json!({"indexed": ["a", ["b", {}]]}), "x-kenning.indexed[1][1] is");
    check(json!({"indexed": [[]]}), "x-kenning.indexed[0] has 0 paths");
    check(json!({"indexed": [["a", "b", "c", "d", "e", "f", "g"]]}), "x-kenning.indexed[0] has 7");
    check(json!({"indexed": [["a", "a"]]}), "x-kenning.indexed[0] has a path twice");
    check(json!({"indexed": ["a", ["a"]]}), "x-kenning.indexed[1] is there twice");
    check(json!({"unique": {"a": 1}}), "x-kenning.unique is");
    check(json!({"embed": "a"}), "x-kenning.embed is");
    check(json!({"embed_alt": [1]}), "x-kenning.embed_alt[0] is");
    check(json!({"model": 1}), "x-kenning.model is");
    check(json!({"model_alt": ""}), "x-kenning.model_alt is");
    check(json!({"words": [""]}), "x-kenning.words[0] is");
    check(json!({"vectors": []}), "x-kenning.vectors is");
    check(json!({"vectors": {"v": {}}}), "x-kenning.vectors.v has no dimensions");
    check(json!({"vectors": {"v": {"dimensions": 0}}}), "x-kenning.vectors.v has no dimensions");
    let metric = json!({"vectors": {"v": {"dimensions": 3, "metric": "taxi"}}});
    check(metric, "x-kenning.vectors.v.metric is");
    check(json!({"links": {}}), "x-kenning.links is");
    check(json!({"links": [3]}), "x-kenning.links[0] is");
    check(json!({"claims": []}), "x-kenning.claims is");
    check(json!({"synonyms": {"a": "b"}}), "x-kenning.synonyms.a is");
    check(json!({"category": "private"}), "x-kenning.category is");
    check(json!({"version": {}}), "x-kenning.version is");
}

#[test]
fn every_member_is_known_and_kept() {
    let json = json!({"x-kenning": {
        "key": "name", "indexed": ["a"], "unique": ["b", "a"], "embed": ["text"],
        "embed_alt": ["text"], "model": "m", "model_alt": "n", "words": ["title", "a.b"],
        "vectors": {"v": {"dimensions": 384, "metric": "cosine", "model": "m"}},
        "links": ["knows", {"type": "wrote"}], "claims": {"born": {}},
        "synonyms": {"ml": ["machine learning"]}, "category": "public", "version": "1.2.0",
    }});
    let schema = Schema::parse(&json).unwrap();
    assert_eq!(schema.json, json);
    assert_eq!(schema.indexes.len(), 2, "a unique index also finds");
}

#[test]
fn a_schema_is_shared_between_threads() {
    fn check<T: Send + Sync>() {}
    check::<Schema>();
}
