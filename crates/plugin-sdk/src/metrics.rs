//! Values out of a page of metrics in Prometheus' text format.

/// A page is not read further: the metrics of a large program take some hundred kilobytes.
pub const MAX_PAGE: usize = 4 << 20;

/// The sum of all samples of a metric on a page. `selector` is a name, or a name with labels that a sample needs to
/// have, among others: `http_requests_in_flight{handler="api"}`. None: there is no such sample. Lines that cannot be
/// read are passed over, as a scraper of one metric may.
///
/// ```
/// use probelet_plugin::metrics::sum;
///
/// let page = "# TYPE jobs gauge\njobs{queue=\"a\",kind=\"x\"} 2\njobs{queue=\"b\"} 3 1700000000\n";
/// assert_eq!(sum(page, "jobs"), Some(5.0));
/// assert_eq!(sum(page, "jobs{queue=\"b\"}"), Some(3.0));
/// assert_eq!(sum(page, "job"), None);
/// ```
pub fn sum(page: &str, selector: &str) -> Option<f64> {
    let (name, wanted) = series(selector.trim())?;
    let mut sum = None;
    for line in page.lines() {
        let Some((series, value)) = sample(line.trim()) else {
            continue;
        };
        if series.0 == name && wanted.iter().all(|label| series.1.contains(label)) {
            *sum.get_or_insert(0.0) += value;
        }
    }
    sum
}

/// A label's name and its value as it is written between the quotes.
type Label<'a> = (&'a str, &'a str);

fn sample(line: &str) -> Option<((&str, Vec<Label<'_>>), f64)> {
    if line.starts_with('#') {
        return None;
    }
    let end = match line.find('{') {
        Some(start) => start + closing(&line[start..])? + 1,
        None => line.find(char::is_whitespace)?,
    };
    let (left, right) = line.split_at(end);
    let value = right.split_whitespace().next()?.parse().ok()?;
    Some((series(left)?, value))
}

/// `name` or `name{label="value",…}`.
fn series(text: &str) -> Option<(&str, Vec<Label<'_>>)> {
    let Some((name, rest)) = text.split_once('{') else {
        return Some((text, Vec::new()));
    };
    let mut rest = rest.strip_suffix('}')?;
    let mut labels = Vec::new();
    while !rest.trim_start().is_empty() {
        let (label, quoted) = rest.split_once('=')?;
        let quoted = quoted.trim_start().strip_prefix('"')?;
        let end = quote(quoted)?;
        labels.push((label.trim(), &quoted[..end]));
        rest = quoted[end + 1..].trim_start().trim_start_matches(',');
    }
    Some((name.trim(), labels))
}

/// Where the brace that opens a text is closed; those in quotes do not count.
fn closing(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let next = from + text[from..].find(['"', '}'])?;
        if text[next..].starts_with('}') {
            return Some(next);
        }
        from = next + 1 + quote(&text[next + 1..])? + 1;
    }
}

/// Where a quoted text ends; a backslash takes the next character with it.
fn quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_may_hold_anything() {
        let page = r#"m{a="}\"{",b="2"} 1e3
m{a="x", b="2",} 0.5
m{a="x
broken{ 3
m NaN_
m 7 1700000000000
"#;
        assert_eq!(sum(page, "m"), Some(1007.5));
        assert_eq!(sum(page, r#"m{b="2"}"#), Some(1000.5));
        assert_eq!(sum(page, r#"m{a="}\"{"}"#), Some(1000.0));
        assert_eq!(sum(page, r#"m{a="y"}"#), None);
        assert_eq!(sum(page, "broken"), None);
        assert_eq!(sum(page, "m{"), None);
    }

    #[test]
    fn no_page_breaks_it() {
        for page in [
            "",
            "{",
            "}",
            "{}",
            "\"",
            "a{b=\"",
            "a{b=\"\\\"",
            "a{b}",
            "a{=\"\"} 1",
            "é{é=\"é\"} é",
        ] {
            let _ = sum(page, "a");
            let _ = sum("a 1", page);
        }
    }
}
