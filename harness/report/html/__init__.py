"""Reports as one HTML file: no request leaves it, no script but its own runs in it, and all that a case says is text."""
