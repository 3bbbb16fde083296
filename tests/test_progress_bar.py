"""How far a loop over results is."""

from __future__ import annotations

import pytest

import fournil


def test_a_callback() -> None:
    async def main() -> list[tuple[int, int | None]]:
        told: list[tuple[int, int | None]] = []

        def tell(done: int, total: int | None) -> None:
            told.append((done, total))

        async with fournil.ThreadPool(2) as pool:
            results = pool.map(abs, [-1, -2, -3])
            assert [n async for n in fournil.progress(results, callback=tell)] == [1, 2, 3]
            endless = pool.map(abs, iter(range(2)))
            assert [n async for n in fournil.progress(endless, callback=tell)] == [0, 1]
            both = pool.map(max, [1, 2, 3], range(2))
            assert [n async for n in fournil.progress(both, callback=tell)] == [1, 2]
        return told

    assert fournil.run(main()) == [(1, 3), (2, 3), (3, 3), (1, None), (2, None), (1, 2), (2, 2)]


def test_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(2) as pool:
            results = pool.map(abs, range(7))
            bar = fournil.progress(results, description="loaves")
            assert [n async for n in bar] == list(range(7))
            with pytest.raises(StopAsyncIteration):
                await anext(bar)

    fournil.run(main())
    shown = capsys.readouterr()
    assert "loaves" in shown.err
    assert "7/7" in shown.err
    assert not shown.out


def test_a_bar_that_is_left_early(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        async with fournil.ThreadPool(1) as pool:
            async for n in fournil.progress(pool.map(abs, range(1000))):
                if n == 3:
                    break
            assert pool.statistics().queued == 0
            with pytest.raises(TypeError, match="bad operand"):
                async for _ in fournil.progress(pool.map(abs, ["x"])):  # type: ignore[arg-type]
                    pass

    fournil.run(main())
    assert "4/1000" in capsys.readouterr().err


def test_what_is_no_iterator() -> None:
    with pytest.raises(TypeError, match=r"takes what pool\.map"):
        fournil.progress([1, 2])  # type: ignore[arg-type]
