//! What a webhook is sent: JSON with gaps for what is known of the incident.
//!
//! What fills a gap was written by kernels and whoever gives names there: it is made harmless as
//! for a terminal, then escaped as JSON wants it, so that no value ends its string.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::render::incident::harmless;

/// A text with gaps: `{{title}}`, or `{{title|html}}` where `&`, `<` and `>` would act.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Piece {
    Text(String),
    Gap {
        key: String,
        html: bool,
        /// Outside of strings, where a number stands.
        #[serde(default)]
        alone: bool,
    },
    /// The whole object.
    Json,
}

/// What can be asked for: keys of the incident's JSON, of a digest's, and the frames in lines.
const KEYS: [&str; 23] = [
    "rule",
    "id",
    "title",
    "kind",
    "severity",
    "voice",
    "host",
    "boot",
    "release",
    "function",
    "file",
    "command",
    "state",
    "note",
    "count",
    "machines",
    "releases",
    "received",
    "first_seen",
    "last_seen",
    "fingerprint",
    "trace",
    "lines",
];

impl Template {
    /// Reads it; with any values in its gaps it must be JSON.
    pub fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let (mut rest, mut alone) = (text, true);
        while let Some((before, behind)) = rest.split_once("{{") {
            let (gap, after) = behind.split_once("}}").ok_or("a `{{` without `}}`")?;
            alone ^= quotes(before) % 2 == 1;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(piece(gap.trim(), alone)?);
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let template = Template(pieces);
        // With quotes in them, an object that stands in a string ends that, and a value that is no
        // number can't stand alone.
        let value = |key: &str| match key {
            "boot" | "count" => Value::from(1),
            _ => Value::from("\""),
        };
        let all = KEYS.map(|key| (key.to_owned(), value(key))).into_iter().collect();
        template.must_be_json(&all, "")?;
        let nothing = Value::Object(serde_json::Map::new());
        template.must_be_json(&nothing, " where {{count}} or {{boot}} is null")?;
        Ok(template)
    }

    fn must_be_json(&self, object: &Value, when: &str) -> Result<(), String> {
        let read = serde_json::from_str::<Value>(&self.fill(object));
        read.map(drop).map_err(|error| format!("the template makes no JSON{when}: {error}"))
    }

    /// Fills the gaps from this object; what it lacks is empty, or `null` where a number stands.
    pub fn fill(&self, object: &Value) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Json => harmless_json(object),
            Piece::Gap { key, alone: true, .. } if object.get(key).is_none_or(Value::is_null) => {
                "null".to_owned()
            }
            Piece::Gap { key, html, .. } => {
                let words = words(object.get(key));
                escaped(&if *html { without_markup(&words) } else { words })
            }
        };
        self.0.iter().map(piece).collect()
    }
}

/// How many quotes begin or end a string.
fn quotes(text: &str) -> usize {
    let mut escaped = false;
    let ends = |byte: &u8| {
        let counts = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        counts
    };
    text.as_bytes().iter().copied().filter(ends).count()
}

fn piece(gap: &str, alone: bool) -> Result<Piece, String> {
    let (key, html) = match gap.split_once('|') {
        Some((key, filter)) if filter.trim() == "html" => (key.trim(), true),
        Some(_) => return Err(format!("{{{{{gap}}}}}: the only word behind | is html")),
        None => (gap, false),
    };
    match key {
        "json" => Ok(Piece::Json),
        key if KEYS.contains(&key) => Ok(Piece::Gap { key: key.to_owned(), html, alone }),
        _ => Err(format!("{{{{{gap}}}}}: give json or one of {}", KEYS.join(", "))),
    }
}

/// What a person would read.
fn words(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => cut(harmless(text)),
        Some(Value::Array(values)) => {
            let frame = |value: &Value| value.get("function").cloned();
            let words = |value: &Value| words(Some(&frame(value).unwrap_or_else(|| value.clone())));
            values.iter().take(LIST).map(words).collect::<Vec<String>>().join("\n")
        }
        Some(other) => other.to_string(),
    }
}

