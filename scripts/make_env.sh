#!/usr/bin/env bash
# Makes the environment with exactly the versions and hashes of constraints.txt, and residua itself
# in editable form. Usage: [PYTHON=python3.12] scripts/make_env.sh [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${1:-.venv}"
source scripts/find_uv.sh

right_python='import sys; sys.exit(sys.version_info < (3, 11))'
if ! "$venv/bin/python" -c "$right_python" 2>/dev/null; then
  interpreter="${PYTHON:-python3}"
  "$interpreter" -c "$right_python" 2>/dev/null || interpreter=">=3.11"
  rm -rf "$venv"
  "$UV" venv --python "$interpreter" "$venv"
fi
"$UV" pip sync --python "$venv/bin/python" --require-hashes constraints.txt
"$UV" pip install --python "$venv/bin/python" --no-deps --editable .
