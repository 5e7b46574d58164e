"""What people and machines read of a run: terminal, pages, bundles, JSON, JUnit, SARIF, Markdown. Nothing here decides anything."""
