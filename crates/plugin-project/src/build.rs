//! Building a project: writing bindings, running its language's compiler, making a component of what comes of it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    Error, Project,
    component::World,
    create::write_all,
    plan::{BINDINGS, Bindings, CommandLine, Plan, Product, plan},
    template, toolchain,
};

/// The longest component as text. People write these by hand, and the parser needs many times their length in memory.
pub const MAX_TEXT: u64 = 1024 * 1024;

/// A component that has been built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Its file.
    pub component: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// Builds a project into `output`, or else where [`Project::component`] says. `progress` is told of each command before
/// it is run; what the command says goes to standard error.
///
/// # Errors
/// The compiler is missing or fails, or what it makes does not go with the contract. A component that was built before
/// stays as it is then.
pub fn build(project: &Project, output: Option<&Path>, progress: &mut dyn FnMut(&str)) -> Result<Built, Error> {
    let description = project.description();
    let program = toolchain::find(description.language, project.folder())?;
    let plan = plan(description, &program);
    // In the build folder, so that the rename below stays on one file system unless the output is elsewhere.
    let folder = project.build_folder();
    fs::create_dir_all(&folder).map_err(Error::file("make", &folder))?;
    let product = project.folder().join(plan.product.path());
    write_bindings(project, plan.bindings)?;
    // What an earlier run has left must not be taken for this one's.
    if !plan.stays {
        remove(&product)?;
    }
    run(&plan.command, project.folder(), progress)?;
    if !product.is_file() {
        return Err(Error::NoOutput {
            command: plan.command.to_string(),
            file: product,
        });
    }
    let component = component(project, &plan)?;
    let target = output.map_or_else(|| project.component(), Path::to_owned);
    replace(&target, &component)?;
    Ok(Built {
        component: target,
        size: component.len() as u64,
    })
}

/// Builds a component that is written as text, into `output` or else beside it, with `wasm` in place of `wat`.
///
/// # Errors
/// The file cannot be read, is longer than [`MAX_TEXT`], or is none.
pub fn build_text(file: &Path, output: Option<&Path>) -> Result<Built, Error> {
    let size = fs::metadata(file).map_err(Error::file("read", file))?.len();
    if size > MAX_TEXT {
        return Err(Error::Text {
            reason: format!("{} is longer than {MAX_TEXT} bytes", file.display()),
        });
    }
    let component = wat::parse_file(file).map_err(|error| Error::Text {
        reason: error.to_string(),
    })?;
    if !is_component(&component) {
        let reason = format!("{} is the text of a core module, and no component", file.display());
        return Err(Error::Text { reason });
    }
    let target = output.map_or_else(|| file.with_extension("wasm"), Path::to_owned);
    replace(&target, &component)?;
    Ok(Built {
        component: target,
        size: component.len() as u64,
    })
}

/// By its layer, which stands behind the version (component model, binary format).
fn is_component(binary: &[u8]) -> bool {
    binary.get(6..8) == Some(&[1, 0])
}

fn component(project: &Project, plan: &Plan) -> Result<Vec<u8>, Error> {
    let path = project.folder().join(plan.product.path());
    let bytes = fs::read(&path).map_err(Error::file("read", &path))?;
    match plan.product {
        Product::Component(_) => Ok(bytes),
        Product::Module(_) => World::read(&project.folder().join("wit"))?.component(bytes),
    }
}

fn write_bindings(project: &Project, bindings: Bindings) -> Result<(), Error> {
    let folder = project.folder().join(BINDINGS);
    let read = || World::read(&project.folder().join("wit"));
    let files = match bindings {
        Bindings::None => return Ok(()),
        Bindings::C => read()?.c_bindings()?,
        Bindings::Go => go_bindings(project, read()?.go_bindings()?),
    };
    // What the contract does not have any more must not be there.
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", folder)(error)),
        _ => write_all(&files, &folder),
    }
}

/// Go's bindings are made for a module of their own: they become packages of the project's, which so needs no other.
fn go_bindings(project: &Project, generated: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let description = project.description();
    let here = format!("\"local/{}/{BINDINGS}/", description.name);
    let adapt = |content: Vec<u8>| {
        let text = String::from_utf8_lossy(&content);
        let text = text.replace("\"wit_component/", &here);
        text.replace("\"go.bytecodealliance.org/pkg/", &here).into_bytes()
    };
    let sources = generated.into_iter().filter(|(path, _)| path != "go.mod");
    let own = template::go_bindings(&description.name, description.kind);
    let own = own.into_iter().map(|(path, content)| (path, content.into_bytes()));
    sources
        .map(|(path, content)| (path, adapt(content)))
        .chain(own)
        .collect()
}

fn run(line: &CommandLine, folder: &Path, progress: &mut dyn FnMut(&str)) -> Result<(), Error> {
    progress(&line.to_string());
    let mut command = Command::new(&line.program);
    command.args(&line.arguments).envs(line.environment.iter().copied());
    // Flags for this machine's programs are none for components.
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    command.current_dir(folder).stdin(Stdio::null()).stdout(io::stderr());
    let status = command.status().map_err(|source| Error::Run {
        command: line.to_string(),
        source,
    })?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Failed {
            command: line.to_string(),
            folder: folder.to_owned(),
            status,
        }),
    }
}

