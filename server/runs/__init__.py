"""The life of a run: admission, queue, events, persistence."""
