#!/bin/sh
# The repository is sound, and its history has every commit that was told.
cd repo || exit 1
git fsck --full --strict --no-dangling --no-progress || exit 1
history=$(git log --format=%H) || exit 1
while read -r commit; do
  case $history in *"$commit"*) ;; *) echo "commit $commit was told and is gone"; exit 1 ;; esac
done
