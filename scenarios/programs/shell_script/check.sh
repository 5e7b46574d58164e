#!/bin/sh
# The state is one whole value, and none older than the last one told.
told=0
while read -r value; do told=$value; done
state=$(cat state) || exit 1
case $state in "value 0"|"value 1"|"value 2") ;; *) echo "the state is '$state'"; exit 1 ;; esac
[ "${state#value }" -ge "$told" ] || { echo "the state is '$state', although $told was told"; exit 1; }
