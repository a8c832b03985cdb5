//! TLS that the host speaks, as it stands in a conversation: where it begins, and what the server shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::bytes::Base64;

/// What a session is that says nothing else: what servers agree on today.
const PROTOCOL: &str = "TLSv1.3";
const CIPHER_SUITE: &str = "TLS13_AES_256_GCM_SHA384";

/// A step of a conversation in which TLS begins. What is said after it is what TLS carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsStep {
    /// The name that the plugin has to ask for; any unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The version [default: TLSv1.3].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// How it is encrypted [default: TLS13_AES_256_GCM_SHA384].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cipher_suite: Option<String>,
    /// What ALPN has come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// What the server shows, its own certificate first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateAnswer>,
    /// Why the server is not to be trusted. A plugin that wants somebody to vouch for it gets no further.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untrusted: Option<String>,
    /// Why the two sides do not agree at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl TlsStep {
    /// The version.
    pub fn protocol(&self) -> String {
        self.protocol.clone().unwrap_or_else(|| PROTOCOL.to_owned())
    }

    /// How it is encrypted.
    pub fn cipher_suite(&self) -> String {
        self.cipher_suite.clone().unwrap_or_else(|| CIPHER_SUITE.to_owned())
    }
}

/// A certificate that a server shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateAnswer {
    /// Whose it is.
    pub subject: String,
    /// Who has signed it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub issuer: String,
    /// Its serial number, in hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub serial: String,
    /// The names and addresses that it is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// From when on it is valid, as RFC 3339 [default: 1970-01-01T00:00:00Z].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Until when [default: 9999-12-30T22:00:00Z].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    der_base64: Option<Base64>,
}

impl CertificateAnswer {
    /// Gives it the times, in seconds since the Unix epoch; what lies beyond the calendar is its end.
    pub fn set_times(&mut self, not_before: i64, not_after: i64) {
        (self.not_before, self.not_after) = (Some(text(not_before)), Some(text(not_after)));
    }

    /// Gives it its DER.
    pub fn set_der(&mut self, der: &[u8]) {
        self.der_base64 = Some(Base64(der.to_vec()));
    }

    /// From when on it is valid, in seconds since the Unix epoch.
    pub fn not_before_seconds(&self) -> i64 {
        self.not_before.as_deref().and_then(seconds).unwrap_or_default()
    }

    /// Until when, likewise.
    pub fn not_after_seconds(&self) -> i64 {
        let not_after = self.not_after.as_deref().and_then(seconds);
        not_after.unwrap_or_else(|| Timestamp::MAX.as_second())
    }

    /// All of it, as far as the case has it.
    pub fn der(&self) -> Vec<u8> {
        self.der_base64.clone().unwrap_or_default().0
    }

    /// The fields whose texts are no times.
    pub(crate) fn bad_times(&self) -> Vec<&'static str> {
        let times = [("notBefore", &self.not_before), ("notAfter", &self.not_after)];
        let bad = times
            .into_iter()
            .filter(|(_, text)| text.as_deref().is_some_and(|text| seconds(text).is_none()));
        bad.map(|(name, _)| name).collect()
    }
}

fn seconds(text: &str) -> Option<i64> {
    Some(text.parse::<Timestamp>().ok()?.as_second())
}

fn text(seconds: i64) -> String {
    let seconds = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_and_end_with_the_calendar() {
        let mut certificate = CertificateAnswer::default();
        certificate.set_times(-1, i64::MAX);
        assert_eq!(certificate.not_before.as_deref(), Some("1969-12-31T23:59:59Z"));
        assert_eq!(certificate.not_before_seconds(), -1);
        assert_eq!(certificate.not_after_seconds(), Timestamp::MAX.as_second());
        assert!(certificate.bad_times().is_empty());
        certificate.not_after = Some("tomorrow".to_owned());
        assert_eq!(certificate.bad_times(), ["notAfter"]);
        assert_eq!(CertificateAnswer::default().not_before_seconds(), 0);
    }
}
