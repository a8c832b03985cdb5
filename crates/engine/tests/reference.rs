//! `docs/plugins/reference.md` is the contract's text, for reading, and `reference-tls.md` that of the package beside it.
//! `UPDATE_DOCS=1` writes them anew.

use std::{fmt::Write, fs, path::Path};

use wit_parser::{
    Docs, Function, FunctionKind, Handle, Interface, Resolve, Type, TypeDef, TypeDefKind, World, WorldItem,
};

/// The newest versions: what is described, and the page for it.
const PAGES: [(&str, &str); 2] = [
    ("0.1.0/plugin.wit", "reference.md"),
    ("tls/0.1.0/tls.wit", "reference-tls.md"),
];

#[test]
fn the_reference_says_what_the_contract_says() {
    for (wit, page) in PAGES {
        is_described(wit, page);
    }
}

fn is_described(wit: &str, page: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut resolve = Resolve::default();
    let contract = fs::read_to_string(root.join("wit").join(wit)).expect("the contract");
    let package = resolve.push_source(wit, &contract).expect("the contract");
    let expected = Reference { resolve: &resolve }.page(&resolve.packages[package]);
    let path = root.join("docs/plugins").join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).expect("written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/plugins/{page} is stale; UPDATE_DOCS=1 cargo test -p probelet-engine --test reference writes it anew"
    );
}

struct Reference<'a> {
    resolve: &'a Resolve,
}

