#!/bin/sh
# Codex: the server is added, started for a conversation, and asked for its tools. No model is reached.
set -eu
cat > heard.sh <<END
#!/bin/sh
tee -a "$PWD/said" | "$SHANNOT" mcp serve --target local --profile diagnostics | tee -a "$PWD/answered"
END
chmod +x heard.sh
codex mcp add shannot -- "$PWD/heard.sh" > added 2>&1
codex mcp list 2> told | grep -q '^shannot .*enabled'
codex exec --skip-git-repo-check -c model_provider=none \
  -c 'model_providers.none={name = "none", base_url = "http://127.0.0.1:9"}' \
  hello < /dev/null > talked 2>&1 &
codex=$!
trap 'kill "$codex" 2> kill.log || true' EXIT
tries=0
until grep -q '"name":"run_command"' answered 2> grep.log; do
  tries=$((tries + 1))
  [ "$tries" -lt 150 ]
  sleep 0.2
done
grep -q '"method":"tools/list"' said
echo 'mcp add, mcp list; a conversation lists the tools'
