"""The commands of `harness`, one a file; what they share is in `options` (what is asked) and `output` (what is told).

A file of this folder imports the rest of the harness inside its command only: `harness --help` loads all of them.
"""
