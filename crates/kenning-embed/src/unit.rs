//! Vectors of length 1.

/// Scales a vector to length 1. False if it has no direction, or one that is no number.
pub(crate) fn scale(vector: &mut [f32]) -> bool {
    // In 64 bits the square of any f32 is finite and not 0.
    let square: f64 = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    if !square.is_finite() || square == 0.0 {
        return false;
    }
    let inverse = 1.0 / square.sqrt();
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) * inverse) as f32);
    true
}
