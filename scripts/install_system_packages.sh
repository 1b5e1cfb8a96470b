#!/usr/bin/env bash
# Install the Debian packages that the tests need, those that are missing. Fails when it can't.
set -euo pipefail

declare -A program=([bubblewrap]=bwrap [openssl]=openssl [prometheus]=promtool)

missing=()
for package in "$@"; do
    command -v "${program[$package]:-$package}" >/dev/null || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "Please install: ${missing[*]} (no apt-get here to do it)" >&2
    exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Please install as root: apt-get install ${missing[*]}" >&2; exit 1; }
    sudo=(sudo)
fi
echo "installing ${missing[*]}"
"${sudo[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
