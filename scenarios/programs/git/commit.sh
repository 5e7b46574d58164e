#!/bin/sh
# One more commit; its name is printed once git has said that it is done.
set -e
cd "$HARNESS_ROOT/repo"
echo "line 1" >> file
git add file
git commit -q -m "commit 1"
git rev-parse HEAD
