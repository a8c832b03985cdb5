//! Cases whose components no text can say: cut, damaged, deep, huge and slow ones.

use crate::{
    case::{Case, End, Ending, Source},
    compose::compose,
};

const FAMILY: &str = "made";
/// The beginning of every component.
const HEADER: &[u8] = b"\0asm\x0d\0\x01\0";
/// What compiles for any length of time: either it is soon done, or it is given up.
const SLOW: &str = "could not be compiled";
/// Kinds of sections at a component's top, by their number (the binary format of the component model).
const SECTIONS: [(u8, &str); 9] = [
    (1, "core-module"),
    (2, "core-instance"),
    (5, "instance"),
    (6, "alias"),
    (7, "type"),
    (8, "function"),
    (10, "import"),
    (11, "export"),
    (4, "component"),
];

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        made(
            "file-empty",
            "An empty file.",
            Vec::new,
            "does not begin with the bytes",
        ),
        made(
            "file-of-a-script",
            "A shell script.",
            || b"#!/bin/sh\nrm -rf /\n".to_vec(),
            "does not begin with the bytes",
        ),
        made(
            "file-of-text",
            "A component's text.",
            || b"(component)".to_vec(),
            "does not begin with the bytes",
        ),
        made(
            "file-compressed",
            "A compressed file.",
            || b"\x1f\x8b\x08\0\0\0\0\0".to_vec(),
            "does not begin with the bytes",
        ),
        made(
            "file-of-four-bytes",
            "The magic number alone.",
            || b"\0asm".to_vec(),
            "damaged",
        ),
        made(
            "file-of-machine-code",
            "What the cache holds: code that is compiled already, for an engine that would run it unread.",
            machine_code,
            "does not begin with the bytes",
        ),
        made(
            "module-of-core",
            "A core module.",
            || b"\0asm\x01\0\0\0".to_vec(),
            "is a core WebAssembly module",
        ),
        made(
            "component-of-another-format",
            "A version of the binary format that there is not.",
            || b"\0asm\x0e\0\x01\0".to_vec(),
            "damaged",
        ),
        made(
            "section-of-no-kind",
            "A section that nobody knows.",
            || section(99, &[0]),
            "damaged",
        ),
        made(
            "section-longer-than-the-file",
            "A section that says it has 4 GiB.",
            || [HEADER, b"\x07\xff\xff\xff\xff\x0f\x00"].concat(),
            "damaged",
        ),
        made(
            "section-of-endless-length",
            "A length whose last byte never comes.",
            || [HEADER, &[0x07], &[0x80; 64][..]].concat(),
            "damaged",
        ),
        made(
            "section-of-four-thousand-million-types",
            "A count that the host would be wrong to reserve memory for.",
            || section(7, b"\xff\xff\xff\xff\x0f"),
            "damaged",
        ),
        made(
            "section-with-too-much",
            "A section with bytes that nothing accounts for.",
            || section(7, b"\x00\x00\x00"),
            "damaged",
        ),
        made(
            "component-with-a-tail",
            "A component with garbage behind it.",
            || [good(), b"\xde\xad\xbe\xef".to_vec()].concat(),
            "damaged",
        ),
        made(
            "component-too-large",
            "One byte more than the 64 MiB that are taken.",
            too_large,
            "at most 67108864 are compiled",
        ),
        made(
            "components-nested",
            "A thousand components, each inside the other.",
            || nested(1_000),
            "it exports nothing",
        ),
        made(
            "components-nested-to-overflow",
            "A hundred thousand components, each inside the other: a compiler that recurses has no such stack.",
            || nested(100_000),
            "compiled",
        ),
        made(
            "types-that-double",
            "Forty types, each of two of the one before: a tuple of a million million bytes.",
            || text(&types_that_double()),
            "damaged",
        ),
        made(
            "instances-that-double",
            "Thirty components that each make two of the one before: a thousand million instances.",
            || text(&instances_that_double()),
            "compiled",
        ),
        made(
            "instances-too-many",
            "A module that is instantiated a hundred times.",
            || text(&instances(100)),
            "instances",
        ),
        made(
            "imports-too-many",
            "Two hundred thousand imports.",
            || imports(200_000),
            "f0",
        ),
        made(
            "locals-too-many",
            "A function with more variables than any.",
            || text(&whole("(local i64) ", 60_000, "")),
            "damaged",
        ),
        made(
            "parameters-too-many",
            "A function with more parameters than any.",
            || text(&whole("(param i64) ", 2_000, "")),
            "damaged",
        ),
    ];
    // The plugin store looks at files before the engine does.
    for case in &mut cases {
        let words = match case.name.as_str() {
            "component-too-large" => "is larger than 67108864 bytes",
            "module-of-core" => "is a core module",
            name if name.starts_with("file-") => "is no WebAssembly component",
            _ => continue,
        };
        case.on_a_node = Some(End::new(Ending::Refused, words));
    }
    cases.push(Case::new(
        "component-with-a-large-section",
        FAMILY,
        "A component with 60 MiB that mean nothing.",
        Source::Made(|| [good(), bare_section(0, &padding(60 << 20))].concat()),
        End::new(Ending::Success, ""),
    ));
    for (name, about, make) in [
        (
            "slow-by-many-functions",
            "Sixty thousand functions to compile.",
            many_functions as fn() -> Vec<u8>,
        ),
        (
            "slow-by-one-function",
            "One function of two megabytes in which everything depends on everything.",
            one_function,
        ),
        ("slow-by-deep-blocks", "A function with blocks in blocks.", deep_blocks),
    ] {
        let end = End::new(Ending::RefusedOrSuccess, SLOW);
        cases.push(Case::new(name, FAMILY, about, Source::Made(make), end));
    }
    cases.extend(SECTIONS.into_iter().filter_map(|(kind, name)| truncated(kind, name)));
    cases
}

