//! Volumes.

use std::path::PathBuf;

use crate::{HostPathType, Volume, VolumeSource, check::Object, container::LABEL_RULE, fields, names, quantity};

/// The volumes of a pod.
pub(crate) fn volumes(object: &Object<'_>) -> Vec<Volume> {
    let mut volumes: Vec<Volume> = Vec::new();
    for (path, item) in object.list("volumes") {
        let Some(volume) = Object::new(item, path, &fields::VOLUME, object.report) else {
            continue;
        };
        let (name, source) = (volume.required("name"), volume_source(&volume));
        let Some(name) = name else {
            continue;
        };
        if !names::is_label(name) {
            volume
                .report
                .error(&volume.at("name"), format!("Invalid value: \"{name}\": {LABEL_RULE}"));
        }
        if volumes.iter().any(|other| other.name == name) {
            volume
                .report
                .error(&volume.at("name"), format!("Duplicate value: \"{name}\""));
        }
        if let Some(source) = source {
            volumes.push(Volume {
                name: name.to_owned(),
                source,
            });
        }
    }
    volumes
}

fn volume_source(volume: &Object<'_>) -> Option<VolumeSource> {
    let source = match (volume.get("hostPath"), volume.get("emptyDir")) {
        (Some(_), Some(_)) => {
            volume.report.error(
                &volume.at("emptyDir"),
                "Forbidden: may not specify more than 1 volume type",
            );
            None
        }
        (Some(_), None) => host_path(&volume.object("hostPath", &fields::HOST_PATH)?),
        (None, Some(_)) => empty_dir(&volume.object("emptyDir", &fields::EMPTY_DIR)?),
        (None, None) => {
            // Another type has been refused by its name.
            let others = fields::VOLUME
                .fields
                .iter()
                .any(|field| field.name != "name" && volume.get(field.name).is_some());
            if !others {
                volume
                    .report
                    .error(&volume.path, "Required value: must specify a volume type");
            }
            None
        }
    };
    // Its mounts shall find its name, so that one fault is not reported as two.
    source.or(Some(VolumeSource::EmptyDir {
        memory: false,
        size_limit: None,
    }))
}

fn host_path(object: &Object<'_>) -> Option<VolumeSource> {
    use HostPathType::{
        BlockDevice, CharacterDevice, Directory, DirectoryOrCreate, File, FileOrCreate, Socket, Unchecked,
    };
    let path = object.required("path");
    if let Some(path) = path.filter(|path| !path.starts_with('/') || path.split('/').any(|part| part == "..")) {
        let message = format!("Invalid value: \"{path}\": must be an absolute path without \"..\"");
        object.report.error(&object.at("path"), message);
    }
    let types = [
        ("", Unchecked),
        ("DirectoryOrCreate", DirectoryOrCreate),
        ("Directory", Directory),
        ("FileOrCreate", FileOrCreate),
        ("File", File),
        ("Socket", Socket),
        ("CharDevice", CharacterDevice),
        ("BlockDevice", BlockDevice),
    ];
    let kind = if object.get("type").is_some() {
        object.word("type", &types)
    } else {
        Some(Unchecked)
    };
    Some(VolumeSource::HostPath {
        path: PathBuf::from(path?),
        kind: kind?,
    })
}

fn empty_dir(object: &Object<'_>) -> Option<VolumeSource> {
    let memory = match object.get("medium") {
        None => Some(false),
        Some(_) => object.word("medium", &[("", false), ("Memory", true)]),
    };
    let size = object.get("sizeLimit").map(quantity::from_json).transpose();
    if let Err(message) = &size {
        object.report.error(&object.at("sizeLimit"), message.as_str());
    }
    let size_limit = size.ok()?.map(|amount| amount.div_ceil(1000));
    if memory == Some(false) && size_limit.is_some() {
        object.report.warn(
            &object.at("sizeLimit"),
            "without effect: what a volume on disk takes is not measured",
            Some("write `medium: Memory`, where the limit holds".to_owned()),
        );
    }
    Some(VolumeSource::EmptyDir {
        memory: memory?,
        size_limit,
    })
}
