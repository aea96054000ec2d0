#!/bin/sh
# What one does by hand: ldd for the libraries, readelf for the loader, both ends of each link.
# usage: shell_lines.sh FOLDER PROGRAM...
set -eu
root=$1
shift
mkdir -p "$root"

bring() {
    cp --parents --no-dereference "$1" "$root"
    cp --parents "$(readlink -f "$1")" "$root"
}

for program in "$@"; do
    cp --parents "$program" "$root"
    bring "$(readelf -l "$program" | sed -n 's/.*interpreter: \(.*\)\]$/\1/p')"
    ldd "$program" | awk '$2 == "=>" { print $3 }' | while read -r library; do
        bring "$library"
    done
done
