//! What stands in a certificate, for people and for those who count the days.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use x509_parser::{
    certificate::X509Certificate,
    extensions::GeneralName,
    prelude::{FromDer, X509Name},
};

use super::PeerCertificate;

/// Reads one, as a server has sent it; the error says what is wrong with it.
pub(super) fn read(der: &[u8]) -> Result<PeerCertificate, String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let names = certificate.subject_alternative_name();
    // One whose names cannot be read is for nobody.
    let names = names.ok().flatten().map(|names| &names.value.general_names);
    Ok(PeerCertificate {
        subject: text(certificate.subject()),
        issuer: text(certificate.issuer()),
        serial: certificate
            .raw_serial()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        names: names.into_iter().flatten().filter_map(name).collect(),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        der: der.to_vec(),
    })
}

/// As OpenSSL writes it: `C=DE, O=Shop, CN=shop.example`.
fn text(name: &X509Name<'_>) -> String {
    name.to_string()
}

/// Of the kinds of names those that somebody may have connected to, or that say who it is.
fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into()))
        .ok()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn certificate() -> Vec<u8> {
        let names = ["shop.example", "*.shop.example", "10.1.2.3", "fd00::7"];
        let mut params = CertificateParams::new(names.map(str::to_owned)).expect("names");
        params.distinguished_name.push(DnType::OrganizationName, "Shop");
        params.distinguished_name.push(DnType::CommonName, "shop.example");
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 4, 1);
        params.serial_number = Some(vec![0x0a, 0xff].into());
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn what_stands_in_it_is_read() {
        let der = certificate();
        let read = read(&der).expect("a certificate");
        for part in ["O=Shop", "CN=shop.example"] {
            assert!(read.subject.contains(part), "{}", read.subject);
        }
        assert_eq!(read.issuer, read.subject);
        assert_eq!(read.names, ["shop.example", "*.shop.example", "10.1.2.3", "fd00::7"]);
        assert_eq!((read.not_before, read.not_after), (1_767_225_600, 1_775_001_600));
        assert_eq!(read.serial, "0aff");
        assert_eq!(read.der, der);
    }

    #[test]
    fn no_damage_breaks_it() {
        let der = certificate();
        for length in 0..der.len() {
            assert!(read(&der[..length]).is_err(), "{length}");
        }
        for at in 0..der.len() {
            for bit in 0..8 {
                let mut damaged = der.clone();
                damaged[at] ^= 1 << bit;
                // Whatever comes of it, it comes to an end.
                let _ = read(&damaged);
            }
        }
        assert!(read(&[0x30; 4096]).is_err());
        assert!(read(&[[0x30, 0x83, 0xff, 0xff, 0xff].as_slice(), &[0xff; 64]].concat()).is_err());
    }
}
