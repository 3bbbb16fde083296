"""One benchmark a file: each module has a `CASE`."""
