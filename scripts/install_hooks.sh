#!/usr/bin/env bash
# Install git hooks that run pre-commit-check.sh before each commit and merge. Existing hooks are not
# overwritten.
set -euo pipefail

line='exec "$(git rev-parse --show-toplevel)/pre-commit-check.sh"'
for name in pre-commit pre-merge-commit; do
    hook=$(git rev-parse --git-path hooks)/$name
    if [ -e "$hook" ] && ! grep -qF pre-commit-check.sh "$hook"; then
        echo "The hook $hook already exists. Add this line to it:" >&2
        echo "    $line" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$hook")"
    printf '#!/bin/sh\n%s\n' "$line" >"$hook"
    chmod +x "$hook"
done
echo "installed: commits with key-shaped strings are blocked from now on"
