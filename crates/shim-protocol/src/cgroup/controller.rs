//! Which of a container's cgroups a controller's files lie in.

use std::path::Path;

use super::Cgroup;

/// The folder with a controller's files, which are other ones in each version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller<'a> {
    /// A hierarchy of version 1.
    Version1(&'a Path),
    /// The cgroup2. Its files are there only if the controller is enabled in all folders above.
    Version2(&'a Path),
}

impl Cgroup {
    /// Where the controller of this kernel name is: in the hierarchy of version 1 that has it, else in the cgroup2, as a
    /// controller can be in one of them only.
    pub fn controller(&self, name: &str) -> Controller<'_> {
        let mut version1 = self.version1();
        match version1.find(|(names, _)| names.split(',').any(|other| other == name)) {
            Some((_, directory)) => Controller::Version1(directory),
            None => Controller::Version2(self.cgroup2()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_controller_is_in_one_hierarchy() {
        let cgroup = Cgroup {
            cgroup2: PathBuf::from("/two"),
            version1: vec![("cpu,cpuacct".to_owned(), PathBuf::from("/one"))],
        };
        assert_eq!(cgroup.controller("cpuacct"), Controller::Version1(Path::new("/one")));
        assert_eq!(cgroup.controller("cpu"), Controller::Version1(Path::new("/one")));
        assert_eq!(cgroup.controller("cpus"), Controller::Version2(Path::new("/two")));
        assert_eq!(cgroup.controller("memory"), Controller::Version2(Path::new("/two")));
    }
}
