"""Where reports go: stderr, files, and the command's output."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from fournil.cli.refusal import Refusal
from fournil.cli.report import report as command
from fournil.evidence.stacks import Frame
from fournil.observe.report.publish import publish, source_line
from tests.observe import samples


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "run.rec"
    path.write_bytes(samples.bakery().build())
    return path


def test_publish_prints_to_stderr_and_writes_json(
    recording: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    written = recording.with_suffix(".json")
    publish(str(recording), json_to=str(written), show=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "app.py:42" in err
    assert json.loads(written.read_text())["blocked"][0]["line"] == 42


def test_publish_may_print_nothing_and_write_to_stdout(
    recording: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    publish(str(recording), json_to="-", show=False)
    out, err = capfd.readouterr()
    assert json.loads(out)["run_s"] == pytest.approx(10.0)
    assert err == ""


def test_the_command_prints_the_report(recording: Path) -> None:
    result = CliRunner().invoke(command, [str(recording)])
    assert result.exit_code == 0
    assert "app.py:42" in result.stdout
    assert result.stderr == ""


def test_the_command_writes_json_to_stdout_alone(recording: Path) -> None:
    result = CliRunner().invoke(command, [str(recording), "--json", "-"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["blocked"][0]["class"] == "waiting"
    assert "app.py:42" in result.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"", "is empty"),
        (b"%PDF-1.7 and so on", "is not a recording: it begins with b'%PDF-1.7'"),
        (samples.calm().build()[:6_000], "is cut short"),
    ],
)
def test_the_command_refuses_what_is_no_recording(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = tmp_path / "run.rec"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refusal) as refused:
        CliRunner().invoke(command, [str(path)], catch_exceptions=False)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refused.value)


def test_the_command_says_where_json_cannot_go(recording: Path) -> None:
    words = [str(recording), "--json", str(recording.parent)]
    with pytest.raises(Refusal, match=f"{recording.parent}: cannot write the report there"):
        CliRunner().invoke(command, words, catch_exceptions=False)


def test_source_lines_come_from_regular_files_alone(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text("one\ntwo\n")
    os.mkfifo(tmp_path / "pipe.py")
    assert source_line(Frame(str(program), 2, "main")) == "two\n"
    assert source_line(Frame(str(program), 9, "main")) == ""
    for missing in (tmp_path / "pipe.py", tmp_path, "/dev/zero", "<string>", "", "a\0b"):
        assert source_line(Frame(str(missing), 1, "main")) == ""
