#!/usr/bin/env bash
# List one CPython interpreter for each installed version from 3.11 on, from PATH and pyenv, except
# the version of the given interpreter.
set -euo pipefail

version() {
    "$1" -c 'import sys, venv, ensurepip
if sys.implementation.name != "cpython" or sys.version_info < (3, 11): raise SystemExit(1)
if sys.version_info.releaselevel != "final": raise SystemExit(1)
print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

declare -A found=()
main=$(version "$1")
found[$main]=1
IFS=: read -ra folders <<<"$PATH"
folders+=("${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin)
for folder in "${folders[@]}"; do
    for python in "$folder"/python3.[0-9]*; do
        [[ $python =~ /python3\.[0-9]+$ && -x $python ]] || continue
        this=$(version "$python") || continue
        [ -n "${found[$this]:-}" ] && continue
        found[$this]=1
        echo "$python"
    done
done
