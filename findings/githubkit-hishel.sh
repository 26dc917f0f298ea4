#!/usr/bin/env bash
# GitHubKit 0.16.1 cannot be imported with hishel 2.0.0, which its metadata allows (hishel[async,httpx]<=2.0.0,>=1.3.0).
#
# Who meets it: `pip install githubkit` resolves to hishel 2.0.0, so that a fresh installation does not start.
#
# Expected: `import githubkit` works with every version that is allowed.
# Seen:     ImportError: cannot import name 'CachePolicy' from 'hishel'. With hishel 1.3.0 it works.
# Source:   https://github.com/yanyongyu/githubkit (githubkit/cache/base.py)
#
# Exits 0 while that is so, 1 when it has changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
install() { "$place/venv/bin/pip" --quiet --disable-pip-version-check install "$@"; }
install GitHubKit==0.16.1 hishel==2.0.0
said=$("$place/venv/bin/python" -c 'import githubkit' 2>&1 || true)
echo "with hishel 2.0.0: ${said##*$'\n'}"
install hishel==1.3.0
"$place/venv/bin/python" -c 'import githubkit; print("with hishel 1.3.0: imported")'
case $said in *"cannot import name 'CachePolicy'"*) exit 0 ;; *) echo 'changed' >&2; exit 1 ;; esac
