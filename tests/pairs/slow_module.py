"""A module that makes a table when it is imported: copied beside the programs."""

TABLE = {str(number): number for number in range(1_500_000)}


def total(n: int) -> int:
    """Return a sum that takes a while."""
    found = 0
    for number in range(n):
        found += number * number % 7
    return found
