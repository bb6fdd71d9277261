//! Where a project's files are kept: read from the files of a git repository,
//! without git itself.
//!
//! The commit is the one that is checked out. Whether a file was changed since
//! is not looked into.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

/// Most steps from one symbolic reference to the next.
const REFERENCES_MAX: usize = 5;

/// A commit's name: SHA-1 or SHA-256, in hexadecimal.
const COMMIT_LENGTHS: [usize; 2] = [40, 64];

/// The repository that a project folder lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The path of the project folder in the repository.
    folder: PathBuf,
    /// The folder that holds the repository's files.
    root: PathBuf,
    commit: String,
    branch: Option<String>,
    /// Where it is published, as a web address.
    remote: Option<String>,
}

/// A file at its commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitLocation {
    /// The file's own address: on the web, or on this machine where the
    /// repository is published nowhere.
    pub url: String,
    pub repository: Option<String>,
    /// The file's path in the repository.
    pub path: String,
    pub commit: String,
    pub branch: Option<String>,
}

impl Repository {
    /// Looks for the repository that `folder` lies in. `None` where there is none,
    /// or nothing was committed yet.
    pub fn find(folder: &Path) -> Option<Self> {
        let folder = fs::canonicalize(folder).ok()?;
        let root = folder.ancestors().find(|parent| parent.join(".git").exists())?;
        let dirs = Dirs::of(root)?;
        let head = fs::read_to_string(dirs.own.join("HEAD")).ok()?;
        let branch = head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned);
        Some(Self {
            folder: folder.strip_prefix(root).ok()?.to_owned(),
            root: root.to_owned(),
            commit: dirs.resolve(head.trim())?,
            branch,
            remote: dirs.remote(),
        })
    }

    /// A file of the project, by its path in the project folder.
    pub fn locate(&self, file: &str) -> Option<GitLocation> {
        let path = self.folder.join(file);
        let parts: Option<Vec<&str>> = path
            .components()
            .map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        let path = parts?.join("/");
        let url = match &self.remote {
            Some(remote) => format!("{remote}/blob/{}/{}", self.commit, encoded(&path)),
            None => format!("file://{}/{}", encoded(self.root.to_str()?), encoded(&path)),
        };
        Some(GitLocation {
            url,
            repository: self.remote.clone(),
            path,
            commit: self.commit.clone(),
            branch: self.branch.clone(),
        })
    }
}

/// What a URL may not hold as it is, in its per cent form.
fn encoded(path: &str) -> String {
    let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let write =
        |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(write).collect()
}

/// Where git keeps what it knows: of a work tree its own part and the common one
/// are two.
struct Dirs {
    own: PathBuf,
    common: PathBuf,
}

impl Dirs {
    fn of(root: &Path) -> Option<Self> {
        let dot_git = root.join(".git");
        let own = if dot_git.is_dir() {
            dot_git
        } else {
            let text = fs::read_to_string(&dot_git).ok()?;
            root.join(text.trim().strip_prefix("gitdir: ")?)
        };
        let common = match fs::read_to_string(own.join("commondir")) {
            Ok(text) => own.join(text.trim()),
            Err(_none) => own.clone(),
        };
        Some(Self { own, common })
    }

    /// The commit that HEAD, or a reference, stands for.
    fn resolve(&self, head: &str) -> Option<String> {
        let mut text = head.to_owned();
        for _ in 0..REFERENCES_MAX {
            let Some(name) = text.strip_prefix("ref: ") else {
                let is_commit = COMMIT_LENGTHS.contains(&text.len())
                    && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                return is_commit.then_some(text);
            };
            text = self.reference(name.trim())?;
        }
        None
    }

    fn reference(&self, name: &str) -> Option<String> {
        for dir in [&self.own, &self.common] {
            if let Ok(text) = fs::read_to_string(dir.join(name)) {
                return Some(text.trim().to_owned());
            }
        }
        let packed = fs::read_to_string(self.common.join("packed-refs")).ok()?;
        let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(_, known)| *known == name).map(|(commit, _)| commit.to_owned())
    }

    /// The web address of `origin`.
    fn remote(&self) -> Option<String> {
        let config = fs::read_to_string(self.common.join("config")).ok()?;
        let mut in_origin = false;
        for line in config.lines().map(str::trim) {
            if line.starts_with('[') {
                in_origin = line == "[remote \"origin\"]";
            } else if in_origin
                && let Some((key, value)) = line.split_once('=')
                && key.trim() == "url"
            {
                return web_address(value.trim().trim_matches('"'));
            }
        }
        None
    }
}

