//! What a loaded component is made of, by its own names: for people who want to know before they run it.

use crate::Plugin;

impl Plugin {
    /// The names of its imports, such as `wasi:sockets/tcp@0.2.6`, sorted.
    pub fn imports(&self) -> Vec<String> {
        let component = self.linked().instance.component();
        sorted(
            component
                .component_type()
                .imports(component.engine())
                .map(|(name, _)| name),
        )
    }

    /// The names of its exports, such as `probelet:plugin/probe@0.1.0`, sorted.
    pub fn exports(&self) -> Vec<String> {
        let component = self.linked().instance.component();
        sorted(
            component
                .component_type()
                .exports(component.engine())
                .map(|(name, _)| name),
        )
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names
}
