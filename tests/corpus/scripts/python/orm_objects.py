"""Rows become objects of SQLAlchemy's ORM."""

import asyncio

from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    bread: Mapped[str]
    price: Mapped[float]


engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
with engine.begin() as connection:
    rows = [{"bread": f"rye {n}", "price": n / 7} for n in range(45_000)]
    connection.execute(Order.__table__.insert(), rows)


async def report():
    await asyncio.sleep(0)
    with Session(engine) as session:
        orders = session.scalars(select(Order)).all()  # blocks: python|native-gil|gc
        return orders[-1].price


async def main():
    print(await asyncio.gather(report(), asyncio.sleep(0)))


asyncio.run(main())
