"""What people and machines read of a run: terminal, JSON. Nothing here decides anything."""
