#!/bin/sh
# Gemini CLI: the server is added and, in a folder that is trusted, reported as connected.
set -eu
gemini mcp add --scope user shannot \
  "$SHANNOT" mcp serve -- --target local --profile diagnostics > added 2>&1
GEMINI_CLI_TRUST_WORKSPACE=true gemini mcp list > listed 2>&1
grep -q 'shannot: .*Connected' listed
echo 'mcp add, mcp list: connected'
