"""The hot path, compiled: handles, the ready queue, timers, the poller, the loop's turn, the recorder, the watch."""
