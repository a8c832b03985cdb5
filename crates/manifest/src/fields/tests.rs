//! The table against Kubernetes' own types.

use std::{cell::RefCell, collections::BTreeSet};

use k8s_openapi::{api::core::v1, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use serde::{Deserialize, Deserializer, de, de::value::Error, forward_to_deserialize_any};

use super::*;

/// Asked for a struct, it notes the names of its fields.
struct Names<'a>(&'a RefCell<Vec<&'static str>>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: de::Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(de::Error::custom("only structs are asked for"))
    }

    fn deserialize_struct<V: de::Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0.borrow_mut() = fields.to_vec();
        Err(de::Error::custom("the names are noted"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn compare<'de, T: Deserialize<'de>>(kind: &Kind, ours_alone: &[&str]) {
    let names = RefCell::default();
    let _ = T::deserialize(Names(&names));
    let theirs: BTreeSet<_> = names
        .into_inner()
        .into_iter()
        .chain(ours_alone.iter().copied())
        .collect();
    let ours: BTreeSet<_> = kind.fields.iter().map(|field| field.name).collect();
    assert_eq!(ours, theirs, "{}", kind.name);
    assert_eq!(ours.len(), kind.fields.len(), "{} has a field twice", kind.name);
}

#[test]
fn the_table_has_every_field_of_kubernetes_and_no_other() {
    compare::<v1::Pod>(&POD, &[]);
    compare::<ObjectMeta>(&METADATA, &[]);
    compare::<v1::PodSpec>(&POD_SPEC, &[]);
    compare::<v1::PodReadinessGate>(&READINESS_GATE, &[]);
    compare::<v1::PodOS>(&POD_OS, &[]);
    compare::<v1::PodSecurityContext>(&POD_SECURITY_CONTEXT, &[]);
    compare::<v1::Container>(&CONTAINER, &[]);
    compare::<v1::ContainerRestartRule>(&RESTART_RULE, &[]);
    compare::<v1::ContainerRestartRuleOnExitCodes>(&RESTART_EXIT_CODES, &[]);
    compare::<v1::ContainerPort>(&CONTAINER_PORT, &[]);
    compare::<v1::EnvVar>(&ENV_VAR, &[]);
    compare::<v1::ResourceRequirements>(&RESOURCES, &[]);
    compare::<v1::VolumeMount>(&VOLUME_MOUNT, &[]);
    compare::<v1::SecurityContext>(&SECURITY_CONTEXT, &[]);
    compare::<v1::Capabilities>(&CAPABILITIES, &[]);
    compare::<v1::Probe>(
        &PROBE,
        &[
            "sleep",
            "wasm",
            "initialDelayMilliseconds",
            "timeoutMilliseconds",
            "periodMilliseconds",
        ],
    );
    compare::<v1::Lifecycle>(&LIFECYCLE, &[]);
    compare::<v1::LifecycleHandler>(&LIFECYCLE_HANDLER, &["grpc", "wasm"]);
    compare::<v1::ExecAction>(&EXEC, &[]);
    compare::<v1::HTTPGetAction>(&HTTP_GET, &["protocol", "addressFamily"]);
    compare::<v1::HTTPHeader>(&HTTP_HEADER, &[]);
    compare::<v1::TCPSocketAction>(&TCP_SOCKET, &["addressFamily"]);
    compare::<v1::GRPCAction>(&GRPC, &["mode", "addressFamily"]);
    compare::<v1::SleepAction>(&SLEEP, &[]);
    compare::<v1::Volume>(&VOLUME, &[]);
    compare::<v1::HostPathVolumeSource>(&HOST_PATH, &[]);
    compare::<v1::EmptyDirVolumeSource>(&EMPTY_DIR, &[]);
}

#[test]
fn every_field_that_is_not_supported_says_why() {
    for field in TABLE.iter().flat_map(|kind| kind.fields) {
        assert!(
            field.support == Support::Supported || !field.note.is_empty(),
            "{}",
            field.name
        );
    }
}
