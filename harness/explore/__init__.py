"""The sweeps: kill-points x crash states, calls x errnos, deaths during recovery. See the modules for what each covers."""
