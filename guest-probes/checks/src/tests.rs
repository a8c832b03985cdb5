//! What the tests of several checks share.

use std::io::{self, Cursor, Read, Write};

use probelet_plugin::{Failure, Verdict, lines::Conversation, serde::de::DeserializeOwned, serde_json};

/// The other side of a conversation, as it was written down: what it says does not depend on what it hears.
pub(crate) struct Script {
    says: Cursor<Vec<u8>>,
}

impl Script {
    pub(crate) fn of(says: impl AsRef<[u8]>) -> Conversation<Self> {
        let says = Cursor::new(says.as_ref().to_vec());
        Conversation::new(Self { says }, "peer")
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.says.read(buffer)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A configuration, as a manifest has it.
pub(crate) fn config<T: DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).expect("a configuration")
}

/// Whatever a server says, a check comes to an end without a panic, and never finds it healthy.
pub(crate) fn hostile<T: AsRef<[u8]> + std::fmt::Debug>(answers: &[T], check: impl Fn(&T) -> Result<Verdict, Failure>) {
    for answer in answers {
        if let Ok(verdict) = check(answer) {
            assert_ne!(verdict.health, probelet_plugin::Health::Healthy, "{answer:?}");
        }
    }
}
