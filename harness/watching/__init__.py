"""Saved cases and a quick sweep, run anew in fresh processes whenever a source file changes."""
