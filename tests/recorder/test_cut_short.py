"""A recording that somebody cuts short while it is written ends, and its program does not.

The kernel answers a write to a page that the file no longer has by SIGBUS, which programs and
faulthandler handle as well.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from fournil.errors import RecordingError
from fournil.observe.recording.reading import read_file
from tests.recorder.programs import IN_A_STEP, check, run

SIZE = 32 << 20

CUT = """
import faulthandler, warnings

async def work():
    for _ in range(500):
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(10)))

async def main():
    await work()
    os.truncate(path, {to})
    await work()
    time.sleep(0.05)
    async with fournil.ThreadPool(1) as pool:
        assert await pool.run(abs, -1) == 1
    await work()

warnings.simplefilter("always")
{before}
recorder = fournil.Recorder(path, threshold=0.01, size={size}, watch={watch})
recorder.start()
{after}
fournil.run(main())
recorder.stop()
print("lives")
with fournil.Recorder(path + ".next"):
    fournil.run(work())
"""

HANDLER = "signal.signal(signal.SIGBUS, lambda number, frame: None)"
DEFAULT = "signal.signal(signal.SIGBUS, signal.SIG_DFL)"


def cut(
    path: Path, *, to: int = 0, before: str = "", after: str = "", watch: bool = True
) -> tuple[str, str]:
    """Run a program whose recording is cut short; return its output and its errors."""
    program = CUT.format(to=to, before=before, after=after, watch=watch, size=SIZE)
    done = run(program, path)
    assert (done.returncode, done.stdout) == (0, "lives\n"), done.stderr
    assert read_file(f"{path}.next").header["ended_ticks"]
    return done.stdout, done.stderr


@pytest.mark.parametrize("to", [0, 100, 4096, 100_000, SIZE - 4096])
def test_the_program_lives(to: int, tmp_path: Path) -> None:
    path = tmp_path / "recording"
    _, errors = cut(path, to=to)
    assert "RuntimeWarning: the recording" in errors
    assert "was cut short while it was written" in errors
    assert path.stat().st_size == to
    with pytest.raises(RecordingError, match=r"is cut short|is empty"):
        read_file(str(path))


def test_without_a_watch(tmp_path: Path) -> None:
    cut(tmp_path / "recording", watch=False)


@pytest.mark.parametrize("before", ["faulthandler.enable()", HANDLER])
def test_a_handler_that_was_there_before(before: str, tmp_path: Path) -> None:
    _, errors = cut(tmp_path / "recording", before=before)
    assert "Fatal" not in errors


@pytest.mark.parametrize("after", ["faulthandler.enable()", HANDLER, DEFAULT + "; time.sleep(0.3)"])
def test_a_handler_that_the_program_sets_later(after: str, tmp_path: Path) -> None:
    # faulthandler says its say and hands on; the others do not, and the watch sees to it.
    cut(tmp_path / "recording", after=after)


def test_after_the_recorder_has_stopped(tmp_path: Path) -> None:
    # A loop in the middle of a step still writes into it.
    check(
        IN_A_STEP.format(meanwhile="recorder.stop(); os.truncate(path, 0)"),
        tmp_path / "recording",
    )


FOREIGN = """
import faulthandler, mmap
{before}
recorder = fournil.Recorder(path)
recorder.start()
{after}
with open(path + ".mine", "w+b") as file:
    file.truncate(mmap.PAGESIZE)
    mine = mmap.mmap(file.fileno(), mmap.PAGESIZE)
    file.truncate(0)
    fournil.run(asyncio.sleep(0))
    print("begin", flush=True)
    {act}
"""

FAULT = "mine[0]"
SENT = "os.kill(os.getpid(), signal.SIGBUS); time.sleep(60)"


@pytest.mark.parametrize("act", [FAULT, SENT], ids=["fault", "sent"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("faulthandler.enable()", ""),
        ("", "faulthandler.enable()"),
        ("faulthandler.enable()", "recorder.stop()"),
        ("", "faulthandler.enable(); recorder.stop()"),
        ("", "faulthandler.enable(); recorder.stop(); recorder.start()"),
        ("faulthandler.enable()", "faulthandler.disable()"),
        ("faulthandler.enable()", "faulthandler.disable(); faulthandler.enable()"),
    ],
)
def test_a_fault_elsewhere_ends_the_program_as_without_us(
    before: str, after: str, act: str, tmp_path: Path
) -> None:
    done = run(FOREIGN.format(before=before, after=after, act=act), tmp_path / "recording")
    assert (done.returncode, done.stdout) == (-signal.SIGBUS, "begin\n")
    shown = "enable" in (before + after).rpartition("disable")[2]
    assert done.stderr.count("Fatal Python error: Bus error") == shown


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_handler_of_the_program_gets_what_is_sent(when: str, tmp_path: Path) -> None:
    set_handler = 'signal.signal(signal.SIGBUS, lambda number, frame: print("handled"))'
    lines = {"before": "", "after": "", when: set_handler}
    act = "os.kill(os.getpid(), signal.SIGBUS)"
    printed = check(FOREIGN.format(**lines, act=act), tmp_path / "recording")
    assert printed == "begin\nhandled\n"


def test_one_who_ignores_it_ignores_it(tmp_path: Path) -> None:
    before = "signal.signal(signal.SIGBUS, signal.SIG_IGN)"
    act = "os.kill(os.getpid(), signal.SIGBUS)"
    check(FOREIGN.format(before=before, after="", act=act), tmp_path / "recording")


def test_the_handler_is_taken_back(tmp_path: Path) -> None:
    printed = check(
        """
        def caught():
            for line in open("/proc/self/status"):
                if line.startswith("SigCgt:"):
                    return int(line.split()[1], 16) >> (signal.SIGBUS - 1) & 1

        with fournil.Recorder(path):
            fournil.run(asyncio.sleep(0))
            print(caught(), signal.getsignal(signal.SIGBUS) is signal.SIG_DFL)
        print(caught())
        """,
        tmp_path / "recording",
    )
    assert printed == "1 True\n0\n"


def test_what_another_process_writes_into_it_harms_nobody(tmp_path: Path) -> None:
    check(
        """
        import random

        def scribble():
            generator = random.Random(1)
            with open(path, "r+b", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                for _ in range(20_000):
                    end = generator.choice([9, 500, size])
                    file.seek(generator.randrange(8, end))
                    byte = generator.choice([b"\\xff", b"\\0", generator.randbytes(1)])
                    file.write(byte * generator.choice([1, 8, 64]))

        async def main(scribbler):
            async with fournil.ThreadPool(2) as pool:
                while scribbler.poll() is None:
                    await asyncio.gather(*(asyncio.sleep(0) for _ in range(100)))
                    time.sleep(0.006)
                    await pool.run(abs, -1)
                    threads = threading.Thread(target=fournil.run, args=(asyncio.sleep(0),))
                    threads.start()
                    exec("asyncio.get_running_loop().call_soon(lambda: None)")

        if len(sys.argv) > 2:
            scribble()
        else:
            with fournil.Recorder(path, threshold=0.005, size=2 << 20):
                fournil.run(main(subprocess.Popen([sys.executable, *sys.argv, "scribble"])))
        """,
        tmp_path / "recording",
    )
