//! The command line as data: definitions, and nothing that acts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser};
use shannot::destination::{Destination, Port, UserName};
use shannot::policy::types::{ProfileName, Timeout};

use crate::mcp::{Loopback, McpInstall, McpTest, McpUninstall};
use crate::targets::{AgentUrl, Selection, TargetName};

/// Runs diagnostic commands in a read-only box that the kernel enforces.
#[derive(Debug, Parser)]
#[command(name = "shannot", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Subcommand,
}

/// `run` as if it were the only subcommand.
#[derive(Debug, Parser)]
#[command(disable_help_flag = true)]
struct RunAlone {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    run: Run,
}

impl Cli {
    /// Reads the words of a command line.
    ///
    /// Building every subcommand takes longer than reading one. `run`, which somebody waits for
    /// each time, is read alone where it stands first; whatever is not right then is read again by
    /// the whole, which knows what to say.
    pub(crate) fn read(words: &[OsString]) -> Result<Self, clap::Error> {
        if let [_, after @ ..] = words
            && after.first().is_some_and(|word| word == "run")
            && let Ok(RunAlone { global, run }) = RunAlone::try_parse_from(after)
        {
            return Ok(Self { global, command: Subcommand::Run(run) });
        }
        Self::try_parse_from(words)
    }
}

/// Options that may stand before or after the subcommand.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The profile: a name, or a path to a file [default: $SHANNOT_PROFILE, or `minimal`]
    #[arg(long, global = true, value_name = "PROFILE")]
    pub(crate) profile: Option<OsString>,
    /// Where to run: a target of the configuration, or several with commas between, or `@group`
    /// [default: `default_executor`]
    #[arg(long, global = true, value_name = "NAME,…")]
    pub(crate) target: Option<Selection>,
    /// The configuration, instead of /etc/shannot/config.toml and the user's file
    /// [default: $SHANNOT_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say on stderr what was enforced
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    Run(Run),
    #[command(subcommand)]
    Profile(Profile),
    /// Say what this host can enforce, found by doing it
    #[command(after_long_help = "\
Example:
  shannot doctor --profile diagnostics --json
  shannot doctor --attack --profile diagnostics
  shannot doctor --target prod

--attack has a hostile command try what a box must refuse, in each kind of box that the
profile's commands get, and once more outside, where it must work or the refusal proves
nothing. It aims only at files and processes that are made for it, and changes nothing else.

Exit codes:
  0 the profile can run here, or no attack escaped; 1 it cannot, or one did;
  2 the command line or the profile is wrong, or nothing could be attacked")]
    Doctor(Doctor),
    #[command(subcommand)]
    Remote(Remote),
    #[command(subcommand)]
    Config(Config),
    #[command(subcommand)]
    Agent(Agent),
    #[command(subcommand)]
    Mcp(Mcp),
    Completions(Completions),
    Man(Man),
}

impl Subcommand {
    /// Whether `--target` means something to it.
    pub(crate) const fn runs_on_targets(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Doctor(_) | Self::Mcp(_))
    }
}

/// Let a model look at hosts, by the Model Context Protocol
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Mcp {
    Serve(McpServe),
    Install(McpInstall),
    Uninstall(McpUninstall),
    /// List the clients of this machine, and where Shannot is installed
    #[command(after_long_help = "\
Example:
  shannot mcp list --json

Exit codes:
  0 listed; 1 the file of a client cannot be read")]
    List,
    Test(McpTest),
}

/// Serve a client on standard input and output, or several over HTTP
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot mcp serve --target prod --profile diagnostics
  shannot mcp serve --http 127.0.0.1:7311

A client starts it: Claude, Codex, Cursor and others have it in their configuration. It offers
every target of the configuration, or those of --target, and ends with its standard input;
over HTTP, with SIGINT or SIGTERM.
What is asked and what came of it is recorded in ~/.local/state/shannot/audit.jsonl.

Exit codes:
  0 the client has gone; 125 the configuration is wrong, or it was no client")]
pub(crate) struct McpServe {
    /// Which tools to offer, with commas between
    #[arg(long, value_name = "SETS", value_delimiter = ',', default_value = "core,rows")]
    pub(crate) tools: Vec<ToolSet>,
    /// Serve over HTTP on this port of this machine instead, to this user's clients; 0 takes a free one
    #[arg(long, value_name = "127.0.0.1:PORT")]
    pub(crate) http: Option<Loopback>,
}

/// Tools that are offered together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum ToolSet {
    /// Commands by their words, files, disk and memory
    Core,
    /// Processes, sockets, disks, services, the journal and packages as rows
    Rows,
    /// One for each profile
    Profiles,
    /// One for each command of a profile
    Commands,
    /// All of these
    All,
}