impl Reference<'_> {
    fn page(&self, package: &wit_parser::Package) -> String {
        let interfaces: Vec<&Interface> = package
            .interfaces
            .values()
            .map(|&id| &self.resolve.interfaces[id])
            .collect();
        let worlds: Vec<&World> = package.worlds.values().map(|&id| &self.resolve.worlds[id]).collect();
        let mut page = format!("# Reference: {}\n\n{}", package.name, text(&package.docs));
        page.push_str("| interface | functions |\n| --- | --- |\n");
        for interface in &interfaces {
            let functions = interface
                .functions
                .values()
                .map(|function| format!("`{}`", title(function)));
            let functions: Vec<String> = functions.collect();
            let name = name(interface);
            line(&mut page, &format!("| [{name}](#{name}) | {} |", functions.join(", ")));
        }
        page.push('\n');
        for interface in &interfaces {
            self.interface(&mut page, interface);
        }
        page.push_str("## Worlds\n\nWhat a component may import and must export to be one of these.\n\n");
        page.push_str("| world | imports | exports | |\n| --- | --- | --- | --- |\n");
        for world in worlds {
            self.world(&mut page, world);
        }
        page
    }

    fn interface(&self, page: &mut String, interface: &Interface) {
        line(page, &format!("## {}\n", name(interface)));
        page.push_str(&text(&interface.docs));
        for &id in interface.types.values() {
            self.definition(page, &self.resolve.types[id]);
        }
        for function in interface.functions.values() {
            line(page, &format!("### {}\n", title(function)));
            line(page, &format!("```wit\n{}\n```\n", self.signature(function)));
            page.push_str(&text(&function.docs));
        }
    }

    /// Types that an interface only borrows from another one have their place there.
    fn definition(&self, page: &mut String, definition: &TypeDef) {
        let rows: Vec<(&str, String, &Docs)> = match &definition.kind {
            TypeDefKind::Enum(of) => of
                .cases
                .iter()
                .map(|case| (case.name.as_str(), String::new(), &case.docs))
                .collect(),
            TypeDefKind::Variant(of) => {
                let name = |ty: Option<Type>| ty.map(|ty| self.name_of(&ty)).unwrap_or_default();
                let cases = of.cases.iter();
                cases
                    .map(|case| (case.name.as_str(), name(case.ty), &case.docs))
                    .collect()
            }
            TypeDefKind::Record(of) => {
                let fields = of.fields.iter();
                fields
                    .map(|field| (field.name.as_str(), self.name_of(&field.ty), &field.docs))
                    .collect()
            }
            TypeDefKind::Resource => {
                let name = definition.name.as_deref().unwrap_or_default();
                line(page, &format!("### {name} (resource)\n"));
                page.push_str(&text(&definition.docs));
                return;
            }
            _ => return,
        };
        let kind = definition.kind.as_str();
        let name = definition.name.as_deref().unwrap_or_default();
        line(page, &format!("### {name} ({kind})\n"));
        page.push_str(&text(&definition.docs));
        if matches!(definition.kind, TypeDefKind::Enum(_)) {
            page.push_str("| case | |\n| --- | --- |\n");
        } else {
            let what = if kind == "record" { "field" } else { "case" };
            line(page, &format!("| {what} | type | |\n| --- | --- | --- |"));
        }
        for (name, ty, docs) in rows {
            let ty = match (&definition.kind, ty.as_str()) {
                (TypeDefKind::Enum(_), _) => String::new(),
                (_, "") => " |".to_owned(),
                (_, ty) => format!(" `{ty}` |"),
            };
            line(
                page,
                &format!("| `{name}` |{ty} {} |", text(docs).trim().replace('\n', " ")),
            );
        }
        page.push('\n');
    }

    fn world(&self, page: &mut String, world: &World) {
        let names = |items: Vec<&WorldItem>| {
            let interfaces = items.into_iter().filter_map(|item| match item {
                WorldItem::Interface { id, .. } => Some(name(&self.resolve.interfaces[*id])),
                _ => None,
            });
            interfaces
                .map(|name| format!("[{name}](#{name})"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let row = format!(
            "| `{}` | {} | {} | {} |",
            world.name,
            names(world.imports.values().collect()),
            names(world.exports.values().collect()),
            text(&world.docs).trim()
        );
        line(page, &row);
    }

    fn signature(&self, function: &Function) -> String {
        // What a method is called on goes without saying.
        let is_method = matches!(function.kind, FunctionKind::Method(_));
        let parameters = function.params.iter().skip(usize::from(is_method));
        let parameters = parameters.map(|parameter| format!("{}: {}", parameter.name, self.name_of(&parameter.ty)));
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        let result = function
            .result
            .map(|ty| format!(" -> {}", self.name_of(&ty)))
            .unwrap_or_default();
        let word = match function.kind {
            FunctionKind::AsyncFreestanding => "async func",
            FunctionKind::Static(_) => "static func",
            _ => "func",
        };
        format!("{}: {word}({parameters}){result}", function.item_name())
    }

    /// A type as the contract writes it.
    fn name_of(&self, ty: &Type) -> String {
        let id = match ty {
            Type::Id(id) => *id,
            plain => return format!("{plain:?}").to_lowercase(),
        };
        let definition = &self.resolve.types[id];
        if let Some(name) = &definition.name {
            return name.clone();
        }
        match &definition.kind {
            TypeDefKind::Option(of) => format!("option<{}>", self.name_of(of)),
            TypeDefKind::List(of) => format!("list<{}>", self.name_of(of)),
            TypeDefKind::Result(of) => {
                let name = |ty: Option<Type>| ty.map_or_else(|| "_".to_owned(), |ty| self.name_of(&ty));
                format!("result<{}, {}>", name(of.ok), name(of.err))
            }
            TypeDefKind::Handle(Handle::Own(of)) => self.name_of(&Type::Id(*of)),
            // A kind that the contract has not had so far is to be written here, not to be guessed.
            other => panic!("no words for a {}", other.as_str()),
        }
    }
}

fn name(interface: &Interface) -> &str {
    interface.name.as_deref().expect("the contract's interfaces have names")
}

/// A function's name, behind its resource's if it is one of a resource.
fn title(function: &Function) -> &str {
    function.name.rsplit(']').next().unwrap_or(&function.name)
}

/// Paragraphs, each in one line.
fn text(docs: &Docs) -> String {
    let mut text = String::new();
    for paragraph in docs.contents.as_deref().unwrap_or_default().trim().split("\n\n") {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        if !words.is_empty() {
            line(&mut text, &format!("{}\n", words.join(" ")));
        }
    }
    text
}

fn line(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("a text takes all that is written to it");
}
