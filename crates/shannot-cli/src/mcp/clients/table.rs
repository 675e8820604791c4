//! The clients: one row for each, and nothing that acts.

use super::entry::Shape;
use super::format::Format;

/// A client.
#[derive(Debug)]
pub(crate) struct Client {
    /// As the command line calls it.
    pub(crate) id: &'static str,
    /// As its makers call it.
    pub(super) title: &'static str,
    pub(super) format: Format,
    /// The key below which servers are.
    pub(super) key: &'static str,
    pub(super) shape: Shape,
    /// Where it looks for servers of the user, the usual place first.
    pub(super) user: &'static [Place],
    /// Where it looks for servers of a project, below its directory; the usual place first.
    pub(super) project: &'static [&'static str],
    pub(super) own: Option<Own>,
    /// Its program on `$PATH`, where it has one.
    pub(super) program: Option<&'static str>,
    pub(super) link: Option<Link>,
    /// What makes it read its file again.
    pub(super) next: &'static str,
}

/// A file below a directory.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) path: &'static str,
}

/// A directory of this user's.
#[derive(Debug, Clone, Copy)]
pub(super) enum Base {
    Home,
    /// `$XDG_CONFIG_HOME`, or `~/.config`.
    Config,
    /// Where programs keep data of theirs: `~/Library/Application Support`, `%APPDATA%`, or as
    /// [`Base::Config`].
    AppData,
    /// [`Base::AppData`] of Windows; nothing elsewhere.
    Roaming,
    /// That of a variable, or else one below the home.
    Variable(&'static str, &'static str),
}

/// A command of the client's that adds a server.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) program: &'static str,
    pub(super) words: &'static [Word],
    /// Whether it can also add one to a project.
    pub(super) in_project: bool,
}

/// A word of such a command.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    Is(&'static str),
    /// `user` or `project`.
    Scope,
    Name,
    /// The program.
    Program,
    /// The program's words.
    Args,
    /// All of it as JSON.
    Json,
}

