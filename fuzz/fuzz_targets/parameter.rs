//! Any text is a `netconsole=` parameter that prints and reads again the same, or an error with a
//! place inside the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netconsole_wire::parameter::{MAX_LENGTH, parse};

fuzz_target!(|text: &str| {
    match parse(text) {
        Ok(parameter) => {
            assert!(parameter.as_str().len() <= MAX_LENGTH);
            let printed = parameter.to_string();
            assert!(printed.len() <= parameter.as_str().len() + parameter.as_str().len() / 2);
            let again = parse(&printed).expect("what was printed can be read");
            assert!(again.targets().eq(parameter.targets()));
            assert_eq!(again.to_string(), printed);
            assert!(!parameter.explain().to_string().is_empty());
        }
        Err(error) => {
            assert!(error.offset <= text.len());
            assert!(text.is_char_boundary(error.offset) || error.offset == MAX_LENGTH);
            assert!(!error.to_string().is_empty());
        }
    }
});
