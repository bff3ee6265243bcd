//! `fields` of a record: keys in wire order, each once; a repeated key keeps all its values.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

/// Pairs of key and value, as the record carries them.
pub(super) struct Fields<'a>(pub(super) &'a [(Vec<u8>, Vec<u8>)]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, values) in self.grouped() {
            match values.as_slice() {
                [value] => map.serialize_entry(&key, value)?,
                values => map.serialize_entry(&key, values)?,
            }
        }
        map.end()
    }
}

impl Fields<'_> {
    /// Each key with its values. Keys that are the same once invalid UTF-8 is replaced are the
    /// same key. Linear in the number of pairs, which the sender chooses.
    fn grouped(&self) -> Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> {
        let mut places = HashMap::with_capacity(self.0.len());
        let mut grouped: Vec<(Cow<'_, str>, Vec<Cow<'_, str>>)> = Vec::with_capacity(self.0.len());
        for (key, value) in self.0 {
            let key = String::from_utf8_lossy(key);
            let value = String::from_utf8_lossy(value);
            let place = *places.entry(key.clone()).or_insert(grouped.len());
            match grouped.get_mut(place) {
                Some((_, values)) => values.push(value),
                None => grouped.push((key, vec![value])),
            }
        }
        grouped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&[u8], &[u8])], json: &str) {
        let pairs: Vec<_> = pairs.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        assert_eq!(serde_json::to_string(&Fields(&pairs)).unwrap(), json);
    }

    #[test]
    fn keys_keep_the_order_of_the_wire() {
        check(&[], "{}");
        check(&[(b"zeta", b"1"), (b"alpha", b"2")], r#"{"zeta":"1","alpha":"2"}"#);
    }

    #[test]
    fn a_repeated_key_keeps_all_its_values_at_its_first_place() {
        check(
            &[(b"cpu", b"0"), (b"x", b""), (b"cpu", b"77"), (b"cpu", b"0")],
            r#"{"cpu":["0","77","0"],"x":""}"#,
        );
    }

    #[test]
    fn keys_alike_once_invalid_bytes_are_replaced_are_one_key() {
        check(&[(b"\xff", b"1"), (b"\xfe", b"\xfd")], "{\"\u{fffd}\":[\"1\",\"\u{fffd}\"]}");
    }
}
