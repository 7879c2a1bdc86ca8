//! A row at its distance, as one number: what heaps and sorts compare is then one instruction.

use kenning_index::Near;

/// A row at its distance. Less is nearer; of equal ones, the one with the lower number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot(u64);

impl Spot {
    /// `distance` is a number.
    pub(crate) fn new(distance: f32, row: u32) -> Self {
        // Minus zero is zero.
        let bits = (distance + 0.0).to_bits();
        // Turned so that the bits sort as the floats do.
        let ordered = bits ^ if bits >> 31 == 1 { u32::MAX } else { 1 << 31 };
        Spot(u64::from(ordered) << 32 | u64::from(row))
    }

    pub(crate) fn row(self) -> u32 {
        self.0 as u32
    }

    pub(crate) fn distance(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        f32::from_bits(ordered ^ if ordered >> 31 == 1 { 1 << 31 } else { u32::MAX })
    }
}

impl From<Spot> for Near {
    fn from(spot: Spot) -> Self {
        Near { row: spot.row(), distance: spot.distance() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_sort_as_distances_do() {
        let distances = [f32::NEG_INFINITY, -3.5, -1e-40, 0.0, 1e-40, 1.0, 2.5, f32::INFINITY];
        let spots: Vec<Spot> = distances.iter().map(|d| Spot::new(*d, 7)).collect();
        assert!(spots.is_sorted());
        for (spot, distance) in spots.iter().zip(distances) {
            assert_eq!((spot.distance(), spot.row()), (distance, 7));
        }
        assert_eq!(Spot::new(-0.0, 1), Spot::new(0.0, 1));
        assert!(Spot::new(1.0, 1) < Spot::new(1.0, 2));
    }
}
