//! What differs from run to run, made equal: ids, hashes, instants of today, process ids, folders,
//! how long it took.
//!
//! Each replacement is as long as what it replaces where tables are concerned, so that columns stay
//! aligned. Ids are numbered in the order in which they first appear.

const ID_CHARS: usize = 36;
const INSTANT_CHARS: usize = 24;
const HASH_CHARS: usize = 64;

/// Replaces what differs, remembering ids from one call to the next.
#[derive(Default)]
pub(crate) struct Normal {
    ids: Vec<String>,
}

impl Normal {
    pub(crate) fn text(&mut self, text: &str, here: &str) -> String {
        let mut rest = &*text.replace(here, "HERE");
        let mut normal = String::new();
        while let Some(first) = rest.chars().next() {
            let (taken, shown) = self.next(rest, first);
            normal += &shown;
            rest = &rest[taken..];
        }
        normal
    }

    /// How many bytes are taken from `rest`, and what is shown for them.
    fn next(&mut self, rest: &str, first: char) -> (usize, String) {
        if let Some(id) = rest.get(..ID_CHARS).filter(|id| is_like("xxxxxxxx-xxxx-xxxx", id, 'x')) {
            let known = self.ids.iter().position(|known| known == id);
            let number = known.unwrap_or_else(|| {
                self.ids.push(id.to_owned());
                self.ids.len() - 1
            });
            return (ID_CHARS, format!("id-{:->33}", number + 1));
        }
        if let Some(hash) = rest.get(..HASH_CHARS).filter(|hash| is_hex(hash)) {
            return (hash.len(), "HASH".to_owned());
        }
        let instant = rest.get(..INSTANT_CHARS).filter(|instant| {
            // Instants that a script writes itself are of earlier years, and stay.
            is_like("0000-00-00T00:00:00.000Z", instant, '0') && *instant > "2024"
        });
        if instant.is_some() {
            return (INSTANT_CHARS, "today---T--:--:--.---Z--".to_owned());
        }
        if let Some(bytes) = size(rest) {
            return (bytes, "      SIZE".to_owned());
        }
        if let Some(digits) = json_bytes(rest) {
            return (digits, "\"bytes\":N".to_owned());
        }
        if let Some(bytes) = pace(rest) {
            return (bytes, "in S s, N rows/s".to_owned());
        }
        for word in ["process ", "pid "] {
            if let Some(after) = rest.strip_prefix(word) {
                let digits = after.chars().take_while(char::is_ascii_digit).count();
                if digits > 0 {
                    return (word.len() + digits, format!("{word}PID"));
                }
            }
        }
        (first.len_utf8(), first.to_string())
    }
}

/// How many bytes are a size with the space before it, such as `   1.5 KiB`: 10 characters.
fn size(text: &str) -> Option<usize> {
    const CHARS: usize = 10;
    let cell = text.get(..CHARS)?;
    let (number, unit) = cell.trim_start().split_once(' ')?;
    let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    let is_unit = ["B", "KiB", "MiB", "GiB"].contains(&unit);
    (is_number && is_unit && cell.starts_with(' ')).then_some(CHARS)
}

/// How many bytes are `"bytes":` and its number.
fn json_bytes(text: &str) -> Option<usize> {
    const NAME: &str = "\"bytes\":";
    let digits = text.strip_prefix(NAME)?.chars().take_while(char::is_ascii_digit).count();
    (digits > 0).then_some(NAME.len() + digits)
}

/// How many bytes say how long rows took, such as `in 1.50 s, 1,000 rows/s`.
fn pace(text: &str) -> Option<usize> {
    let number = |text: &str| text.find(|c: char| !c.is_ascii_digit() && !".,".contains(c));
    let seconds = text.strip_prefix("in ")?;
    let rate = seconds[number(seconds)?..].strip_prefix(" s, ")?;
    let rest = rate[number(rate)?..].strip_prefix(" rows/s")?;
    Some(text.len() - rest.len())
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// Whether `text` begins as `pattern` shows, where `any` stands for a hexadecimal digit.
fn is_like(pattern: &str, text: &str, any: char) -> bool {
    pattern
        .chars()
        .zip(text.chars())
        .all(|(shape, c)| if shape == any { c.is_ascii_hexdigit() } else { shape == c })
}

#[test]
fn ids_are_numbered_and_instants_of_scripts_stay() {
    let mut normal = Normal::default();
    let first = "01901234-8694-739b-aea5-966c26f8ad91";
    let second = "01901234-8694-739b-aea5-966c26f8ad92";
    let text = normal.text(&format!("{first} {second} {first} 2019-01-01T00:00:00.000Z"), "/x");
    let shown = |n| format!("id-{n:->33}");
    assert_eq!(text, format!("{} {} {} 2019-01-01T00:00:00.000Z", shown(1), shown(2), shown(1)));
    assert_eq!(
        normal.text("2026-01-01T00:00:00.000Z in /x/a by process 17", "/x"),
        "today---T--:--:--.---Z-- in HERE/a by process PID"
    );
    assert_eq!(normal.text("in 1.50 s, 1,000 rows/s", "/x"), "in S s, N rows/s");
    assert_eq!(normal.text("in 1.5", "/x"), "in 1.5");
    assert_eq!(normal.text("guests     1.5 KiB", "/x"), "guests        SIZE");
    assert_eq!(normal.text("{\"bytes\":17}", "/x"), "{\"bytes\":N}");
}
