"""Advice: the smallest set of syncs that a run is missing, and the syncs that buy nothing."""
