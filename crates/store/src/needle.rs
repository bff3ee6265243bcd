//! Words that a text must hold, found fast: in filters, and in the lines of a block.

use memchr::memmem;

use crate::segment::{Gram, fold};

/// What a text must hold to be looked at: all words of one of several sets.
#[derive(Clone, Debug, Default)]
pub struct Needle {
    sets: Vec<Vec<Gram>>,
    /// Of each set the word that is looked for in lines. Empty: every line may be meant.
    searchers: Vec<Searcher>,
}

/// A word of printable ASCII without a backslash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its letters.
    pub text: Vec<u8>,
    /// Whether only this spelling is meant.
    pub case_matters: bool,
}

#[derive(Clone, Debug)]
enum Searcher {
    Exact(Box<memmem::Finder<'static>>),
    /// In any case: `rare` is the place of the byte that is looked for first.
    Folded {
        word: Vec<u8>,
        rare: usize,
        /// How letters outside ASCII that fold to one of the word's stand in a line.
        escapes: Vec<&'static [u8]>,
    },
}

impl Needle {
    /// Texts with all words of any of `sets`. No sets, or one without words, means all texts.
    pub fn new(sets: &[Vec<Word>]) -> Needle {
        let longest = |set: &Vec<Word>| set.iter().max_by_key(|word| word.text.len()).cloned();
        let Some(longest) = sets.iter().map(longest).collect::<Option<Vec<Word>>>() else {
            return Needle::default();
        };
        let grams = |set: &Vec<Word>| set.iter().flat_map(|w| Gram::of(&fold(&w.text))).collect();
        Needle {
            sets: sets.iter().map(grams).collect(),
            searchers: longest.iter().map(Searcher::new).collect(),
        }
    }

    /// What filters are asked for.
    pub(crate) fn sets(&self) -> &[Vec<Gram>] {
        &self.sets
    }

    /// Whether filters can tell anything.
    pub(crate) fn asks_filters(&self) -> bool {
        !self.sets.is_empty() && self.sets.iter().all(|grams| !grams.is_empty())
    }

    /// Where the lines of `text` begin that may be meant, rising; of others a few.
    pub(crate) fn candidates(&self, text: &[u8], starts: &mut Vec<usize>) {
        starts.clear();
        if self.searchers.is_empty() {
            starts.push(0);
            starts.extend(memchr::memchr_iter(b'\n', text).map(|at| at + 1));
            starts.pop_if(|last| *last == text.len());
            return;
        }
        for searcher in &self.searchers {
            searcher.lines(text, starts);
        }
        starts.sort_unstable();
        starts.dedup();
    }
}

impl Searcher {
    fn new(word: &Word) -> Searcher {
        if word.case_matters {
            return Searcher::Exact(Box::new(memmem::Finder::new(&word.text).into_owned()));
        }
        let folded = fold(&word.text);
        let rarity = |byte: &u8| COMMON.iter().position(|common| common == byte);
        let rarity = |byte: &u8| rarity(byte).unwrap_or(COMMON.len());
        let rare = (0..folded.len()).max_by_key(|&at| rarity(&folded[at])).unwrap_or(0);
        let escapes = [(b'k', &br"\xe2\x84\xaa"[..]), (b's', br"\xc5\xbf")];
        let escapes = escapes.into_iter().filter(|(letter, _)| folded.contains(letter));
        let escapes = escapes.map(|(_, escape)| escape).collect();
        Searcher::Folded { word: folded, rare, escapes }
    }

    /// Adds the beginnings of the lines with the word.
    fn lines(&self, text: &[u8], starts: &mut Vec<usize>) {
        match self {
            Searcher::Exact(finder) => each_line(text, starts, |rest| finder.find(rest)),
            Searcher::Folded { word, rare, escapes } => {
                each_line(text, starts, |rest| find_folded(rest, word, *rare));
                for escape in escapes {
                    let finder = memmem::Finder::new(escape);
                    each_line(text, starts, |rest| finder.find(rest));
                }
            }
        }
    }
}

/// Adds the beginning of each line in which `find` finds something.
fn each_line(text: &[u8], starts: &mut Vec<usize>, find: impl Fn(&[u8]) -> Option<usize>) {
    let mut from = 0;
    while let Some(found) = find(&text[from..]) {
        let at = from + found;
        starts.push(memchr::memrchr(b'\n', &text[..at]).map_or(0, |end| end + 1));
        let Some(end) = memchr::memchr(b'\n', &text[at..]) else { return };
        from = at + end + 1;
    }
}

/// Where `text` holds the folded `word` in any case.
fn find_folded(text: &[u8], word: &[u8], rare: usize) -> Option<usize> {
    let byte = *word.get(rare)?;
    let last = text.len().checked_sub(word.len())?;
    let places = memchr::memchr2_iter(byte, byte.to_ascii_uppercase(), &text[rare..=last + rare]);
    places.into_iter().find(|&at| text[at..at + word.len()].eq_ignore_ascii_case(word))
}

/// Bytes of entry lines, the commonest first.
const COMMON: &[u8] = b"0123456789, e;taoinsrcdlpumhgfb_-.:y=vwk[]x/()jqz";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(text: &str, case_matters: bool) -> Word {
        Word { text: text.as_bytes().to_vec(), case_matters }
    }

    fn found(sets: &[Vec<Word>], text: &str) -> Vec<usize> {
        let mut starts = Vec::new();
        Needle::new(sets).candidates(text.as_bytes(), &mut starts);
        starts
    }

    proptest! {
        #[test]
        fn lines_with_a_word_are_found(
            lines in proptest::collection::vec("[abkKsS ]{0,12}", 0..12),
            text in "[abks]{1,4}",
            case_matters in any::<bool>(),
        ) {
            let mut all = String::new();
            let mut expected = Vec::new();
            for line in lines {
                let line = if case_matters { line } else { line.to_lowercase() };
                if line.contains(&text) {
                    expected.push(all.len());
                }
                all.push_str(&line);
                all.push('\n');
            }
            prop_assert_eq!(found(&[vec![word(&text, case_matters)]], &all), expected);
        }
    }

    #[test]
    fn any_of_several_sets_will_do() {
        let text = "one\nTWO words\nthree\nfour\n";
        assert_eq!(found(&[vec![word("two", false)], vec![word("four", true)]], text), [4, 20]);
        assert_eq!(found(&[vec![word("two", true)]], text), [0; 0]);
    }

    #[test]
    fn without_words_every_line_is_meant() {
        assert_eq!(found(&[], "one\ntwo\n"), [0, 4]);
        assert_eq!(found(&[vec![word("two", true)], vec![]], "one\ntwo\n"), [0, 4]);
        assert!(!Needle::new(&[]).asks_filters());
        assert!(!Needle::new(&[vec![word("BUG", true)]]).asks_filters(), "too short for a gram");
        assert!(Needle::new(&[vec![word("BUG:", true)]]).asks_filters());
    }

    #[test]
    fn letters_that_fold_to_ascii_are_found_as_they_are_escaped() {
        assert_eq!(found(&[vec![word("kern", false)]], "x\n\\xe2\\x84\\xaaern\n"), [2]);
    }
}
