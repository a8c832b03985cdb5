//! Explanations as `kubectl explain` prints them, with what probelet makes of each field beside it.

use std::fmt;

use crate::{Explanation, FieldExplanation};

/// Where kubectl breaks lines.
const WIDTH: usize = 80;

/// How many words kubectl lists of a field in a list.
const MAX_WORDS: usize = 4;

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KIND:       {}\nVERSION:    {}\n\n", self.kind, self.version)?;
        if let Some(field) = &self.field {
            writeln!(formatter, "FIELD: {} <{}>{}", field.name, field.type_name, marks(field))?;
            if !field.words.is_empty() {
                writeln!(formatter, "ENUM:")?;
                for word in field.words.iter().map(|word| quoted(word)) {
                    writeln!(formatter, "    {word}")?;
                }
            }
            writeln!(formatter)?;
            match remark(field) {
                Some(remark) => {
                    writeln!(formatter, "PROBELET:")?;
                    paragraph(formatter, &remark, 4)?;
                    writeln!(formatter)?;
                }
                // As kubectl does it.
                None if field.words.is_empty() => writeln!(formatter)?,
                None => {}
            }
        }
        writeln!(formatter, "DESCRIPTION:")?;
        let description = if self.description.is_empty() {
            "<empty>"
        } else {
            &self.description
        };
        paragraph(formatter, description, 4)?;
        writeln!(formatter)?;
        if self.fields.is_empty() {
            return Ok(());
        }
        writeln!(formatter, "FIELDS:")?;
        let short = self.fields.iter().any(|field| !field.fields.is_empty());
        self.fields
            .iter()
            .try_for_each(|field| detail(formatter, field, 2, short))
    }
}

/// A field in a list, with its description or, in a tree, with its own fields.
fn detail(formatter: &mut fmt::Formatter<'_>, field: &FieldExplanation, indent: usize, tree: bool) -> fmt::Result {
    writeln!(
        formatter,
        "{:indent$}{}\t<{}>{}",
        "",
        field.name,
        field.type_name,
        marks(field)
    )?;
    if !field.words.is_empty() {
        let mut words: Vec<_> = field.words.iter().take(MAX_WORDS).map(|word| quoted(word)).collect();
        if field.words.len() > MAX_WORDS {
            words.push("....".to_owned());
        }
        writeln!(formatter, "{:indent$}enum: {}", "", words.join(", "))?;
    }
    if tree {
        return field
            .fields
            .iter()
            .try_for_each(|field| detail(formatter, field, indent + 2, tree));
    }
    // Of our own fields the mark says enough.
    if let Some(remark) = remark(field).filter(|_| field.support != "own") {
        paragraph(formatter, &format!("probelet: {remark}"), indent + 2)?;
    }
    let description = if field.description.is_empty() {
        "<no description>"
    } else {
        &field.description
    };
    paragraph(formatter, description, indent + 2)?;
    writeln!(formatter)
}

/// What stands behind a field's type.
fn marks(field: &FieldExplanation) -> String {
    let mut marks = String::new();
    if field.required {
        marks += " -required-";
    }
    if !matches!(field.support, "supported" | "kept") {
        marks += &format!(" -{}-", field.support);
    }
    marks
}

/// What probelet makes of a field, where it is not just what Kubernetes does.
fn remark(field: &FieldExplanation) -> Option<String> {
    let what = match field.support {
        "own" => return Some("its own field; Kubernetes does not have it".to_owned()),
        "warned" => "without effect: ",
        "refused" => "refused: ",
        _ => "",
    };
    (!field.note.is_empty()).then(|| format!("{what}{}", field.note))
}

fn quoted(word: &str) -> String {
    if word.is_empty() {
        "\"\"".to_owned()
    } else {
        word.to_owned()
    }
}

/// A text with its lines broken at spaces. A word that is longer than a line stays whole, as a link must.
fn paragraph(formatter: &mut fmt::Formatter<'_>, text: &str, indent: usize) -> fmt::Result {
    for line in text.lines() {
        let mut broken = String::new();
        for word in line.split(' ') {
            if !broken.is_empty() && indent + broken.chars().count() + 1 + word.chars().count() > WIDTH {
                line_of(formatter, &broken, indent)?;
                broken.clear();
            } else if !broken.is_empty() {
                broken.push(' ');
            }
            broken += word;
        }
        line_of(formatter, &broken, indent)?;
    }
    Ok(())
}

/// A line without spaces at its end.
fn line_of(formatter: &mut fmt::Formatter<'_>, text: &str, indent: usize) -> fmt::Result {
    writeln!(formatter, "{}", format!("{:indent$}{text}", "").trim_end())
}
