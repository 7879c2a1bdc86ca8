//! Order-preserving bytes of a scalar, for index keys: comparing bytes compares values.
//!
//! null < false < true < numbers < texts. A number is the nearest `f64`, made sortable, and what
//! is missing from it to the exact integer. So 1 and 1.0 are one key, fractions and integers sort
//! among each other, and integers beyond 2^53 stay exact: rounding never reverses an order, and
//! where it makes two integers equal, what is missing tells them apart.
//!
//! Specified in `docs/format/keys.md`.

use kenning_store::{Error, Key, KeyReader, Result};

use crate::value::Scalar;
use crate::{Json, ValueRef};

/// The most bytes of a text in an index key.
pub const INDEXED_BYTES_MAX: usize = 4096;

const NULL: u8 = 0x10;
const FALSE: u8 = 0x20;
const TRUE: u8 = 0x21;
const NUMBER: u8 = 0x30;
const TEXT: u8 = 0x40;

const NUMBER_BYTES: usize = 1 + size_of::<f64>() + size_of::<i16>();
const SIGN: u64 = 1 << 63;
const BIAS: u16 = 1 << 15;

/// Appends the ordered bytes of `value`, which must be a scalar.
///
/// ```
/// use kenning_record::order_json;
/// let key = |json: serde_json::Value| {
///     let mut bytes = Vec::new();
///     order_json(&json, &mut bytes).map(|()| bytes)
/// };
/// assert!(key(9.into())? < key(10.5.into())?);
/// assert!(key(10.5.into())? < key("1".into())?);
/// # Ok::<(), kenning_store::Error>(())
/// ```
pub fn order_json(value: &Json, target: &mut Vec<u8>) -> Result<()> {
    order(Scalar::of_json(value)?, target)
}

/// The same for a value in its bytes; the result is the same, byte for byte.
pub fn order_value(value: ValueRef<'_>, target: &mut Vec<u8>) -> Result<()> {
    order(value.scalar()?, target)
}

/// The same for a value that is only compared, and so may be longer than an indexed one.
pub fn order_compared(value: ValueRef<'_>, target: &mut Vec<u8>) -> Result<()> {
    match value.scalar()? {
        Some(Scalar::Text(text)) => {
            push_text(text, target);
            Ok(())
        }
        scalar => order(scalar, target),
    }
}

/// How many bytes the scalar at the front of `bytes` takes.
pub fn skip_ordered(bytes: &[u8]) -> Result<usize> {
    match bytes.first() {
        Some(&(NULL | FALSE | TRUE)) => Ok(1),
        Some(&NUMBER) if bytes.len() >= NUMBER_BYTES => Ok(NUMBER_BYTES),
        Some(&TEXT) => {
            let mut reader = KeyReader::raw(&bytes[1..]);
            reader.bytes()?;
            Ok(bytes.len() - reader.rest().len())
        }
        _ => Err(damaged("a value")),
    }
}

/// The scalar that `bytes` are. A number without a fraction comes back as an integer.
pub fn unorder(bytes: &[u8]) -> Result<Json> {
    let mut reader = KeyReader::raw(bytes);
    let value = match reader.u8()? {
        NULL => Json::Null,
        FALSE => Json::Bool(false),
        TRUE => Json::Bool(true),
        NUMBER => {
            let ordered = reader.u64()?;
            let bits = if ordered & SIGN == 0 { !ordered } else { ordered ^ SIGN };
            let [high, low] = [reader.u8()?, reader.u8()?];
            let missing = (u16::from_be_bytes([high, low]) ^ BIAS) as i16;
            number(f64::from_bits(bits), missing)?
        }
        TEXT => Json::String(reader.text()?),
        _ => return Err(damaged("a value")),
    };
    reader.end()?;
    Ok(value)
}

fn order(scalar: Option<Scalar<'_>>, target: &mut Vec<u8>) -> Result<()> {
    match scalar {
        Some(Scalar::Null) => target.push(NULL),
        Some(Scalar::Bool(false)) => target.push(FALSE),
        Some(Scalar::Bool(true)) => target.push(TRUE),
        Some(Scalar::Int(number)) => push_integer(number.into(), target),
        Some(Scalar::Uint(number)) => push_integer(number.into(), target),
        // Adding zero makes -0.0, which equals 0.0, the same key.
        Some(Scalar::Float(number)) => push_number(number + 0.0, 0, target),
        Some(Scalar::Text(text)) => {
            if text.len() > INDEXED_BYTES_MAX {
                let size = text.len();
                return Err(Error::exhausted(
                    "INDEX_VALUE_TOO_LARGE",
                    format!("an indexed text has {size} bytes, the most is {INDEXED_BYTES_MAX}"),
                ));
            }
            push_text(text, target);
        }
        None => {
            return Err(Error::invalid(
                "NOT_SCALAR",
                "an array or object has no place in the order of an index",
            ));
        }
    }
    Ok(())
}

fn push_text(text: &str, target: &mut Vec<u8>) {
    target.push(TEXT);
    Key::escape_into(text.as_bytes(), target);
}

fn push_integer(number: i128, target: &mut Vec<u8>) {
    let nearest = number as f64;
    let missing =
        i16::try_from(number - nearest as i128).expect("an f64 is at most 1024 off below 2^64");
    push_number(nearest, missing, target);
}

fn push_number(nearest: f64, missing: i16, target: &mut Vec<u8>) {
    let bits = nearest.to_bits();
    // Negative numbers sort downwards in their bits, and before the others.
    let ordered = if bits & SIGN == 0 { bits ^ SIGN } else { !bits };
    target.push(NUMBER);
    target.extend_from_slice(&ordered.to_be_bytes());
    target.extend_from_slice(&(missing as u16 ^ BIAS).to_be_bytes());
}

fn number(nearest: f64, missing: i16) -> Result<Json> {
    let exact = (nearest as i128).saturating_add(missing.into());
    let integer =
        i64::try_from(exact).map(Json::from).or_else(|_| u64::try_from(exact).map(Json::from));
    match integer {
        Ok(integer) if exact as f64 == nearest => Ok(integer),
        _ if missing == 0 && nearest.is_finite() => Ok(Json::from(nearest)),
        _ => Err(damaged("a number")),
    }
}

fn damaged(what: &str) -> Error {
    Error::corrupt("KEY_DAMAGED", format!("a stored index key is damaged at {what}"))
}
