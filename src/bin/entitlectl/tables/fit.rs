//! Making a table as narrow as a terminal: addresses and hashes are shortened first, then long texts, then the last columns are
//! left out. A word is never broken over two lines.

use crate::words;

/// Between two columns.
const GAP: usize = 2;
/// A text is cut to no less than this, before and after columns were left out.
const LONG: usize = 28;
const SHORT: usize = 12;
/// As many columns always stay: what it is, and what there is to say of it.
const STAY: usize = 2;

/// `rows` as they fit into `width`; the first row is the heading. Where columns were asked for by name, all of them stay.
pub(super) fn fitted(
    mut rows: Vec<Vec<String>>,
    width: usize,
    keeps_all: bool,
) -> Vec<Vec<String>> {
    if total(&rows) <= width {
        return rows;
    }
    for row in rows.iter_mut().skip(1) {
        for cell in row.iter_mut() {
            *cell = words::shortened(cell);
        }
    }
    cut(&mut rows, width, LONG);
    while !keeps_all && total(&rows) > width && rows[0].len() > STAY {
        rows.iter_mut().for_each(|row| {
            row.pop();
        });
    }
    cut(&mut rows, width, SHORT);
    rows
}

/// Rows as lines whose columns stand below each other.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let widths = widths(rows);
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let missing = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(missing + GAP))
        });
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Takes from the widest column what is too much, but leaves `least` of it.
fn cut(rows: &mut [Vec<String>], width: usize, least: usize) {
    loop {
        let widths = widths(rows);
        let Some(excess) = total(rows).checked_sub(width).filter(|it| *it > 0) else { return };
        // The first column says what the row is about, and goes last.
        let rest = widths.iter().enumerate().skip(1).filter(|(_, it)| **it > least);
        let Some((column, &widest)) = rest.max_by_key(|(_, it)| **it) else { return };
        let to = widest.saturating_sub(excess).max(least);
        for row in rows.iter_mut() {
            if let Some(cell) = row.get_mut(column) {
                *cell = words::cut(cell, to);
            }
        }
    }
}

fn widths(rows: &[Vec<String>]) -> Vec<usize> {
    let columns = rows.first().map_or(0, Vec::len);
    let width =
        |at: usize| rows.iter().filter_map(move |it| it.get(at)).map(|it| it.chars().count());
    (0..columns).map(|at| width(at).max().unwrap_or(0)).collect()
}

fn total(rows: &[Vec<String>]) -> usize {
    let widths = widths(rows);
    widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
}

#[cfg(test)]
mod tests;
