//! x
pub(crate) fn configuration(_s: &crate::ContainerSpec, _c: &str, _u: bool) -> Result<oci_spec::runtime::Spec, String> { Ok(Default::default()) }