fn made(name: &str, about: &str, make: fn() -> Vec<u8>, words: &str) -> Case {
    Case::new(
        name,
        FAMILY,
        about,
        Source::Made(make),
        End::new(Ending::Refused, words),
    )
}

/// A component that is well.
fn good() -> Vec<u8> {
    text(&compose(
        "probe",
        r#"(func (export "check") (result i32) (call $healthy))"#,
        &[],
    ))
}

fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The good component, cut in the middle of its first section of this kind.
fn truncated(kind: u8, name: &str) -> Option<Case> {
    let good = good();
    let mut at = HEADER.len();
    while at < good.len() {
        let (length, begin) = number(&good, at + 1);
        if good[at] == kind {
            let cut = begin + length / 2;
            let bytes = move || good[..cut].to_vec();
            return Some(Case::new(
                &format!("truncated-in-a-section-of-{name}"),
                FAMILY,
                "A component whose file ends too early.",
                Source::Damaged(Box::new(bytes)),
                End::new(Ending::Refused, "damaged"),
            ));
        }
        at = begin + length;
    }
    None
}

/// A number in the format's own encoding (LEB128), and where what follows it begins.
fn number(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        value |= usize::from(bytes[at] & 0x7f) << shift;
        at += 1;
        shift += 7;
        if bytes[at - 1] & 0x80 == 0 {
            return (value, at);
        }
    }
}

fn push_number(bytes: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn bare_section(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    push_number(&mut bytes, content.len());
    bytes.extend_from_slice(content);
    bytes
}

fn section(kind: u8, content: &[u8]) -> Vec<u8> {
    [HEADER, &bare_section(kind, content)].concat()
}

/// A custom section's content: a name, and zeros.
fn padding(length: usize) -> Vec<u8> {
    let mut bytes = b"\x07padding".to_vec();
    bytes.resize(length, 0);
    bytes
}

fn too_large() -> Vec<u8> {
    let mut bytes = good();
    bytes.resize((64 << 20) + 1, 0);
    bytes
}

/// The beginning of an ELF file, as compiled components are.
fn machine_code() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\xc8".to_vec();
    bytes.resize(4096, 0);
    bytes
}

/// Components inside each other, from the innermost to the outermost: each one's length is known when it is opened.
fn nested(depth: usize) -> Vec<u8> {
    const COMPONENT: u8 = 4;
    let mut openings = vec![HEADER.to_vec()];
    let mut length = HEADER.len();
    for _ in 0..depth {
        let mut opening = HEADER.to_vec();
        opening.push(COMPONENT);
        push_number(&mut opening, length);
        length += opening.len();
        openings.push(opening);
    }
    openings.into_iter().rev().flatten().collect()
}

fn types_that_double() -> String {
    let mut text = String::from("(component (type $t0 (tuple u64 u64))");
    for number in 1..40 {
        text += &format!("(type $t{number} (tuple $t{0} $t{0}))", number - 1);
    }
    text + r#"(import "f" (func (param "t" $t39))))"#
}

fn instances_that_double() -> String {
    let mut text = String::from("(component (component $c0 (core module $m) (core instance (instantiate $m)))");
    for number in 1..30 {
        let inner = number - 1;
        text += &format!(
            "(component $c{number} (alias outer 1 $c{inner} (component $inner))
               (instance (instantiate $inner)) (instance (instantiate $inner)))"
        );
    }
    text + "(instance (instantiate $c29)))"
}

fn instances(count: usize) -> String {
    let one = "(core instance (instantiate $m))";
    format!("(component (core module $m (memory 1)) {})", one.repeat(count))
}

/// In bytes, since the text format's own reader takes minutes for it.
fn imports(count: usize) -> Vec<u8> {
    const TYPES: u8 = 7;
    const IMPORTS: u8 = 10;
    // One type: a function without parameters and results.
    let types = bare_section(TYPES, &[1, 0x40, 0, 1, 0]);
    let mut content = Vec::new();
    push_number(&mut content, count);
    for number in 0..count {
        let name = format!("f{number}");
        content.extend_from_slice(&[0, name.len() as u8]);
        content.extend_from_slice(name.as_bytes());
        // A function, of the first type.
        content.extend_from_slice(&[1, 0]);
    }
    [HEADER, &types, &bare_section(IMPORTS, &content)].concat()
}

/// A component with one function that has so many of something.
fn whole(what: &str, count: usize, body: &str) -> String {
    format!("(component (core module (func {} {body})))", what.repeat(count))
}

/// A probe that is well, and more code than it needs.
fn with_code(code: &str) -> Vec<u8> {
    let check = r#"(func (export "check") (result i32) (call $healthy))"#;
    text(&compose("probe", &format!("{check}{code}"), &[]))
}

fn many_functions() -> Vec<u8> {
    let one = "(func (param i32 i64) (result i64) (i64.rotl (i64.mul (local.get 1) (i64.const 3)) (i64.extend_i32_u (local.get 0))))";
    with_code(&one.repeat(60_000))
}

fn one_function() -> Vec<u8> {
    const VARIABLES: usize = 2_000;
    let mut code = String::from("(func (param i32) ");
    code += &"(local i64) ".repeat(VARIABLES);
    for step in 0..100_000_usize {
        let (to, one, other) = (
            step * 7 % VARIABLES + 1,
            step * 13 % VARIABLES + 1,
            step * 31 % VARIABLES + 1,
        );
        code += &format!("(local.set {to} (i64.add (local.get {one}) (local.get {other})))");
        if step % 8 == 0 {
            code += &format!("(if (i64.eqz (local.get {other})) (then (local.set {one} (i64.const {step}))))");
        }
    }
    with_code(&(code + ")"))
}

fn deep_blocks() -> Vec<u8> {
    const DEPTH: usize = 4_000;
    let open = "(block (br_if 0 (local.get 0)) ";
    with_code(&format!(
        "(func (param i32) {}{})",
        open.repeat(DEPTH),
        ")".repeat(DEPTH)
    ))
}
