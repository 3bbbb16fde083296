"""A page is rendered from a template in a string."""

import asyncio

import jinja2

PAGE = jinja2.Environment(autoescape=True).from_string(
    """<table>{% for row in rows %}
  <tr class="{{ loop.cycle('odd', 'even') }}">
    <td>{{ row.name|upper }}</td><td>{{ '%.2f'|format(row.price) }}</td>
  </tr>{% endfor %}
</table>"""
)


async def page(rows):
    await asyncio.sleep(0)
    return PAGE.render(rows=rows)  # blocks: python


async def main():
    rows = [{"name": f"<rye {n}>", "price": n / 3} for n in range(60_000)]
    print([len(html) for html in await asyncio.gather(page(rows), page(rows))])


asyncio.run(main())
