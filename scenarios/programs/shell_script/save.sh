#!/bin/sh
# Saves a new value the way scripts do: into a new file that then takes the old one's name. Told once mv has returned.
#   save.sh MODE     over: written over the old one · moved: moved into place · synced: moved, all of it synced
set -e
cd "$HARNESS_ROOT"
for value in 1 2; do
  case $1 in
    over) echo "value $value" > state ;;
    moved) echo "value $value" > state.new && mv state.new state ;;
    synced) echo "value $value" > state.new && sync state.new && mv state.new state && sync . ;;
  esac
  echo "$value"
done
