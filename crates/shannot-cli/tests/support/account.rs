//! The ordinary user of the end-to-end tests.
//!
//! As root the tests make one, `shannot-test`, that owns nothing and is in no group but its own;
//! as anybody else they are that user themselves.

use std::process::Command;

/// The name of the account that root makes.
pub(crate) const NAME: &str = "shannot-test";
const HOME: &str = "/home/shannot-test";

/// Somebody to run a command as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// Whoever runs the tests.
    Caller,
    /// The account that root made.
    Made,
}

impl Account {
    /// An ordinary user: the caller, or for root an account made for this.
    pub(crate) fn ordinary() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Caller;
        }
        // Another test may be making it at the same time; useradd locks, and gives up at once.
        for _ in 0..50 {
            if Command::new("getent").args(["passwd", NAME]).output().unwrap().status.success() {
                return Self::Made;
            }
            let made = Command::new("useradd")
                .args(["--system", "--create-home", "--home-dir", HOME, NAME])
                .output()
                .expect("`useradd` of the package passwd");
            if !made.status.success() {
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
        panic!("useradd cannot make the account {NAME}");
    }

    /// What stands before a command to run it as this user, in a session of its own: without a
    /// controlling terminal.
    pub(crate) fn launcher(self) -> Vec<String> {
        let mut words = vec!["setsid".to_owned(), "--wait".to_owned()];
        if self == Self::Made {
            let reuid = format!("--reuid={NAME}");
            let regid = format!("--regid={NAME}");
            words.extend(["setpriv".to_owned(), reuid, regid, "--init-groups".to_owned()]);
        }
        words
    }
}
