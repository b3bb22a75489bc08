# Sets UV to a uv that works. Where there is none, pip puts one into .cache/uv and nowhere else, so
# that this also works where a distribution manages Python's packages. To be sourced from the root.

find_uv() {
  local python="${PYTHON:-python3}" private=.cache/uv candidate
  for candidate in uv "$HOME/.local/bin/uv" "$private/bin/uv"; do
    if "$candidate" --version >/dev/null 2>&1; then
      UV="$candidate"
      return
    fi
  done
  if ! "$python" -m pip install --quiet --upgrade --target "$private" 'uv>=0.8'; then
    rm -rf "$private" # a Python without pip can make an environment that has it
    "$python" -m venv "$private"
    "$private/bin/python" -m pip install --quiet 'uv>=0.8'
  fi
  UV="$private/bin/uv"
}
find_uv