/// `https://host/path` of a remote, without a name or a password that stands in
/// it; `None` for a path on this machine.
fn web_address(remote: &str) -> Option<String> {
    let (rest, is_scp) = match remote.split_once("://") {
        Some(("http" | "https" | "ssh" | "git", rest)) => (rest, false),
        Some(_) => return None,
        None => (remote, true),
    };
    let (host, path) = if is_scp { rest.split_once(':')? } else { rest.split_once('/')? };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    // A port is of ssh, or of a server of one's own: that one is kept.
    let is_web = remote.starts_with("http");
    let host = if is_web { host } else { host.split(':').next().unwrap_or(host) };
    let scheme = if remote.starts_with("http://") { "http" } else { "https" };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    // A host of one letter is a drive.
    let is_name = host.len() > 1 && !host.contains(['/', '\\']);
    (is_name && !path.is_empty()).then(|| format!("{scheme}://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (file, text) in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    fn locate(root: &Path, folder: &str) -> Option<GitLocation> {
        Repository::find(&root.join(folder))?.locate("pipelines/orders.yaml")
    }

    #[test]
    fn a_file_is_named_by_repository_path_and_commit() {
        let dir = tempfile::tempdir().unwrap();
        let config = "[core]\n\tbare = false\n[remote \"fork\"]\n\turl = x\n[remote \"origin\"]\n\turl = https://ada:secret@git.shop/data/pipelines.git\n";
        write(
            dir.path(),
            &[
                (".git/HEAD", "ref: refs/heads/main\n"),
                (".git/refs/heads/main", &format!("{COMMIT}\n")),
                (".git/config", config),
                ("shop one/pipelines/orders.yaml", ""),
            ],
        );
        let found = locate(dir.path(), "shop one").unwrap();
        assert_eq!(
            found,
            GitLocation {
                url: format!(
                    "https://git.shop/data/pipelines/blob/{COMMIT}/shop%20one/pipelines/orders.yaml"
                ),
                repository: Some("https://git.shop/data/pipelines".to_owned()),
                path: "shop one/pipelines/orders.yaml".to_owned(),
                commit: COMMIT.to_owned(),
                branch: Some("main".to_owned()),
            }
        );
    }

    #[test]
    fn packed_references_work_trees_and_a_head_of_its_own_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let packed = format!(
            "# pack-refs with: peeled\n{} refs/heads/other\n{COMMIT} refs/heads/a/b\n",
            "f".repeat(40)
        );
        write(
            dir.path(),
            &[
                ("main/.git/HEAD", COMMIT),
                ("main/.git/packed-refs", &packed),
                ("main/.git/worktrees/w/HEAD", "ref: refs/heads/a/b\n"),
                ("main/.git/worktrees/w/commondir", "../..\n"),
                ("w/.git", "gitdir: ../main/.git/worktrees/w\n"),
            ],
        );
        let tree = locate(dir.path(), "w").unwrap();
        assert_eq!((tree.commit.as_str(), tree.branch.as_deref()), (COMMIT, Some("a/b")));
        assert!(tree.url.starts_with("file:///") && tree.url.ends_with("/w/pipelines/orders.yaml"));
        let detached = locate(dir.path(), "main").unwrap();
        assert_eq!((detached.commit.as_str(), detached.branch), (COMMIT, None));
    }

    #[test]
    fn without_a_commit_there_is_nothing_to_name() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(locate(dir.path(), "."), None);
        write(dir.path(), &[(".git/HEAD", "ref: refs/heads/main\n")]);
        assert_eq!(locate(dir.path(), "."), None);
        write(dir.path(), &[(".git/refs/heads/main", "ref: refs/heads/main\n")]);
        assert_eq!(locate(dir.path(), "."), None, "a circle");
    }

    #[test]
    fn a_remote_becomes_a_web_address_without_its_secrets() {
        for (remote, address) in [
            ("git@github.com:shop/data.git", Some("https://github.com/shop/data")),
            ("ssh://git@git.shop:2222/shop/data.git", Some("https://git.shop/shop/data")),
            ("https://token@git.shop:8443/a/b/c/", Some("https://git.shop:8443/a/b/c")),
            ("http://git.shop/data", Some("http://git.shop/data")),
            ("/srv/git/data.git", None),
            ("../data", None),
            ("file:///srv/git/data.git", None),
            ("C:\\git\\data", None),
        ] {
            assert_eq!(web_address(remote).as_deref(), address, "{remote}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_remote_is_read_without_a_panic(remote in "\\PC{0,40}") {
            let _ = web_address(&remote);
        }
    }
}