/// An address that asks a client to add a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link {
    /// Up to `name=…&config=…`, the second in base64.
    Base64(&'static str),
    /// Up to the whole as JSON.
    Json(&'static str),
}

const fn at(base: Base, path: &'static str) -> Place {
    Place { base, path }
}

const MCP_SERVERS: &str = "mcpServers";

/// Every client that is known.
pub(crate) static CLIENTS: [Client; 12] = [
    Client {
        id: "claude-desktop",
        title: "Claude Desktop",
        format: Format::Json,
        key: MCP_SERVERS,
        shape: Shape::Plain,
        user: &[at(Base::AppData, "Claude/claude_desktop_config.json")],
        project: &[],
        own: None,
        program: None,
        link: None,
        next: "restart Claude Desktop",
    },
    Client {
        id: "claude-code",
        title: "Claude Code",
        format: Format::Json,
        key: MCP_SERVERS,
        shape: Shape::Typed,
        user: &[at(Base::Variable("CLAUDE_CONFIG_DIR", ""), ".claude.json")],
        project: &[".mcp.json"],
        own: Some(Own {
            program: "claude",
            words: &[
                Word::Is("mcp"),
                Word::Is("add"),
                Word::Is("-s"),
                Word::Scope,
                Word::Name,
                Word::Is("--"),
                Word::Program,
                Word::Args,
            ],
            in_project: true,
        }),
        program: Some("claude"),
        link: None,
        next: "start a new session of `claude`",
    },
    Client {
        id: "codex",
        title: "Codex",
        format: Format::Toml,
        key: "mcp_servers",
        shape: Shape::Plain,
        user: &[at(Base::Variable("CODEX_HOME", ".codex"), "config.toml")],
        project: &[".codex/config.toml"],
        own: Some(Own {
            program: "codex",
            words: &[
                Word::Is("mcp"),
                Word::Is("add"),
                Word::Name,
                Word::Is("--"),
                Word::Program,
                Word::Args,
            ],
            in_project: false,
        }),
        program: Some("codex"),
        link: None,
        next: "start a new session of `codex`",
    },
    Client {
        id: "cursor",
        title: "Cursor",
        format: Format::Json,
        key: MCP_SERVERS,
        shape: Shape::Plain,
        user: &[at(Base::Home, ".cursor/mcp.json")],
        project: &[".cursor/mcp.json"],
        own: None,
        program: Some("cursor"),
        link: Some(Link::Base64("cursor://anysphere.cursor-deeplink/mcp/install?")),
        next: "restart Cursor, or turn the server on in its settings under MCP",
    },
    Client {
        id: "vscode",
        title: "VS Code",
        format: Format::Json,
        key: "servers",
        shape: Shape::Typed,
        user: &[at(Base::AppData, "Code/User/mcp.json")],
        project: &[".vscode/mcp.json"],
        own: Some(Own {
            program: "code",
            words: &[Word::Is("--add-mcp"), Word::Json],
            in_project: false,
        }),
        program: Some("code"),
        link: Some(Link::Json("vscode:mcp/install?")),
        next: "run `MCP: List Servers` in VS Code and start it",
    },
    Client {
        id: "windsurf",
        title: "Windsurf",
        format: Format::Json,
        key: MCP_SERVERS,
        shape: Shape::Plain,
        user: &[at(Base::Home, ".codeium/windsurf/mcp_config.json")],
        project: &[],
        own: None,
        program: Some("windsurf"),
        link: None,
        next: "restart Windsurf, or refresh the servers of Cascade",
    },
    Client {
        id: "gemini",
        title: "Gemini CLI",
        format: Format::Json,
        key: MCP_SERVERS,
        shape: Shape::Plain,
        user: &[at(Base::Home, ".gemini/settings.json")],
        project: &[".gemini/settings.json"],
        own: Some(Own {
            program: "gemini",
            words: &[
                Word::Is("mcp"),
                Word::Is("add"),
                Word::Is("-s"),
                Word::Scope,
                Word::Name,
                Word::Program,
                Word::Is("--"),
                Word::Args,
            ],
            in_project: true,
        }),
        program: Some("gemini"),
        link: None,
        next: "start a new session of `gemini` in a folder that it trusts",
    },
    Client {
        id: "lm-studio",
        title: "LM Studio",
        format: Format::Json,
        key: MCP_SERVERS,
        shape: Shape::Plain,
        user: &[at(Base::Home, ".lmstudio/mcp.json"), at(Base::Home, ".cache/lm-studio/mcp.json")],
        project: &[],
        own: None,
        program: Some("lms"),
        link: Some(Link::Base64("lmstudio://add_mcp?")),
        next: "turn the server on in LM Studio, in the program tab of a chat",
    },
    Client {
        id: "zed",
        title: "Zed",
        format: Format::Json,
        key: "context_servers",
        shape: Shape::Zed,
        user: &[at(Base::Roaming, "Zed/settings.json"), at(Base::Config, "zed/settings.json")],
        project: &[".zed/settings.json"],
        own: None,
        program: Some("zed"),
        link: None,
        next: "look in Zed's agent panel, which has it at once",
    },
    Client {
        id: "goose",
        title: "Goose",
        format: Format::Yaml,
        key: "extensions",
        shape: Shape::Goose,
        user: &[
            at(Base::Roaming, "Block/goose/config/config.yaml"),
            at(Base::Config, "goose/config.yaml"),
        ],
        project: &[],
        own: None,
        program: Some("goose"),
        link: None,
        next: "start a new session of `goose`",
    },
    Client {
        id: "opencode",
        title: "opencode",
        format: Format::Json,
        key: "mcp",
        shape: Shape::Opencode,
        user: &[
            at(Base::Config, "opencode/opencode.json"),
            at(Base::Config, "opencode/opencode.jsonc"),
        ],
        project: &["opencode.json", "opencode.jsonc"],
        own: None,
        program: Some("opencode"),
        link: None,
        next: "start a new session of `opencode`",
    },
    Client {
        id: "copilot",
        title: "Copilot CLI",
        format: Format::Json,
        key: MCP_SERVERS,
        shape: Shape::Copilot,
        user: &[at(Base::Variable("COPILOT_HOME", ".copilot"), "mcp-config.json")],
        project: &[".mcp.json", ".github/mcp.json"],
        own: None,
        program: Some("copilot"),
        link: None,
        next: "start a new session of `copilot`",
    },
];

impl Client {
    /// The client of that name.
    pub(crate) fn named(id: &str) -> Option<&'static Self> {
        CLIENTS.iter().find(|client| client.id == id)
    }
}
