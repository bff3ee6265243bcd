//! The cases of tests/syzkaller.

use std::path::Path;

/// A log and what is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) alternatives: Vec<String>,
    pub(super) class: Option<String>,
    pub(super) function: Option<String>,
    pub(super) corrupted: bool,
    pub(super) log: String,
}

/// All cases; fails where the archive is not as it was packed.
pub(super) fn all() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syzkaller/cases.tar.zst");
    let archive = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let cases: Vec<Case> = entries(&archive).map(|(name, text)| parse(&name, &text)).collect();
    assert_eq!(cases.len(), 403);
    cases
}

/// The files of a ustar archive.
fn entries(archive: &[u8]) -> impl Iterator<Item = (String, String)> {
    const BLOCK: usize = 512;
    let mut rest = archive;
    std::iter::from_fn(move || {
        let name = std::str::from_utf8(rest.get(..100)?).ok()?.trim_end_matches('\0');
        let size = std::str::from_utf8(&rest[124..135]).ok()?;
        let size = usize::from_str_radix(size.trim_matches('\0'), 8).ok()?;
        let text = String::from_utf8_lossy(&rest[BLOCK..BLOCK + size]).into_owned();
        rest = &rest[BLOCK + size.next_multiple_of(BLOCK)..];
        (!name.is_empty()).then(|| (name.to_owned(), text))
    })
}

/// Takes a file apart: header, log, and the report that is left out.
pub(super) fn parse(name: &str, text: &str) -> Case {
    let text = text.replace('\r', "");
    let (head, log) = match text.strip_prefix('\n') {
        Some(log) => ("", log),
        None => text.split_once("\n\n").unwrap_or((&text, "")),
    };
    let log = log.split("\nREPORT:\n").next().unwrap_or(log).to_owned();
    let fields = |key: &str| {
        let values = head.lines().filter_map(|line| line.strip_prefix(key));
        values.map(|value| value.trim().to_owned()).collect::<Vec<_>>()
    };
    Case {
        name: name.to_owned(),
        title: fields("TITLE:").pop().unwrap_or_default(),
        alternatives: fields("ALT:"),
        class: fields("TYPE:").pop(),
        function: fields("FRAME:").pop(),
        corrupted: fields("CORRUPTED:").contains(&"Y".to_owned()),
        log,
    }
}
