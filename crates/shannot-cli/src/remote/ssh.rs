//! A target of the configuration as the SSH executor takes it.

use shannot::{Helper, SshTarget};

use super::helper::Program;
use crate::error::Error;
use crate::targets::{Deploy, Ssh, TargetName};

/// How a target is reached.
///
/// # Errors
/// The program that would be its helper cannot be read.
pub(crate) fn ssh_target(name: &TargetName, ssh: &Ssh) -> Result<SshTarget, Error> {
    let (helper, deploy) = match &ssh.helper_path {
        Some(path) => (Helper::At(path.value.clone()), None),
        None => match Program::own()? {
            Some(program) => {
                let auto = ssh.deploy.value == Deploy::Auto;
                (Helper::Deployed(program.sha256), auto.then_some(program.bytes))
            }
            None => (Helper::Absent, None),
        },
    };
    Ok(SshTarget {
        name: name.to_string(),
        destination: ssh.destination(),
        key_file: ssh.key_file.as_ref().map(|path| path.value.clone()),
        known_hosts: ssh.known_hosts.as_ref().map(|path| path.value.clone()),
        strict_host_key: ssh.strict_host_key.value,
        connect_timeout: ssh.connect_timeout.value.as_duration(),
        helper,
        deploy,
        sockets: None,
    })
}
