//! A sentence of the kernel without what differs from time to time.

/// Addresses become `ADDR`, other numbers `NUM`; a symbol loses its offset.
pub(crate) fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, word) in text.trim().split(' ').enumerate() {
        if index > 0 {
            out.push(' ');
        }
        word_to(word, &mut out);
    }
    out
}

fn word_to(word: &str, out: &mut String) {
    let offset = word.split_once("+0x").filter(|(symbol, _)| !symbol.is_empty());
    let word = offset.map_or(word, |(symbol, _)| symbol);
    let mut rest = word;
    let mut name = false;
    while let Some(first) = rest.chars().next() {
        let digits = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        let (length, put) = if !name && rest.starts_with("0x") {
            let digits = rest[2..].find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len() - 2);
            (2 + digits, "ADDR")
        } else if !name && digits >= 8 && rest[..digits].bytes().any(|byte| byte.is_ascii_digit()) {
            (digits, "ADDR")
        } else if first.is_ascii_digit() && (!name || decimals(rest) > 3) {
            (decimals(rest), "NUM")
        } else {
            (first.len_utf8(), "")
        };
        out.push_str(if put.is_empty() { &rest[..length] } else { put });
        name = put.is_empty() && (first.is_ascii_alphanumeric() || first == '_');
        rest = &rest[length..];
    }
}

fn decimals(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn numbers_and_addresses_go_names_stay() {
        assert_eq!(
            normal("do_con_write.part.23+0x1c50/0x1cb0 at addr ffff88000012c43a"),
            "do_con_write.part.NUM at addr ADDR"
        );
        assert_eq!(
            normal("age=12 cpu=0 pid=1 ip6_fragment 0xabc"),
            "age=NUM cpu=NUM pid=NUM ip6_fragment ADDR"
        );
    }
}
