"""The Python SDK, in both eras: it holds each answer as data against the schema that the tool states."""

import asyncio
import os

from mcp import Client, MCPError, StdioServerParameters


async def main() -> None:
    arguments = ["mcp", "serve", "--target", "local", "--profile", "diagnostics"]
    program = os.environ["SHANNOT"]
    server = StdioServerParameters(command=program, args=arguments, env=dict(os.environ))
    for mode in ["legacy", "auto"]:
        async with Client(server, mode=mode) as client:
            tools = (await client.list_tools()).tools
            assert any(tool.name == "run_command" for tool in tools), tools
            called = await client.call_tool("run_command", {"argv": ["uname", "-s"]})
            assert not called.is_error, called
            assert called.structured_content["stdout"] == "Linux\n", called
            denied = await client.call_tool("run_command", {"argv": ["rm", "x"]})
            assert denied.is_error, denied
            assert denied.structured_content["outcome"] == "denied", denied
            try:
                raise AssertionError(await client.call_tool("nosuch", {}))
            except MCPError as error:
                assert error.code == -32602, error
    print("tools/list, tools/call, denial, no such tool; handshake and without")


asyncio.run(main())
