"""A session commits while another program writes to the same SQLite file."""

import asyncio
import pathlib
import sqlite3
import tempfile
import threading
import time

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    bread: Mapped[str]


def other_writer(path, began):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    began.set()
    time.sleep(0.5)
    connection.execute("COMMIT")
    connection.close()


async def add(engine, bread):
    await asyncio.sleep(0)
    with Session(engine) as session:
        session.add(Order(bread=bread))
        session.commit()  # blocks: waiting


async def main():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "shop.db")
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 5})
        Base.metadata.create_all(engine)
        began = threading.Event()
        thread = threading.Thread(target=other_writer, args=(path, began))
        thread.start()
        await asyncio.to_thread(began.wait)
        await asyncio.gather(add(engine, "rye"), asyncio.sleep(0.2))
        thread.join()
        engine.dispose()


asyncio.run(main())
