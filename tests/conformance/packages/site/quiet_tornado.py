"""A pytest plugin: tornado's tests want no log of requests, as its own runner sees to."""

import logging

logging.getLogger("tornado.access").setLevel(logging.CRITICAL)
