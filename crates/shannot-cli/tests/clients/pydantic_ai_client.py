"""Pydantic AI with a model that calls the tool it is told to."""

import asyncio
import json
import os

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.test import TestModel


async def main() -> None:
    arguments = ["mcp", "serve", "--target", "local", "--profile", "diagnostics"]
    server = StdioTransport(os.environ["SHANNOT"], arguments, env=dict(os.environ))
    agent = Agent(TestModel(call_tools=["check_memory"]), toolsets=[MCPToolset(server)])
    answer = json.loads((await agent.run("How much memory is there?")).output)
    assert "Mem:" in answer["check_memory"]["stdout"], answer
    print("an agent's tool call")


asyncio.run(main())
