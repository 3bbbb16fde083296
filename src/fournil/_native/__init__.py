"""The hot path, compiled: the loop's core and its parts, the recorder, the watch."""
