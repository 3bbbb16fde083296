"""The contract of an event loop: each test here runs on asyncio's loop and on Fournil's."""