fn remove(file: &Path) -> Result<(), Error> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file("remove", file)(error)),
        _ => Ok(()),
    }
}

/// Whoever reads the file has the old one or the new one: an agent may be about to reload it.
fn replace(file: &Path, content: &[u8]) -> Result<(), Error> {
    let temporary = file.with_extension(format!("{}.tmp", std::process::id()));
    let written = fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, file));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        Error::file("write", file)(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Language, New, create};

    #[test]
    fn bindings_are_those_of_the_project_alone() {
        let parent = tempfile::tempdir().expect("a folder");
        for (language, file) in [(Language::C, "plugin.h"), (Language::Go, "wit_exports.go")] {
            let new = New {
                name: language.title().to_lowercase(),
                language,
                kind: Kind::Probe,
            };
            let project = create(&new, parent.path()).expect("a project");
            let folder = project.folder().join(BINDINGS);
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join("old"), "").expect("written");
            let bindings = if language == Language::C {
                Bindings::C
            } else {
                Bindings::Go
            };
            write_bindings(&project, bindings).expect("bindings");
            assert!(!folder.join("old").exists());
            let text = fs::read_to_string(folder.join(file)).expect("a file");
            assert!(
                !text.contains("bytecodealliance.org") && !text.contains("wit_component/"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_an_earlier_build_has_left_is_not_taken_for_a_new_one() {
        let parent = tempfile::tempdir().expect("a folder");
        for (language, compiler) in [
            (Language::C, ".venv/bin/zig"),
            (Language::Zig, ".venv/bin/zig"),
            (Language::Go, ".venv/bin/go"),
            (Language::Python, ".venv/bin/componentize-py"),
            (Language::JavaScript, "node_modules/.bin/componentize-qjs"),
        ] {
            for name in ["component", "module"] {
                let new = New {
                    name: name.to_owned(),
                    language,
                    kind: Kind::Probe,
                };
                let parent = parent.path().join(language.title());
                fs::create_dir_all(&parent).expect("a folder");
                let project = create(&new, &parent).expect("a project");
                // A compiler that is content with everything and makes nothing.
                let compiler = project.folder().join(compiler);
                fs::create_dir_all(compiler.parent().expect("a folder")).expect("made");
                std::os::unix::fs::symlink("/bin/true", &compiler).expect("a link");
                let product = project
                    .folder()
                    .join(plan(project.description(), &compiler).product.path());
                fs::create_dir_all(project.build_folder()).expect("a folder");
                fs::write(&product, "old").expect("written");
                fs::write(project.component(), "built").expect("written");
                let error = build(&project, None, &mut |_| ()).expect_err("nothing was made");
                assert!(
                    matches!(&error, Error::NoOutput { file, .. } if *file == product),
                    "{language}: {error}"
                );
                let built = fs::read_to_string(project.component());
                assert_eq!(built.expect("the component stays"), "built", "{language}");
            }
        }
    }

    #[test]
    fn a_damaged_contract_is_told_of_and_a_built_component_stays() {
        let parent = tempfile::tempdir().expect("a folder");
        let new = New {
            name: "ping".to_owned(),
            language: Language::C,
            kind: Kind::Hook,
        };
        let project = create(&new, parent.path()).expect("a project");
        fs::write(
            project.folder().join("wit/world.wit"),
            "package local:plugin;\nworld plugin {",
        )
        .expect("written");
        let error = write_bindings(&project, Bindings::C).expect_err("no world");
        assert!(matches!(&error, Error::World { .. }), "{error}");
        assert!(error.to_string().contains("wit"), "{error}");
    }

    #[test]
    fn a_text_becomes_a_component_beside_it() {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/plugins/examples/restarts.wat");
        let folder = tempfile::tempdir().expect("a folder");
        let text = folder.path().join("restarts.wat");
        fs::copy(example, &text).expect("copied");
        let built = build_text(&text, None).expect("a component");
        assert_eq!(built.component, folder.path().join("restarts.wasm"));
        let bytes = fs::read(&built.component).expect("read");
        assert_eq!((&bytes[..4], bytes.len() as u64), (&b"\0asm"[..], built.size));

        fs::write(&text, "(component (oops))").expect("written");
        let error = build_text(&text, None).expect_err("no component").to_string();
        assert!(error.contains("restarts.wat:1:13"), "{error}");
        assert_eq!(fs::read(&built.component).expect("read"), bytes, "the old one stays");
    }

    #[test]
    fn what_is_no_module_is_no_component() {
        let parent = tempfile::tempdir().expect("a folder");
        let new = New {
            name: "ping".to_owned(),
            language: Language::C,
            kind: Kind::Probe,
        };
        let project = create(&new, parent.path()).expect("a project");
        let world = World::read(&project.folder().join("wit")).expect("a world");
        // The smallest module there is: it exports nothing.
        let error = world
            .component(b"\0asm\x01\0\0\0".to_vec())
            .expect_err("nothing is exported");
        assert!(error.to_string().contains("probe"), "{error}");
        assert!(world.component(b"garbage".to_vec()).is_err());
    }
}
