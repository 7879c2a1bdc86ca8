//! Files cut into rows: the same rows, however the file arrives and wherever reading goes on.

use kenning_ingest::probe::{Asking, Cut, cut};

use crate::bytes::{Pieces, array, choice};
use crate::given_as;

/// How a file arrives, taken from the front.
pub(crate) struct Arrival {
    sizes: [u8; 4],
    rows_max: usize,
    bytes_max: usize,
    part_rows_max: usize,
    /// Behind which row it is gone on with.
    resumed: usize,
}

impl Arrival {
    pub(crate) fn take(data: &mut &[u8]) -> Self {
        let sizes = array(data);
        let small = |data: &mut &[u8]| 1 + usize::from(choice(data));
        let (rows_max, bytes_max) = (small(data), small(data));
        Arrival { sizes, rows_max, bytes_max, part_rows_max: small(data), resumed: small(data) }
    }
}

/// Every row of a file.
pub(crate) fn rows(file: &[u8], delimiter: Option<u8>, arrival: &Arrival) -> Vec<Cut> {
    let (rows_max, bytes_max) = (usize::MAX, usize::MAX);
    let whole = Asking { delimiter, rows_max, bytes_max, part_rows_max: usize::MAX, from: (0, 1) };
    let Some(rows) = given_as(cut(file, whole)) else { return Vec::new() };
    check_places(&rows);

    let &Arrival { sizes, rows_max, bytes_max, part_rows_max, .. } = arrival;
    let asking = Asking { delimiter, rows_max, bytes_max, part_rows_max, from: (0, 1) };
    let pieces = || Pieces { rest: file, sizes, read: 0 };
    assert_eq!(given_as(cut(pieces(), asking)).as_ref(), Some(&rows), "pieces changed the rows");

    if let Some(place) = rows.get(arrival.resumed % rows.len().max(1)) {
        let later = Asking { from: (place.until, place.next_line), ..asking };
        let left = rows.iter().skip_while(|row| row.until <= place.until).cloned().collect();
        assert_eq!(given_as(cut(pieces(), later)), Some(left), "going on changed the rows");
    }
    rows
}

fn check_places(rows: &[Cut]) {
    for row in rows {
        assert!(row.line < row.next_line, "a row has a line");
    }
    for pair in rows.windows(2) {
        assert!(pair[0].until < pair[1].until, "rows follow each other");
        assert!(pair[0].next_line <= pair[1].line, "lines follow each other");
    }
}
