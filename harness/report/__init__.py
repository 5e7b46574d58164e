"""What people and machines read of a run: terminal, pages, bundles, JSON and other forms. Nothing here decides anything."""