/// No more of it than receivers take: Discord refuses a message of more than 2,000 characters,
/// PagerDuty a summary of more than 1,024, and what a kernel says as it dies may be garbage.
fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn without_markup(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// As it stands between the quotes of a JSON string.
fn escaped(words: &str) -> String {
    let quoted = Value::from(words).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

fn harmless_json(object: &Value) -> String {
    let mut out = Vec::new();
    let written = crate::render::write_line(object, &mut out);
    let text = String::from_utf8(out).unwrap_or_default();
    if written.is_ok() { text.trim_end().to_owned() } else { "null".to_owned() }
}

/// Of a list, a gap takes so many.
const LIST: usize = 20;
/// Of a text, a gap takes so many characters.
const TEXT: usize = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str, object: &Value) -> Value {
        let filled = Template::parse(template).unwrap().fill(object);
        serde_json::from_str(&filled).unwrap_or_else(|error| panic!("{filled}: {error}"))
    }

    #[test]
    fn gaps_are_filled() {
        let object = json!({
            "title": "BUG in f", "voice": "forged", "count": 3, "host": null,
            "machines": ["web1", "web2"],
            "trace": [{"function": "f", "offset": 1}, {"function": "g"}],
        });
        assert_eq!(
            fill(
                r#"{"text": "{{title}} ({{voice}}), {{ count }} times: {{machines}}{{host}}"}"#,
                &object
            ),
            json!({"text": "BUG in f (forged), 3 times: web1\nweb2"})
        );
        assert_eq!(fill(r#"["{{trace}}", {{json}}]"#, &object), json!(["f\ng", object]));
        let numbers = r#"{"\"n": {{count}}, "boot": {{boot}}, "text": "\"{{count}}{{boot}}"}"#;
        let filled = json!({"\"n": 3, "boot": null, "text": "\"3"});
        assert_eq!(fill(numbers, &object), filled);
    }

    #[test]
    fn no_value_ends_its_string_or_acts() {
        let evil = "\", \"admin\": \"<!channel> \\ \u{1b}[2J\u{202e}\n{{title}}";
        let object = json!({"title": evil, "host": evil});
        let filled = fill(r#"{"a": "{{title}}", "b": "{{host|html}}"}"#, &object);
        assert_eq!(filled.as_object().unwrap().len(), 2);
        let (a, b) = (filled["a"].as_str().unwrap(), filled["b"].as_str().unwrap());
        assert!(a.contains("\\x1b[2J\\xe2\\x80\\xae\\x0a{{title}}"), "{a}");
        assert!(b.contains("&lt;!channel&gt;") && !b.contains('<'), "{b}");
    }

    #[test]
    fn garbage_makes_no_letter_too_long_for_its_receiver() {
        let object = json!({"title": "\u{1}".repeat(1000), "lines": ["x".repeat(301)]});
        let filled = fill(r#"["{{title}}", "{{lines}}", {{json}}]"#, &object);
        let of = |at: usize| filled[at].as_str().unwrap().chars().count();
        assert_eq!((of(0), of(1)), (301, 301));
        assert!(filled[0].as_str().unwrap().ends_with("\\x01…"), "{filled}");
        assert_eq!(filled[2], object);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (template, why) in [
            ("{\"a\": \"{{titel}}\"}", "{{titel}}: give json or one of rule, id, title"),
            ("{\"a\": \"{{title\"}", "without"),
            ("{\"a\": \"{{title|raw}}\"}", "html"),
            ("{\"a\": {{title}}}", "makes no JSON"),
            ("{\"a\": {{machines}}}", "makes no JSON"),
            ("{\"a\": \"{{json}}\"}", "makes no JSON"),
            ("{\"a\": 1{{count}}}", "makes no JSON where {{count}} or {{boot}} is null"),
            ("[-{{boot}}]", "is null"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
