"""Servers on the public interface of asyncio, one program a file: `start(listener)` serves."""
