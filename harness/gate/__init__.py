"""The regression gate: sweeps, fault sweeps and random histories of some scenarios, joined into one outcome."""
