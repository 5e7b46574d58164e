"""Three ways to obtain a trace and to inject a fault: simulated (this process), mounted (FUSE), block (a device)."""
