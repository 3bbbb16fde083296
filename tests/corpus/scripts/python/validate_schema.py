"""A document is checked against a schema, by recursion."""

import asyncio

SCHEMA = {
    "type": dict,
    "fields": {"id": {"type": int}, "tags": {"type": list, "each": {"type": str}}},
}


def check(value, schema, path="$"):
    if not isinstance(value, schema["type"]):
        raise ValueError(f"{path}: {value!r}")
    for name, inner in schema.get("fields", {}).items():  # blocks: python
        check(value[name], inner, f"{path}.{name}")  # blocks: python
    if "each" in schema:
        for number, item in enumerate(value):  # blocks: python
            check(item, schema["each"], f"{path}[{number}]")  # blocks: python


async def accept(documents):
    for document in documents:
        check(document, SCHEMA)
    return len(documents)


async def main():
    documents = [{"id": n, "tags": ["a", "b", "c", "d"] * 5} for n in range(60_000)]
    print(await asyncio.gather(accept(documents), asyncio.sleep(0)))


asyncio.run(main())
