#!/bin/sh
# A repository with one commit in $HARNESS_ROOT/repo. Arguments: further settings, for example core.fsync=all
set -e
git init -q --template= "$HARNESS_ROOT/repo"
cd "$HARNESS_ROOT/repo"
git config user.name somebody
git config user.email somebody@example.org
git config maintenance.auto false
for setting; do git config "${setting%%=*}" "${setting#*=}"; done
echo "line 0" > file
git add file
git commit -q -m "commit 0"
