#!/bin/sh
# The Inspector's command line, in both eras: it lists the tools, calls one, and takes a denial for an error.
set -eu
for era in legacy modern; do
  cat > inspector.json <<END
{"mcpServers": {"shannot": {"command": "$SHANNOT", "protocolEra": "$era",
  "args": ["mcp", "serve", "--target", "local", "--profile", "diagnostics"]}}}
END
  inspect() { mcp-inspector --cli --config inspector.json --server shannot --format json "$@"; }
  inspect --strict --method tools/list > tools.json
  grep -q '"name":"run_command"' tools.json
  inspect --method tools/call --tool-name check_memory --tool-args-json '{}' > called.json
  grep -q 'Mem:' called.json
  code=0
  inspect --method tools/call --tool-name run_command \
    --tool-args-json '{"argv": ["rm", "x"]}' > denied.json 2>&1 || code=$?
  [ "$code" -eq 5 ] && grep -q '`rm` may not run' denied.json
done
echo 'tools/list, tools/call, denial; handshake and without'
