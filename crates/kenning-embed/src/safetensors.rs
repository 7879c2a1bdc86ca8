//! Weights as they are published: a length, a header in JSON that names tensors and where they are,
//! and their numbers.

use std::collections::HashMap;
use std::ops::Range;

use kenning_store::{Bytes, Error, Result};
use serde_json::Value;

/// Bytes of a header. That of this model has 12 thousand.
const HEADER_BYTES_MAX: u64 = 1 << 20;

/// The tensors of a file.
pub(crate) struct Tensors {
    numbers: Bytes,
    tensors: HashMap<String, (Vec<u64>, Range<usize>)>,
}

impl Tensors {
    /// Reads the header.
    pub(crate) fn read(file: Bytes) -> Result<Self> {
        let size = file.first_chunk().map(|size| u64::from_le_bytes(*size));
        let size = size.filter(|size| *size <= HEADER_BYTES_MAX).ok_or_else(|| damaged("size"))?;
        let until = 8 + size as usize;
        let header = file.get(8..until).ok_or_else(|| damaged("size"))?;
        let header: HashMap<String, Value> =
            serde_json::from_slice(header).map_err(|e| damaged("JSON").because(e))?;
        let numbers = file.slice(until..);
        let mut tensors = HashMap::new();
        for (name, tensor) in header {
            if name != "__metadata__" && tensor["dtype"] == "F32" {
                let tensor = entry(&tensor, numbers.len()).ok_or_else(|| damaged(&name))?;
                tensors.insert(name, tensor);
            }
        }
        Ok(Tensors { numbers, tensors })
    }

    /// The numbers of a tensor that has this shape.
    pub(crate) fn tensor(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let (has, range) = self.tensors.get(name).ok_or_else(|| damaged(name))?;
        let size: usize = shape.iter().product();
        if !has.iter().copied().eq(shape.iter().map(|size| *size as u64)) || range.len() != 4 * size
        {
            return Err(damaged(name));
        }
        let (numbers, _) = self.numbers[range.clone()].as_chunks();
        let numbers: Vec<f32> = numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(damaged(name))
        }
    }
}

/// Shape and place of a tensor, if it lies within `size` bytes.
fn entry(tensor: &Value, size: usize) -> Option<(Vec<u64>, Range<usize>)> {
    let numbers = |name: &str| -> Option<Vec<u64>> {
        tensor[name].as_array()?.iter().map(Value::as_u64).collect()
    };
    let (shape, place) = (numbers("shape")?, numbers("data_offsets")?);
    let [from, until] = place.try_into().ok()?;
    let range = usize::try_from(from).ok()?..usize::try_from(until).ok()?;
    (range.start <= range.end && range.end <= size).then_some((shape, range))
}

fn damaged(what: &str) -> Error {
    Error::corrupt("MODEL_DAMAGED", format!("the weights have no sound '{what}'"))
}
