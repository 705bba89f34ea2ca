//! Text to token ids and back: words, punctuation and white space, with bytes to fall back on.
//!
//! A vocabulary of a fixed size, made of
//! - 256 byte tokens, ids 0 to 255, which spell out every piece that has no token of its own;
//! - the most frequent pieces that occur at least twice, by falling frequency, ties in byte order;
//! - reserved ids, if the text has too few pieces.
//!
//! A token that the text never uses, reserved or a byte, is **dead**; the others are **live**.
//! Dead tokens are what makes the recording interesting: only the softmax ever touches their
//! rows of the embedding matrix.

use std::collections::{BTreeMap, HashMap};
use std::iter;

const BYTES: usize = 256;

/// A piece seen once is spelt in bytes: one occurrence teaches a row of weights nothing.
const MIN_COUNT: usize = 2;

/// The vocabulary of one text.
pub(crate) struct Tokenizer {
    size: usize,
    /// For look-ups only: its order of iteration is random and must not reach a result.
    ids: HashMap<String, u32>,
}

impl Tokenizer {
    /// Makes the vocabulary of `size` ids for `text`.
    ///
    /// # Panics
    /// If `size` has no room for the byte tokens.
    pub(crate) fn new(text: &str, size: usize) -> Self {
        let room = size
            .checked_sub(BYTES)
            .expect("the vocabulary has room for 256 byte tokens");
        let mut counts = BTreeMap::<&str, usize>::new();
        // A piece of one byte is its byte token already.
        for piece in pieces(text).filter(|piece| piece.len() > 1) {
            *counts.entry(piece).or_default() += 1;
        }
        counts.retain(|_, count| *count >= MIN_COUNT);
        let mut ranked: Vec<_> = counts.into_iter().collect();
        // The sort is stable and the map was in byte order, so ties stay in byte order.
        ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ranked.truncate(room);

        let ids = iter::zip(ranked.into_iter().map(|(piece, _)| piece.to_owned()), 256..).collect();
        Self { size, ids }
    }

    /// The token ids of `text`.
    pub(crate) fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        for piece in pieces(text) {
            match self.ids.get(piece) {
                Some(id) => ids.push(*id),
                None => ids.extend(piece.bytes().map(u32::from)),
            }
        }
        ids
    }

    /// For every id, whether it occurs in `ids`.
    pub(crate) fn live(&self, ids: &[u32]) -> Vec<bool> {
        let mut live = vec![false; self.size];
        for &id in ids {
            live[id as usize] = true;
        }
        live
    }
}

#[derive(PartialEq)]
enum Class {
    Word,
    Space,
    Mark,
}

fn class(c: char) -> Class {
    if c.is_alphanumeric() || c == '_' {
        Class::Word
    } else if c.is_whitespace() {
        Class::Space
    } else {
        Class::Mark
    }
}

/// Splits `text` into words, runs of white space and single other characters.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = match class(first) {
            Class::Mark => first.len_utf8(),
            run => rest.find(|c| class(c) != run).unwrap_or(rest.len()),
        };
        let piece;
        (piece, rest) = rest.split_at(end);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "let total = total + one_step;\n    \
        // naïve ≠ “simple” 🧵\n    let total = one_step;\r\n\t\0 once";

    /// The pieces of the ids from 256 on.
    fn learnt(tokenizer: &Tokenizer) -> Vec<&str> {
        let mut pieces: Vec<_> = tokenizer
            .ids
            .iter()
            .map(|(piece, id)| (id, &**piece))
            .collect();
        pieces.sort_unstable();
        pieces.into_iter().map(|(_, piece)| piece).collect()
    }

    fn decode(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<u8> {
        let pieces = learnt(tokenizer);
        let mut bytes = Vec::new();
        for &id in ids {
            match u8::try_from(id) {
                Ok(byte) => bytes.push(byte),
                Err(_) => bytes.extend(pieces[id as usize - BYTES].bytes()),
            }
        }
        bytes
    }

    #[test]
    fn splits_words_spaces_and_marks() {
        let found: Vec<_> = pieces("f(x_1) =>\n\tü…").collect();
        assert_eq!(
            found,
            ["f", "(", "x_1", ")", " ", "=", ">", "\n\t", "ü", "…"]
        );
    }

    #[test]
    fn round_trips_text_inside_and_outside_the_vocabulary() {
        let tokenizer = Tokenizer::new(TEXT, 300);
        for text in [
            TEXT,
            "",
            "never seen: Übergröße 🦀\u{301}\n\n",
            "let let\tlet",
        ] {
            assert_eq!(decode(&tokenizer, &tokenizer.encode(text)), text.as_bytes());
        }
    }

    #[test]
    fn ranks_by_frequency_and_breaks_ties_in_byte_order() {
        let tokenizer = Tokenizer::new("cc bb aa bb aa dd dd dd once", 300);
        assert_eq!(learnt(&tokenizer), ["dd", "aa", "bb"]);
        assert_eq!(tokenizer.encode("dd bb"), [256, 32, 258]);
        assert_eq!(tokenizer.encode("cc"), [99, 99]);
    }

    #[test]
    fn the_vocabulary_is_cut_at_its_size() {
        let tokenizer = Tokenizer::new("aa aa bb bb cc cc cc", BYTES + 2);
        assert_eq!(learnt(&tokenizer), ["cc", "aa"]);
        assert_eq!(tokenizer.live(&[]).len(), BYTES + 2);
    }

    #[test]
    fn is_the_same_every_time() {
        let (one, two) = (Tokenizer::new(TEXT, 300), Tokenizer::new(TEXT, 300));
        assert_eq!(one.ids, two.ids);
        assert_eq!(one.encode(TEXT), two.encode(TEXT));
    }

    #[test]
    fn live_tokens_are_those_that_occur() {
        let tokenizer = Tokenizer::new("aa aa b", 300);
        let live = tokenizer.live(&tokenizer.encode("aa aa b"));
        let ids: Vec<_> = (0..live.len()).filter(|id| live[*id]).collect();
        assert_eq!(ids, [b' ' as usize, b'b' as usize, 256]);
    }
}
