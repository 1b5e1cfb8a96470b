"""Changes agent files and keeps manual edits."""
