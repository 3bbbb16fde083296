"""The options of `fournil run`, its bad input, and the files that it writes."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import fournil as fournil_package
from fournil.record.layout import MAGIC
from tests.launch.running import TIMEOUT, Result, run, write

RUN = (sys.executable, "-m", "fournil", "run")
REPORT = (sys.executable, "-m", "fournil", "report")

BLOCKS = """
import asyncio, time
async def main():
    time.sleep(0.12)
asyncio.run(main())
"""


def fournil(*words: str, cwd: Path) -> Result:
    return run([*RUN, *words], cwd=cwd)


def left_in_shared_memory(*words: str, cwd: Path) -> list[str]:
    """Return the recordings that a run leaves there."""
    with subprocess.Popen([*RUN, "--no-report", *words], cwd=cwd, stderr=subprocess.DEVNULL) as run:
        run.wait(TIMEOUT)
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"fournil-run-{run.pid}-")]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    write(tmp_path, {"app.py": "import sys; print(*sys.argv)", "slow.py": BLOCKS})
    return tmp_path


# Options.


def test_the_report_is_on_stderr(app: Path) -> None:
    done = fournil("slow.py", cwd=app)
    assert (done.stdout, done.status) == ("", 0)
    assert "slow.py:4" in done.stderr


@pytest.mark.parametrize("program", ["app.py", "nothing.py"])
def test_the_recording_is_removed(program: str, app: Path) -> None:
    assert left_in_shared_memory(program, cwd=app) == []


def test_no_report(app: Path) -> None:
    assert fournil("--no-report", "slow.py", cwd=app) == Result("", "", 0)


@pytest.mark.parametrize("threshold", ["200ms", "0.2s", "200000us", "1s", ".2s"])
def test_threshold(threshold: str, app: Path) -> None:
    done = fournil("--threshold", threshold, "--json", "report.json", "slow.py", cwd=app)
    assert done.status == 0
    assert json.loads((app / "report.json").read_text())["blocked"] == []


def test_json(app: Path) -> None:
    done = fournil("--no-report", "--json=report.json", "slow.py", cwd=app)
    assert done == Result("", "", 0)
    (blocked,) = json.loads((app / "report.json").read_text())["blocked"]
    assert (blocked["class"], blocked["line"]) == ("waiting", 4)


def test_json_to_stdout(app: Path) -> None:
    done = fournil("--no-report", "--json", "-", "slow.py", cwd=app)
    assert json.loads(done.stdout)["blocked"]


def test_json_over_an_older_report(app: Path) -> None:
    (app / "report.json").write_text("{" + "x" * 100_000)
    assert fournil("--no-report", "--json=report.json", "slow.py", cwd=app).status == 0
    assert json.loads((app / "report.json").read_text())["blocked"]


def test_record(app: Path) -> None:
    done = fournil("--no-report", "--record", "run.fournil", "slow.py", cwd=app)
    assert done == Result("", "", 0)
    assert stat.S_IMODE((app / "run.fournil").stat().st_mode) == 0o600
    assert sorted(os.listdir(app)) == ["app.py", "run.fournil", "slow.py"]
    assert "slow.py:4" in run([*REPORT, "run.fournil"], cwd=app).stdout


def test_record_over_an_older_recording(app: Path) -> None:
    for _ in range(2):
        assert fournil("--no-report", "--record=run.fournil", "slow.py", cwd=app).status == 0
    assert sorted(os.listdir(app)) == ["app.py", "run.fournil", "slow.py"]


def test_record_through_a_link(app: Path) -> None:
    (app / "link").symlink_to("run.fournil")
    assert fournil("--no-report", "--record=link", "slow.py", cwd=app).status == 0
    assert (app / "link").is_symlink()
    assert (app / "run.fournil").read_bytes().startswith(MAGIC)


def test_options_end_at_the_program(app: Path) -> None:
    done = fournil("--no-report", "app.py", "--json", "-m", "--", "-h", cwd=app)
    assert done == Result("app.py --json -m -- -h\n", "", 0)
    code = "import sys; print(*sys.argv)"
    for word in (["-c", code], [f"-c{code}"]):
        done = fournil("--no-report", *word, "--help", "--", cwd=app)
        assert done == Result("-c --help --\n", "", 0)
    done = fournil("--no-report", "--", "app.py", "--", cwd=app)
    assert done == Result("app.py --\n", "", 0)


# Bad input: exit code 2, one message, nothing lost.


def refused(done: Result, *words: str) -> None:
    assert done.status == 2
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_run(app: Path) -> None:
    refused(fournil(cwd=app), "give a script, -m MODULE or -c CODE")


@pytest.mark.parametrize("words", [["nothing.py"], ["-m", "nothing_there"], ["in"]])
def test_no_such_program(words: list[str], app: Path) -> None:
    (app / "in").mkdir()
    (app / "run.fournil").write_bytes(MAGIC)
    done = fournil("--record=run.fournil", "--json=report.json", *words, cwd=app)
    assert done.status in {1, 2}
    assert done.stderr.count("\n") == 1
    assert (app / "run.fournil").read_bytes() == MAGIC
    assert not (app / "report.json").exists()


@pytest.mark.parametrize(
    "words",
    [["bad.py"], ["-m", "bad"], ["in"], ["in.zip"], ["-c", "x = (\n"], ["bad_await.py"]],
)
def test_syntax_error(words: list[str], app: Path) -> None:
    write(
        app,
        {
            "bad.py": "x = 1\nx = (\n",
            "in/__main__.py": "x = (\n",
            "bad_await.py": "def f(): await x",
        },
    )
    shutil.make_archive(str(app / "in"), "zip", app / "in")
    (app / "run.fournil").write_bytes(MAGIC)
    (app / "report.json").write_text("{}")
    done = fournil("--record=run.fournil", "--json=report.json", *words, cwd=app)
    assert done.status == 1
    assert "SyntaxError" in done.stderr
    assert "fournil" not in done.stderr
    assert (app / "run.fournil").read_bytes() == MAGIC
    assert (app / "report.json").read_text() == "{}"
    assert not [name for name in os.listdir(app) if name.startswith(".")]


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ("50", "'50' has no unit; write 50ms or 50s"),
        ("0.05", "'0.05' has no unit; write 0.05s"),
        ("5000", "'5000' has no unit; write 5000ms"),
        ("0", "'0' is not between 1ms and 3600s"),
        ("99999999", "is not between 1ms and 3600s"),
        ("fast", "'fast' is no time; write one as 50ms or 0.05s"),
        ("-50ms", "'-50ms' is no time"),
        ("", "'' is no time"),
        ("nan", "'nan' is no time"),
        ("infs", "'infs' is no time"),
        ("1e3ms", "'1e3ms' is no time"),
        ("5 minutes", "'5 minutes' is no time"),
        ("0ms", "'0ms' is not between 1ms and 3600s"),
        ("999us", "'999us' is not between 1ms and 3600s"),
        ("3601s", "'3601s' is not between 1ms and 3600s"),
        ("1" * 400 + "s", "is not between 1ms and 3600s"),
    ],
)
def test_bad_threshold(threshold: str, message: str, app: Path) -> None:
    refused(fournil(f"--threshold={threshold}", "app.py", cwd=app), message)


def test_unknown_option(app: Path) -> None:
    refused(fournil("--treshold=5ms", "app.py", cwd=app), "No such option", "--treshold")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("-u app.py", "python -u -m fournil run app.py"),
        ("-X dev app.py a", "python -X dev -m fournil run app.py a"),
        ("--threshold 5ms -OXdev -W error -m app", "python -OXdev -W error -m fournil run"
         " --threshold 5ms -m app"),
    ],
)  # fmt: skip
def test_option_of_the_interpreter(words: str, meant: str, app: Path) -> None:
    refused(fournil(*words.split(), cwd=app), f"go before: {meant}\n")


def test_size(app: Path) -> None:
    assert fournil("--no-report", "--size=4MiB", "--record=x", "app.py", cwd=app).status == 0
    assert (app / "x").stat().st_size == 4 << 20


def test_the_title_of_standard_input(app: Path) -> None:
    done = run([*RUN, "-"], cwd=app, stdin="print(1)")
    assert "fournil  standard input  ran" in done.stderr


@pytest.mark.parametrize("option", ["--record", "--json"])
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing/there", "No such file or directory"),
        ("app.py/there", "Not a directory"),
        ("/proc/fournil", "No such file or directory"),
        ("x" * 300, "File name too long"),
        ("", "No such file or directory"),
    ],
)
def test_unwritable(option: str, path: str, message: str, app: Path) -> None:
    before = sorted(os.listdir(app))
    done = fournil(option, path, "app.py", cwd=app)
    refused(done, message, path)
    assert done.stderr.count("\n") == 1
    assert sorted(os.listdir(app)) == before


@pytest.mark.parametrize("text", ["print('mine')", "FOURNIL", "\0" * 8])
def test_record_does_not_overwrite_what_is_no_recording(text: str, app: Path) -> None:
    (app / "mine.txt").write_text(text)
    done = fournil("--record", "mine.txt", "app.py", cwd=app)
    refused(done, "cannot record into mine.txt: it is no recording, and is not overwritten")
    assert (app / "mine.txt").read_text() == text


def test_record_into_what_another_process_records_into(app: Path) -> None:
    with fournil_package.Recorder(app / "run.fournil"):
        done = fournil("--record", "run.fournil", "app.py", cwd=app)
        refused(done, f"cannot record into run.fournil: process {os.getpid()} records into it")
    assert fournil("--record", "run.fournil", "app.py", cwd=app).status == 0


def test_record_into_a_pipe(app: Path) -> None:
    os.mkfifo(app / "pipe")
    refused(fournil("--record", "pipe", "app.py", cwd=app), "it is no regular file")


def test_json_into_a_folder(app: Path) -> None:
    (app / "folder").mkdir()
    refused(fournil("--json", "folder", "app.py", cwd=app), "cannot write JSON to folder")


@pytest.mark.parametrize("record", ["folder", "folder/", "folder/%p.fournil"])
def test_record_into_a_folder(record: str, app: Path) -> None:
    write(app, {"pid.py": "import os; print(os.getpid())", "folder/.keep": ""})
    done = fournil("--record", record, "--json", "report.json", "pid.py", cwd=app)
    assert done.status == 0
    assert sorted(os.listdir(app / "folder")) == [".keep", f"{done.stdout.strip()}.fournil"]
    assert (app / "report.json").exists()
    # Nobody could know its name before.
    assert f"fournil: recorded into folder/{done.stdout.strip()}.fournil\n" in done.stderr


def test_json_into_a_pipe_without_a_reader(app: Path) -> None:
    os.mkfifo(app / "pipe")
    refused(fournil("--json", "pipe", "app.py", cwd=app), "cannot write JSON to pipe")


@pytest.mark.parametrize("words", [["nothing.py"], ["--record", "nothing/there", "app.py"]])
def test_without_standard_error(words: list[str], app: Path) -> None:
    done = run(["sh", "-c", 'exec "$@" 2>&-', "sh", *RUN, *words], cwd=app)
    assert done == Result("", "", 2)


def test_record_and_json_to_one_file(app: Path) -> None:
    (app / "folder").mkdir()
    done = fournil("--record", "run", "--json", "folder/../run", "app.py", cwd=app)
    refused(done, "--record and --json", "run")
    assert not (app / "run").exists()
