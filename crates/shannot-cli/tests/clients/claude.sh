#!/bin/sh
# Claude Code: the server is added and reported as connected.
set -eu
claude mcp add --scope user shannot -- \
  "$SHANNOT" mcp serve --target local --profile diagnostics > added
claude mcp list > listed
grep -q 'shannot: .*Connected' listed
echo "mcp add, mcp list: connected"
