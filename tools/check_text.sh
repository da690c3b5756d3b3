#!/bin/sh
# The repository speaks of the product only, and names no machine or registry.
set -eu
cd "$(dirname "$0")/.."
bad=$(git grep -nIE '/work/|/root/|index\.crates|registry\.npm|deb\.debian|pypi\.org|files\.pythonhosted' -- \
    . ':!tools/check_text.sh' ':!Cargo.lock' || true)
if [ -n "$bad" ]; then
    echo "text: names of machines or registries do not belong here:" >&2
    echo "$bad" >&2
    exit 1
fi
echo "text: clean"
