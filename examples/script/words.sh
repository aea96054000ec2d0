#!/bin/sh
# Counts the words on standard input, the most frequent first.
set -eu
while read -r line; do
  for word in $line; do
    echo "$word"
  done
done | sort | uniq -c | sort -k1,1nr -k2
