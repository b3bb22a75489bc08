#!/usr/bin/env bash
# Resolves pyproject.toml anew into constraints.txt: all versions with hashes, no index, no host.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/find_uv.sh

"$UV" pip compile pyproject.toml --group dev --extra tensorboard \
  --universal --python-version 3.11 --upgrade \
  --generate-hashes --no-emit-index-url --no-annotate --no-header \
  --output-file constraints.txt --quiet
if grep -nE 'https?://|--(extra-)?index-url|--find-links' constraints.txt; then
  echo "constraints.txt names a host" >&2
  exit 1
fi
