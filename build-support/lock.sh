#!/usr/bin/env bash
# Writes the locks: hash-pinned requirements files which name no host.
#
#   build-support/lock.sh            all of them
#   build-support/lock.sh ruff mypy  these
#
# Needs `uv` on PATH, or UV=/path/to/uv. What is already pinned stays as it is: delete a lock to
# have newer versions of everything in it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/locks"

destination() {
  if [[ $1 == bundler ]]; then
    echo ../../pants_plugin_minimg/subsystems/bundler.lock
  else
    echo "$1.lock"
  fi
}

names=("$@")
[[ ${#names[@]} -gt 0 ]] || names=(pants pex uv dev ruff mypy setuptools bundler buildgrid)
for name in "${names[@]}"; do
  # The bundler's lock serves every platform and every CPython from 3.9 on; BuildGrid's serves the
  # 3.11 of Debian 12, the others serve 3.9.
  scope=() version=3.9
  [[ $name != bundler ]] || scope=(--universal)
  [[ $name != buildgrid ]] || version=3.11
  UV_PYTHON_DOWNLOADS=never "${UV:-uv}" pip compile --quiet --python-version "$version" ${scope[@]+"${scope[@]}"} \
    --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
    "$name.in" --output-file "$(destination "$name")"
  if grep -nE '://|--(index|extra-index|find-links)' "$(destination "$name")"; then
    echo "lock.sh: $name.lock names a host" >&2
    exit 1
  fi
done
