"""FastMCP's client: it makes a type of the schema that a tool states, and reads the answer into it."""

import asyncio
import os

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def main() -> None:
    arguments = ["mcp", "serve", "--target", "local", "--profile", "diagnostics"]
    server = StdioTransport(os.environ["SHANNOT"], arguments, env=dict(os.environ))
    async with Client(server) as client:
        names = [tool.name for tool in await client.list_tools()]
        assert "run_command" in names, names
        called = await client.call_tool("run_command", {"argv": ["uname", "-s"]})
        assert (called.data.stdout, called.data.exit_code) == ("Linux\n", 0), called
        denied = await client.call_tool("run_command", {"argv": ["rm"]}, raise_on_error=False)
        assert denied.is_error, denied
    print("tools/list, tools/call, denial")


asyncio.run(main())
