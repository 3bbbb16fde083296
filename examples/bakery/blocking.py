"""The kitchen with its mistakes: while one customer is served, all others wait.

Each mistake is on the line that is marked, with the class that Fournil must find for it.
"""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import Any, Self

import numpy as np
import recipes
import web


class Kitchen:
    """Does the work of each request on the loop itself.

    Args:
        supplier: the port of the supplier's server.
    """

    def __init__(self, supplier: int) -> None:
        self.supplier = supplier

    async def price(self, order: int) -> Any:
        with closing(HTTPConnection(web.HOST, self.supplier)) as client:
            client.request("GET", f"/flour/{order}")
            reply = client.getresponse()  # mistake: waiting
            return json.load(reply)["cents"]

    async def dough(self, order: int) -> Any:
        return sum(fold * order % 7 for fold in range(recipes.FOLDS))  # mistake: python

    async def oven(self, order: int) -> Any:
        heat = 200 + np.sin(np.arange(recipes.MINUTES) + order)
        loaf = np.convolve(heat, np.hanning(recipes.HEATING))  # mistake: native
        return round(float(loaf.max()), 3)

    async def label(self, order: int) -> Any:
        text = recipes.label(order)
        sealed = recipes.SEALED.match(text)  # mistake: native-gil
        return text if sealed else f"{text}: not sealed"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass
