//! DNS' messages (RFC 1035), as much of them as a question and its answer take.
//!
//! Written here, since the small crates for it either follow names in circles or bring a resolver with them.

use std::net::{Ipv4Addr, Ipv6Addr};

use probelet_plugin::serde::Deserialize;

/// A message's first part: number, flags, and how many of what follow.
const HEADER: usize = 12;
/// The longest name, and the longest of its parts.
const MAX_NAME: usize = 255;
const MAX_LABEL: usize = 63;
/// Jumps within one name: each goes further to the front, and names in one message share a few ends.
const MAX_JUMPS: usize = 16;
/// The class of everything on the internet.
const INTERNET: u16 = 1;

const RESPONSE: u16 = 0x8000;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, probelet_plugin::schemars::JsonSchema)]
#[serde(crate = "probelet_plugin::serde", rename_all = "UPPERCASE")]
#[schemars(crate = "probelet_plugin::schemars")]
pub enum Record {
    /// IPv4 addresses.
    #[default]
    A,
    /// IPv6 addresses.
    Aaaa,
    /// What the name is another one for.
    Cname,
    /// Where mail goes: `10 mail.example`.
    Mx,
    /// Texts.
    Txt,
    /// Where a service is: `10 5 5060 sip.example`, which are priority, weight, port and host.
    Srv,
    /// The servers of a zone.
    Ns,
    /// The name of an address, which is asked for as `4.3.2.10.in-addr.arpa`.
    Ptr,
    /// The beginning of a zone: `ns.example admin.example 2026010100`, which are its server, its owner and its serial number.
    Soa,
}

impl Record {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Ns => 2,
            Self::Cname => 5,
            Self::Soa => 6,
            Self::Ptr => 12,
            Self::Mx => 15,
            Self::Txt => 16,
            Self::Aaaa => 28,
            Self::Srv => 33,
        }
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// What the server says of the question, such as `NOERROR`.
    pub(super) code: String,
    /// Whether it did not fit.
    pub(super) truncated: bool,
    /// The records of the kind that was asked for.
    pub(super) records: Vec<String>,
}

/// A question, by a number that its answer repeats; none if the name is no name.
pub(super) fn question(number: u16, name: &str, record: Record, recursive: bool) -> Option<Vec<u8>> {
    let flags = if recursive { RECURSION_DESIRED } else { 0 };
    let mut message = Vec::new();
    for part in [number, flags, 1, 0, 0, 0] {
        message.extend(part.to_be_bytes());
    }
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        // The root is the empty name.
        if label.is_empty() && matches!(name, "." | "") {
            continue;
        }
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..=63).contains(length))?;
        message.push(length);
        message.extend(label.bytes());
    }
    message.push(0);
    if message.len() - HEADER > MAX_NAME {
        return None;
    }
    for part in [record.number(), INTERNET] {
        message.extend(part.to_be_bytes());
    }
    Some(message)
}

/// Whether a message is the answer to a question. Anything else that comes may be somebody else's.
pub(super) fn answers(message: &[u8], question: &[u8]) -> bool {
    let flags = message
        .get(2..4)
        .map_or(0, |flags| u16::from_be_bytes([flags[0], flags[1]]));
    if message.get(..2) != question.get(..2) || flags & RESPONSE == 0 {
        return false;
    }
    // A server that cannot read a question may leave it out.
    let repeated = message.get(HEADER..question.len());
    match message.get(4..6) {
        Some([0, 0]) => true,
        _ => repeated.is_some_and(|repeated| repeated.eq_ignore_ascii_case(&question[HEADER..])),
    }
}

/// Reads an answer; none if it is no message.
pub(super) fn read(message: &[u8], record: Record) -> Option<Answer> {
    let mut reader = Reader { message, at: 2 };
    let flags = reader.number()?;
    let (questions, answers) = (reader.number()?, reader.number()?);
    reader.at = HEADER;
    let mut answer = Answer {
        code: code(flags & 0xf),
        truncated: flags & TRUNCATED != 0,
        records: Vec::new(),
    };
    if answer.truncated {
        // What is there of it is not all.
        return Some(answer);
    }
    for _ in 0..questions {
        reader.name()?;
        reader.skip(4)?;
    }
    for _ in 0..answers {
        reader.name()?;
        let (kind, class) = (reader.number()?, reader.number()?);
        reader.skip(4)?;
        let length = usize::from(reader.number()?);
        let end = reader.at.checked_add(length).filter(|end| *end <= message.len())?;
        if (kind, class) == (record.number(), INTERNET) {
            answer.records.push(reader.record(record, end)?);
        }
        reader.at = end;
    }
    Some(answer)
}

/// As `dig` calls them.
fn code(code: u16) -> String {
    match code {
        0 => "NOERROR",
        1 => "FORMERR",
        2 => "SERVFAIL",
        3 => "NXDOMAIN",
        4 => "NOTIMP",
        5 => "REFUSED",
        9 => "NOTAUTH",
        other => return format!("RCODE{other}"),
    }
    .to_owned()
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let bytes = self.message.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.bytes(count).map(drop)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<u16> {
        self.bytes(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A name. Its end may stand somewhere else, further to the front.
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut length = 0;
        let mut back = None;
        let mut jumps = 0;
        loop {
            let first = self.at;
            match usize::from(self.byte()?) {
                0 => break,
                count @ 1..=MAX_LABEL => {
                    length += count + 1;
                    if length > MAX_NAME {
                        return None;
                    }
                    if !name.is_empty() {
                        name.push('.');
                    }
                    name.push_str(&String::from_utf8_lossy(self.bytes(count)?));
                }
                high @ 0xc0.. => {
                    let to = (high & 0x3f) << 8 | usize::from(self.byte()?);
                    jumps += 1;
                    if to >= first || jumps > MAX_JUMPS {
                        return None;
                    }
                    back.get_or_insert(self.at);
                    self.at = to;
                }
                _ => return None,
            }
        }
        self.at = back.unwrap_or(self.at);
        Some(if name.is_empty() { ".".to_owned() } else { name })
    }

    /// The content of a record, which ends there.
    fn record(&mut self, record: Record, end: usize) -> Option<String> {
        let text = match record {
            Record::A => Ipv4Addr::from(<[u8; 4]>::try_from(self.bytes(4)?).ok()?).to_string(),
            Record::Aaaa => Ipv6Addr::from(<[u8; 16]>::try_from(self.bytes(16)?).ok()?).to_string(),
            Record::Cname | Record::Ns | Record::Ptr => self.name()?,
            Record::Mx => format!("{} {}", self.number()?, self.name()?),
            Record::Srv => {
                let (priority, weight, port) = (self.number()?, self.number()?, self.number()?);
                format!("{priority} {weight} {port} {}", self.name()?)
            }
            Record::Soa => {
                let (server, owner) = (self.name()?, self.name()?);
                let serial = self.bytes(4)?;
                let serial = u32::from_be_bytes(serial.try_into().ok()?);
                format!("{server} {owner} {serial}")
            }
            Record::Txt => {
                // A long text is cut into pieces.
                let mut text = Vec::new();
                while self.at < end {
                    let length = usize::from(self.byte()?);
                    text.extend_from_slice(self.bytes(length)?);
                }
                String::from_utf8_lossy(&text).into_owned()
            }
        };
        (self.at <= end).then_some(text)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An answer with records, each a kind and its content, whose names are the question's.
    pub(crate) fn answer(question: &[u8], flags: u16, records: &[(Record, &[u8])]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2..4].copy_from_slice(&(RESPONSE | flags).to_be_bytes());
        message[6..8].copy_from_slice(&(records.len() as u16).to_be_bytes());
        for (record, content) in records {
            message.extend([0xc0, HEADER as u8]);
            message.extend(record.number().to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend((content.len() as u16).to_be_bytes());
            message.extend_from_slice(content);
        }
        message
    }

    pub(crate) fn ask(record: Record) -> Vec<u8> {
        question(7, "shop.example", record, true).expect("a question")
    }

    #[test]
    fn a_question_is_what_the_protocol_has() {
        let expected = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04shop\x07example\0\0\x01\0\x01";
        assert_eq!(ask(Record::A), expected);
        assert_eq!(
            question(7, "shop.example.", Record::A, true).as_deref(),
            Some(&expected[..])
        );
        assert!(question(0, ".", Record::Ns, false).is_some_and(|root| root.len() == HEADER + 5));
        for name in ["a..b", &"a".repeat(64), &"abc.".repeat(64), ".a"] {
            assert_eq!(question(0, name, Record::A, true), None, "{name}");
        }
    }

    #[test]
    fn each_kind_of_record_is_read() {
        let target = b"\x04mail\xc0\x0c";
        let cases: [(Record, Vec<u8>, &str); 8] = [
            (Record::A, vec![10, 1, 2, 3], "10.1.2.3"),
            (Record::Aaaa, [&[0xfd][..], &[0; 14], &[7]].concat(), "fd00::7"),
            (Record::Cname, target.to_vec(), "mail.shop.example"),
            (Record::Mx, [&[0, 10][..], target].concat(), "10 mail.shop.example"),
            (
                Record::Srv,
                [&[0, 1, 0, 2, 0x13, 0xc4][..], target].concat(),
                "1 2 5060 mail.shop.example",
            ),
            (Record::Txt, b"\x05v=one\x04 two".to_vec(), "v=one two"),
            (
                Record::Soa,
                [target, &b"\0"[..], &[0, 0, 1, 0], &[0; 16]].concat(),
                "mail.shop.example . 256",
            ),
            (Record::Ns, b"\0".to_vec(), "."),
        ];
        for (record, content, text) in cases {
            let question = ask(record);
            let message = answer(&question, 0, &[(Record::Ptr, b"\0"), (record, &content)]);
            assert!(answers(&message, &question));
            let read = read(&message, record).expect("an answer");
            assert_eq!((read.code.as_str(), read.records), ("NOERROR", vec![text.to_owned()]));
        }
        let refused = read(&answer(&ask(Record::A), 5, &[]), Record::A).expect("an answer");
        assert_eq!(refused.code, "REFUSED");
    }

    #[test]
    fn somebody_elses_message_is_no_answer() {
        let asked = ask(Record::A);
        assert!(!answers(&asked, &asked), "it is a question");
        let other = question(8, "shop.example", Record::A, true).expect("a question");
        assert!(!answers(&answer(&other, 0, &[]), &asked), "another number");
        let other = question(7, "shop.exanple", Record::A, true).expect("a question");
        assert!(!answers(&answer(&other, 0, &[]), &asked), "another name");
        let shouted = question(7, "SHOP.example", Record::A, true).expect("a question");
        assert!(answers(&answer(&shouted, 0, &[]), &asked));
        assert!(!answers(b"", &asked) && !answers(&[0, 7, 0x80, 0], &asked));
    }

    #[test]
    fn no_message_breaks_it() {
        let question = ask(Record::Mx);
        let good = answer(
            &question,
            0,
            &[(Record::Mx, b"\0\x0a\x04mail\xc0\x0c"), (Record::Mx, b"\0\x0a\xc0\x0c")],
        );
        for length in 0..good.len() {
            let _ = read(&good[..length], Record::Mx);
        }
        for at in 0..good.len() {
            for byte in 0..=u8::MAX {
                let mut damaged = good.clone();
                damaged[at] = byte;
                for record in [Record::A, Record::Mx, Record::Txt, Record::Srv, Record::Soa] {
                    let _ = (read(&damaged, record), answers(&damaged, &question));
                }
            }
        }
        // Names that lead to themselves, to each other, forward, or through all that is there.
        for loops in [&b"\xc0\x0c"[..], b"\xc0\x0e\xc0\x0c", b"\xff\xff", b"\x01a\xc0\x0c"] {
            let mut message = b"\0\x07\x80\0\0\x01\0\0\0\0\0\0".to_vec();
            message.extend_from_slice(loops);
            message.extend([0; 8]);
            assert_eq!(read(&message, Record::A), None);
        }
        let mut long = b"\0\x07\x80\0\xff\xff\xff\xff\0\0\0\0".to_vec();
        long.extend([0; 60_000]);
        let _ = read(&long, Record::A);
    }
}
