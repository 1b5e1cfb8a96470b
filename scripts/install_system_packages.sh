#!/usr/bin/env bash
# Install the missing Debian packages that the tests need; fails if that is impossible.
# "one|other": either is sufficient; the first available one is installed.
set -euo pipefail

declare -A program=([bubblewrap]=bwrap [openssl]=openssl [prometheus]=promtool
    [postgresql]=pg_createcluster)

is_installed() {
    local name
    for name in ${1//|/ }; do
        command -v "${program[$name]:-$name}" >/dev/null && return
    done
    return 1
}

first_available() {
    local name
    for name in ${1//|/ }; do
        apt-cache show "$name" >/dev/null 2>&1 && break
    done
    echo "$name"
}

missing=()
for package in "$@"; do
    is_installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "Please install: ${missing[*]} (apt-get is not available)" >&2
    exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Please install as root: apt-get install ${missing[*]}" >&2; exit 1; }
    sudo=(sudo)
fi
"${sudo[@]}" apt-get update -qq
chosen=()
for package in "${missing[@]}"; do
    chosen+=("$(first_available "$package")")
done
echo "installing ${chosen[*]}"
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${chosen[@]}" >/dev/null
