//! Every key of the store: what is taken apart and put together is the same key, and keys sort as
//! what they mean.

use std::cmp::Ordering;

use kenning_index::values;
use kenning_record::{Json, keys, order_json, skip_ordered, unorder};

use crate::bytes::{array, choice, part};
use crate::stored_as;

/// Takes a key apart in every way; what made sense makes the same key.
pub(crate) fn every_key(data: &[u8]) {
    let again = |made: Option<Vec<u8>>| {
        if let Some(made) = made {
            assert_eq!(made, data, "a key was put together otherwise");
        }
    };
    again(stored_as(keys::meta_split(data)).map(|name| keys::meta(&name)));
    again(stored_as(keys::backup_split(data)).map(|(folder, n)| keys::backup(&folder, n)));
    again(
        stored_as(keys::sweep_split(data)).map(|(t, table, id)| keys::sweep(t, table, id.as_ref())),
    );
    again(stored_as(keys::tenant_sweep_split(data)).map(keys::tenant_sweep));
    again(
        stored_as(keys::index_work_split(data)).map(|(t, table, i)| keys::index_work(t, table, i)),
    );
    again(stored_as(keys::purge_split(data)).map(|(t, table, id)| keys::purge(t, table, &id)));
    again(stored_as(keys::clock_split(data)).map(keys::clock));
    again(stored_as(keys::outcome_split(data)).map(|(t, id)| keys::outcome(t, &id)));
    again(stored_as(keys::watermark_split(data)).map(|(t, name)| keys::watermark(t, &name)));
    again(stored_as(keys::mark_split(data)).map(|(t, table, id)| keys::mark(t, table, &id)));
    again(stored_as(keys::record_split(data)).map(|(t, n, id)| keys::record(t, n, &id).to_vec()));
    again(stored_as(keys::birth_split(data)).map(|(t, table, id)| keys::birth(t, table, &id)));
    again(stored_as(keys::name_split(data)).map(|key| match key.alias_of {
        None => keys::name_key(key.tenant, &key.normal, key.table),
        Some(id) => keys::name_alias(key.tenant, &key.normal, key.table, &id),
    }));
    again(
        stored_as(keys::link_split(data))
            .map(|key| keys::link(key.tenant, key.direction, key.near, &key.kind, key.far)),
    );
    again(stored_as(keys::history_split(data)).map(|(live, until)| keys::history(live, until)));
    again(stored_as(keys::log_split(data)).map(|(tenant, version)| keys::log(tenant, version)));
    for n_values in 0..4 {
        again(stored_as(keys::field_split(data, n_values)).map(|key| {
            stored_as(values(key.values));
            keys::field(key.tenant, key.table, key.index, key.values, key.id.as_ref())
        }));
    }
}

/// Reads values of an index; what made sense has the same place in the order.
pub(crate) fn ordered(data: &[u8]) {
    if let Some(size) = stored_as(skip_ordered(data)) {
        assert!(size <= data.len(), "a value is longer than its bytes");
    }
    stored_as(values(data));
    if let Some(value) = stored_as(unorder(data)) {
        let mut bytes = Vec::new();
        // A text of a damaged key may be longer than one that is indexed.
        if order_json(&value, &mut bytes).is_ok() {
            assert_eq!(stored_as(unorder(&bytes)).as_ref(), Some(&value), "{value}");
        }
    }
}

/// Two scalars sort as their bytes do.
pub(crate) fn order(mut data: &[u8]) {
    let (left, right) = (Scalar::take(&mut data), Scalar::take(&mut data));
    let bytes = |scalar: &Scalar| {
        let mut bytes = Vec::new();
        crate::given_as(order_json(&scalar.json(), &mut bytes)).map(|()| bytes)
    };
    let (Some(left_bytes), Some(right_bytes)) = (bytes(&left), bytes(&right)) else { return };
    assert_eq!(left_bytes.cmp(&right_bytes), left.cmp(&right), "{left:?} and {right:?}");
    let both = [left_bytes.as_slice(), &right_bytes].concat();
    assert_eq!(stored_as(skip_ordered(&both)), Some(left_bytes.len()), "{left:?}");
    assert_eq!(stored_as(values(&both)).map(|values| values.len()), Some(2));
}

/// A scalar, with an order of its own that has nothing of the bytes.
#[derive(Debug)]
enum Scalar {
    Null,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
}

impl Scalar {
    fn take(data: &mut &[u8]) -> Scalar {
        match choice(data) % 6 {
            0 => Scalar::Null,
            1 => Scalar::Bool(choice(data) % 2 == 1),
            2 => Scalar::Integer(i64::from_le_bytes(array(data)).into()),
            3 => Scalar::Integer(u64::from_le_bytes(array(data)).into()),
            4 => Scalar::Float(
                Some(f64::from_le_bytes(array(data))).filter(|n| n.is_finite()).unwrap_or(0.5),
            ),
            _ => Scalar::Text(String::from_utf8_lossy(part(data)).into_owned()),
        }
    }

    fn json(&self) -> Json {
        match self {
            Scalar::Null => Json::Null,
            Scalar::Bool(truth) => (*truth).into(),
            Scalar::Integer(number) => i64::try_from(*number)
                .map(Json::from)
                .or_else(|_| u64::try_from(*number).map(Json::from))
                .expect("it was made of 64 bits"),
            Scalar::Float(number) => (*number).into(),
            Scalar::Text(text) => text.as_str().into(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Scalar::Null => 0,
            Scalar::Bool(_) => 1,
            Scalar::Integer(_) | Scalar::Float(_) => 2,
            Scalar::Text(_) => 3,
        }
    }

    fn cmp(&self, other: &Scalar) -> Ordering {
        match (self, other) {
            (Scalar::Bool(left), Scalar::Bool(right)) => left.cmp(right),
            (Scalar::Integer(left), Scalar::Integer(right)) => left.cmp(right),
            (Scalar::Integer(left), Scalar::Float(right)) => compare(*left, *right),
            (Scalar::Float(left), Scalar::Integer(right)) => compare(*right, *left).reverse(),
            (Scalar::Float(left), Scalar::Float(right)) => {
                left.partial_cmp(right).expect("finite numbers compare")
            }
            (Scalar::Text(left), Scalar::Text(right)) => left.as_bytes().cmp(right.as_bytes()),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// An integer of 65 bits and a fraction, exactly.
fn compare(integer: i128, float: f64) -> Ordering {
    // Beyond these a fraction is larger than every integer here, and the cast would saturate.
    if float.abs() >= 1e30 {
        return if float > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let whole = float.trunc() as i128;
    integer.cmp(&whole).then_with(|| 0.0f64.partial_cmp(&float.fract()).expect("it is finite"))
}
