"""Programs to be explored. The harness finds them through the entry point group ``harness.scenarios``."""
