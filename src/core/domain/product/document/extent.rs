//! How large the tree of a TOML text would be, counted before anything is built.
//!
//! A value takes some hundred bytes, a table some thousand, and two bytes of text are enough to ask for either. The
//! TOML reader bounds only how deep brackets nest, and builds what it can of a text with mistakes. So the same parser
//! goes over the text first, and what it finds is counted and not kept.

use toml_parser::decoder::Encoding;
use toml_parser::lexer::Token;
use toml_parser::parser::{EventReceiver, RecursionGuard};
use toml_parser::{ErrorSink, ParseError, Source, Span};

/// Keys have at most so many parts; the deepest of ours are `tiers.NAME.features.NAME` and `tiers.NAME.price.amount`.
const MOST_KEY_PARTS: usize = 4;
/// A product may have a thousand grants, a hundred tiers and their features.
const MOST_TABLES: usize = 4_096;
/// A product may list ten thousand ids besides.
const MOST_VALUES: usize = 32_768;
/// How deep brackets nest before the parser leaves out what is in them, as the TOML reader has it.
const DEEPEST: u32 = 80;

/// What goes over a text: for a document, or for one value.
pub(super) type Parse = fn(&[Token], &mut dyn EventReceiver, &mut dyn ErrorSink);

/// The line at which a text asks for too much, and what would be right.
pub(super) fn excess(text: &str, parse: Parse) -> Option<(usize, String)> {
    let tokens = Source::new(text).lex().into_vec();
    let mut extent = Extent::default();
    // Mistakes are found again, and told, by whoever builds the tree.
    parse(&tokens, &mut RecursionGuard::new(&mut extent, DEEPEST), &mut |_: ParseError| {});
    let (at, message) = extent.excess?;
    let before = text.bytes().take(at).filter(|it| *it == b'\n').count();
    Some((before + 1, message))
}

#[derive(Default)]
struct Extent {
    /// Parts of the key at hand, but its first.
    dots: usize,
    tables: usize,
    /// And keys, which may stand without a value where there is a mistake.
    values: usize,
    excess: Option<(usize, String)>,
}

impl Extent {
    fn table(&mut self, span: Span) {
        self.dots = 0;
        self.tables += 1;
        if self.tables > MOST_TABLES {
            self.exceeds(span, || format!("more than {MOST_TABLES} tables"));
        }
    }

    fn value(&mut self, span: Span) {
        self.values += 1;
        if self.values > MOST_VALUES {
            self.exceeds(span, || format!("more than {MOST_VALUES} keys and values"));
        }
    }

    fn exceeds(&mut self, span: Span, message: impl FnOnce() -> String) {
        if self.excess.is_none() {
            self.excess = Some((span.start(), message()));
        }
    }
}

impl EventReceiver for Extent {
    fn std_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.table(span);
    }

    fn array_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) {
        self.table(span);
        self.value(span);
    }

    fn inline_table_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.table(span);
        true
    }

    fn array_open(&mut self, span: Span, _: &mut dyn ErrorSink) -> bool {
        self.value(span);
        true
    }

    fn simple_key(&mut self, span: Span, _: Option<Encoding>, _: &mut dyn ErrorSink) {
        self.value(span);
    }

    /// A dot: one more table, to hold what follows.
    fn key_sep(&mut self, span: Span, _: &mut dyn ErrorSink) {
        let dots = self.dots + 1;
        self.table(span);
        self.dots = dots;
        if dots >= MOST_KEY_PARTS {
            self.exceeds(span, || format!("a key may have at most {MOST_KEY_PARTS} parts"));
        }
    }

    fn key_val_sep(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.dots = 0;
    }

    fn scalar(&mut self, span: Span, _: Option<Encoding>, _: &mut dyn ErrorSink) {
        self.value(span);
    }

    fn value_sep(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.dots = 0;
    }

    fn newline(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.dots = 0;
    }
}

#[cfg(test)]
mod tests;