impl ToolSet {
    /// Its name on the command line.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Rows => "rows",
            Self::Profiles => "profiles",
            Self::Commands => "commands",
            Self::All => "all",
        }
    }
}

/// Name the hosts that commands can run on
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Remote {
    Add(RemoteAdd),
    /// List the targets
    #[command(after_long_help = "Example:\n  shannot remote list --json")]
    List,
    Remove(RemoteRemove),
    Test(RemoteTest),
    Deploy(RemoteDeploy),
}

/// Say step by step what works on the way to a host, and how long it takes
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot remote test prod

Each step that fails says what to do. On a terminal it offers to put the helper on a host that
has none.

Exit codes:
  0 all works; 1 something does not; 125 there is no such target")]
pub(crate) struct RemoteTest {
    #[arg(value_name = "NAME")]
    pub(crate) name: TargetName,
}

/// Put this program on a host, where it answers as the helper
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot remote deploy prod

It goes to ~/.cache/shannot/bin there, by the name of its digest, for that user alone. Before
each use that host compares its digest.

Exit codes:
  0 it is there; 125 it is not, and nothing of it was left")]
pub(crate) struct RemoteDeploy {
    #[arg(value_name = "NAME")]
    pub(crate) name: TargetName,
}

/// Add a host to the configuration
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  shannot remote add prod --host prod.example.com --user admin --key ~/.ssh/id_ed25519
  shannot remote add prod admin@prod.example.com:2222 --profile diagnostics
  shannot remote add admin@prod
  shannot remote add edge --url https://edge.example.com:7443

A host can be an alias of ssh_config. What is not given is left to ssh_config.

Exit codes:
  0 added; 125 not added, and the configuration is as it was")]
pub(crate) struct RemoteAdd {
    /// The target's name; alone it is `[user@]host[:port]`, and the host is the name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// `[user@]host[:port]`
    #[arg(value_name = "HOST", conflicts_with_all = ["host", "url"])]
    pub(crate) destination: Option<Destination>,
    /// `[user@]host[:port]`
    #[arg(long, value_name = "HOST", allow_hyphen_values = true, conflicts_with = "url")]
    pub(crate) host: Option<Destination>,
    /// Who to be there
    #[arg(long, value_name = "USER", allow_hyphen_values = true, conflicts_with = "url")]
    pub(crate) user: Option<UserName>,
    /// Where its sshd listens
    #[arg(long, value_name = "PORT", allow_hyphen_values = true, conflicts_with = "url")]
    pub(crate) port: Option<Port>,
    /// The private key
    #[arg(long, value_name = "FILE", conflicts_with = "url")]
    pub(crate) key: Option<PathBuf>,
    /// The address of an agent, for a host that is not behind SSH
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<AgentUrl>,
    /// Replace a target that is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Put the helper there, as `remote deploy` does
    #[arg(long, conflicts_with = "url")]
    pub(crate) deploy: bool,
    /// Print the line of authorized_keys that lets the key do nothing else, by the host's profile
    #[arg(long, conflicts_with = "url", requires = "key")]
    pub(crate) print_authorized_key: bool,
}

/// Remove a host from the configuration
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot remote remove prod

Exit codes:
  0 removed; 125 not removed, and the configuration is as it was")]
pub(crate) struct RemoteRemove {
    #[arg(value_name = "NAME")]
    pub(crate) name: TargetName,
}

/// Look at the configuration
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Config {
    /// Print every value, and where it is from
    #[command(after_long_help = "Example:\n  shannot config show --json")]
    Show,
    /// Print the file that `remote add` changes; with --json all that are read
    #[command(after_long_help = "Example:\n  $EDITOR \"$(shannot config path)\"")]
    Path,
    /// Read the configuration, and look for the files and profiles that it names
    #[command(after_long_help = "\
Example:
  shannot config check

Exit codes:
  0 all is well; 1 something is wrong; 2 the command line is wrong")]
    Check,
    /// Print the JSON Schema of a configuration file, for editors
    #[command(after_long_help = "Example:\n  shannot config schema > config.schema.json")]
    Schema,
}

/// Answer requests of other hosts
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Agent {
    Stdio(AgentStdio),
}

/// Speak HTTP/2 on standard input and output, until the caller has gone
#[derive(Debug, Args)]
#[command(after_long_help = "\
Whoever runs `shannot run --target` elsewhere starts this over SSH. As a forced command in
~/.ssh/authorized_keys it lets a key do nothing else, by the profiles of this host:

  restrict,command=\"shannot agent stdio --pin diagnostics\" ssh-ed25519 AAAA…

