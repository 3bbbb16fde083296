"""What loads a server from another process: programs in C of our own, and wrk."""
