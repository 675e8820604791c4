//! The configuration as one value a line.

use std::path::PathBuf;

use serde::Serialize;
use toml::Value as Toml;

use super::{Executor, Group, Http, Origin, Ssh, Target, Targets, Value};

/// One value.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The table that holds it, in TOML's spelling; empty for the top.
    pub(crate) table: String,
    pub(crate) key: String,
    pub(crate) value: Toml,
    /// The file that states it.
    pub(crate) file: Option<String>,
    /// From 1.
    pub(crate) line: Option<usize>,
    #[serde(skip)]
    pub(crate) origin: Origin,
}

impl Targets {
    /// Every value that is in force.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = Rows { table: String::new(), rows: Vec::new() };
        rows.text("default_executor", &self.default);
        self.targets.values().for_each(|target| rows.target(target));
        self.groups.values().for_each(|group| rows.group(group));
        rows.rows
    }
}

fn shown(path: &Value<PathBuf>) -> Toml {
    Toml::String(path.value.display().to_string())
}

struct Rows {
    table: String,
    rows: Vec<Row>,
}

impl Rows {
    fn push(&mut self, key: impl Into<String>, value: Toml, origin: &Origin) {
        let line = origin.place().map(|(line, _)| line);
        let file = origin.file().map(|path| path.display().to_string());
        let (table, origin) = (self.table.clone(), origin.clone());
        self.rows.push(Row { table, key: key.into(), value, file, line, origin });
    }

    fn text<T: ToString>(&mut self, key: &'static str, value: &Value<T>) {
        self.push(key, Toml::String(value.value.to_string()), &value.origin);
    }

    fn target(&mut self, target: &Target) {
        let Target { name, kind_origin, profile, executor } = target;
        self.table = format!("executor.{}", name.value.toml_key());
        self.push("type", Toml::String(executor.kind().to_owned()), kind_origin);
        match executor {
            Executor::Local => {}
            Executor::Ssh(ssh) => self.ssh(ssh),
            Executor::Http(Http { url, token_file }) => {
                self.text("url", url);
                if let Some(path) = token_file {
                    self.push("token_file", shown(path), &path.origin);
                }
            }
        }
        if let Some(profile) = profile {
            self.text("profile", profile);
        }
    }

    fn ssh(&mut self, ssh: &Ssh) {
        self.text("host", &ssh.host);
        if let Some(user) = &ssh.username {
            self.text("username", user);
        }
        if let Some(port) = &ssh.port {
            self.push("port", Toml::Integer(port.value.get().into()), &port.origin);
        }
        for (key, path) in [("key_file", &ssh.key_file), ("known_hosts", &ssh.known_hosts)] {
            if let Some(path) = path {
                self.push(key, shown(path), &path.origin);
            }
        }
        let strict = &ssh.strict_host_key;
        self.push("strict_host_key", Toml::Boolean(strict.value), &strict.origin);
        self.text("connect_timeout", &ssh.connect_timeout);
        if let Ok(deploy) = Toml::try_from(ssh.deploy.value) {
            self.push("deploy", deploy, &ssh.deploy.origin);
        }
        if let Some(path) = &ssh.helper_path {
            self.text("helper_path", path);
        }
    }

    fn group(&mut self, group: &Group) {
        self.table = "group".to_owned();
        let names = group.members.iter().map(|m| Toml::String(m.value.to_string())).collect();
        let key = group.name.value.toml_key();
        self.push(key, Toml::Array(names), &group.name.origin);
    }
}