Exit codes:
  0 the caller has gone; 125 it could not be answered")]
pub(crate) struct AgentStdio {
    /// Hold every request against one of these profiles of this host, and take none from the caller
    #[arg(long, value_name = "PROFILE,…", value_delimiter = ',')]
    pub(crate) pin: Option<Vec<ProfileName>>,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Attack the profile's boxes, and say what was blocked
    #[arg(long)]
    pub(crate) attack: bool,
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot completions bash > /etc/bash_completion.d/shannot")]
pub(crate) struct Completions {
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot man --out /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// Write the pages of all subcommands into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Run a command in the box
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  shannot run df -h
  shannot run --profile diagnostics --timeout 10s -- journalctl -n 50
  shannot run --pipe -- ps aux '|' grep nginx '|' wc -l
  shannot run --json -- uname -a
  shannot run --target web1,web2 -- uptime
  shannot run --target @web --json -- df -h /

Several targets get no standard input; each line of output begins with its target's name, and
--json prints one object a line as the answers come.

Exit codes:
  the command's own; 124 timed out; 125 Shannot failed, or a limit other than time was
  reached; 126 denied by the profile, or not executable; 127 not found in the box;
  128+n killed by signal n. Of several targets the greatest")]
pub(crate) struct Run {
    /// On how many targets at once
    #[arg(long, value_name = "N", default_value = "16")]
    pub(crate) parallel: std::num::NonZeroUsize,
    /// End the command after this time, if the profile does not end it sooner
    #[arg(long, value_name = "TIME", allow_negative_numbers = true)]
    pub(crate) timeout: Option<Timeout>,
    /// Pass control sequences on to the terminal as they are
    #[arg(long)]
    pub(crate) raw: bool,
    /// Start in this directory [default: this one, or `/` where the box does not show it]
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<PathBuf>,
    /// Give the command no standard input
    #[arg(short, long)]
    pub(crate) no_stdin: bool,
    /// Take each word `|` as a pipe between commands
    #[arg(long)]
    pub(crate) pipe: bool,
    /// The command and its arguments; options of Shannot's stand before it
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Look at profiles
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Profile {
    /// List the profiles that can be named
    #[command(after_long_help = "Example:\n  shannot profile list --json")]
    List,
    Show(ProfileShow),
    Check(ProfileCheck),
    Explain(ProfileExplain),
    Convert(ProfileConvert),
}

/// Print a profile with all that it inherits
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot profile show readonly")]
pub(crate) struct ProfileShow {
    /// A name, or a path to a file [default: as of `run`]
    pub(crate) name: Option<OsString>,
}

/// Read profiles and run the examples of their rules
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot profile check ~/.config/shannot/profiles/*.toml

Exit codes:
  0 all are well; 1 something is wrong with one; 2 the command line is wrong")]
pub(crate) struct ProfileCheck {
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

/// Say what a profile allows, or what becomes of a command and in which box
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  shannot profile explain --profile diagnostics
  shannot profile explain -- find / -delete

Exit codes:
  0 allowed; 1 denied; 2 the command line or the profile is wrong")]
pub(crate) struct ProfileExplain {
    /// Print the box as one shell line that calls bwrap
    #[arg(long, requires = "command")]
    pub(crate) bwrap: bool,
    /// Take each word `|` as a pipe between commands
    #[arg(long)]
    pub(crate) pipe: bool,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Rewrite a JSON profile of Shannot 0.3 as TOML
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  shannot profile convert old.json -o ~/.config/shannot/profiles/old.toml")]
pub(crate) struct ProfileConvert {
    pub(crate) file: PathBuf,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_alone_reads_what_the_whole_reads() {
        for line in [
            "shannot run ls",
            "shannot run -- ls -la",
            "shannot run ls --json",
            "shannot run --json -v --profile diagnostics --timeout 3s --cwd / -n --pipe a | b",
            "shannot run --raw --profile=x -- --json",
            "shannot run",
            "shannot run --help",
            "shannot run -h",
            "shannot run --nosuch ls",
            "shannot run --timeout 0 ls",
            "shannot run --json --json ls",
            "shannot run help",
            "shannot run --version",
            "shannot --json run ls",
            "shannot --target prod run ls /",
            "shannot run --target @web,db ls",
            "shannot run --target , ls",
            "shannot doctor",
        ] {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            let shown = |read: Result<Cli, clap::Error>| match read {
                Ok(cli) => format!("{cli:?}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(shown(Cli::read(&words)), shown(Cli::try_parse_from(&words)), "{line}");
        }
    }
}
