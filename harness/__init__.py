"""Crash-recovery and fault-injection testing: every legal post-crash disk state, every failing call, one verdict."""
