"""What `EventLoop` is put together from, besides its native core: a subject a file."""
