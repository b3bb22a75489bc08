"""The chart that grows in the terminal while a network trains."""

import fcntl
import io
import os
import pty
import struct
import sys
import termios
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from rich.console import Console

from residua.run.chart import LiveChart, chart_point
from residua.run.terminal import Terminal
from residua.training.meter import Meter, Scores
from residua.training.progress import Display, epoch_line
from residua.training.record import EpochRecord

BRAILLE = range(0x2801, 0x2900)


def record(epoch: int, validation: bool = True) -> EpochRecord:
    scores = Scores(loss=2 / epoch, score=1 - 0.5 / epoch, n=100)
    return EpochRecord(
        epoch=epoch,
        step=10 * epoch,
        lr=0.05,
        train=scores,
        validation=scores if validation else None,
        seconds=1.5,
        samples_per_second=1234.0,
        peak_memory_bytes=2**30,
    )


def console(width: int, height: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height)


def drawn(chart: LiveChart, width: int, height: int) -> list[str]:
    screen = console(width, height)
    with screen.capture() as capture:
        screen.print(chart)
    return capture.get().splitlines()


def has_curve(text: str) -> bool:
    return any(ord(sign) in BRAILLE for sign in text)


def test_it_appears_with_the_second_epoch():
    chart = LiveChart()
    assert drawn(chart, 100, 40) == []
    chart.add(record(1))
    assert drawn(chart, 100, 40) == []
    chart.add(record(2))
    assert has_curve("".join(drawn(chart, 100, 40)))


def test_a_resumed_run_shows_what_was_before():
    assert "0.667" in "".join(drawn(LiveChart([record(i) for i in (1, 2, 3)]), 100, 40))


@pytest.mark.parametrize(("width", "height"), [(160, 50), (80, 24), (60, 40), (44, 24)])
def test_it_takes_at_most_half_of_the_terminal(width: int, height: int):
    lines = drawn(LiveChart([record(1), record(2)]), width, height)
    assert 0 < len(lines) <= height // 2
    plain = Console(file=io.StringIO(), width=width, height=height)
    plain.print(LiveChart([record(1), record(2)]))
    assert max(map(len, plain.file.getvalue().splitlines())) <= width


@pytest.mark.parametrize(("width", "height"), [(100, 10), (30, 50), (60, 20)])
def test_a_small_terminal_has_none(width: int, height: int):
    assert drawn(LiveChart([record(1), record(2)]), width, height) == []


def test_it_follows_the_size_of_the_terminal():
    chart = LiveChart([record(1), record(2)])
    assert len(drawn(chart, 100, 24)) < len(drawn(chart, 60, 60))
    assert len(drawn(chart, 100, 24)) == 12


def test_points_are_those_of_the_record():
    point = chart_point(record(4, validation=False))
    assert (point.epoch, point.step, point.lr, point.seconds) == (4, 40, 0.05, 1.5)
    assert (point.train_loss, point.train_accuracy) == (0.5, 0.875)
    assert point.validation_loss is point.validation_accuracy is None


# ---- with the bar -------------------------------------------------------------------------------


def shown(screen: Console, chart: LiveChart | None) -> str:
    device = torch.device("cpu")
    with Display(screen, epochs=3, device=device, chart=chart) as display:
        display.start(total_steps=30, done=0)
        for epoch in (1, 2, 3):
            display.step(epoch - 1, 10 * epoch, 100, Meter(device))
            if chart is not None:
                chart.add(record(epoch))
            display.epoch(record(epoch))
    return screen.file.getvalue()


def test_epoch_lines_stand_above_and_the_chart_stays_at_the_end():
    text = shown(console(80, 24), LiveChart())
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert text.rindex("\x1b[?25h") < text.rindex("accuracy %")  # printed after the live display
    assert text.rindex("epoch   3/3") < text.rindex("accuracy %")
    assert has_curve(text)


def test_without_chart_there_are_lines_alone():
    text = shown(console(80, 24), None)
    assert "epoch   3/3" in text
    assert not has_curve(text)


def test_an_error_leaves_the_cursor_visible():
    screen = console(80, 24)
    with (
        pytest.raises(KeyboardInterrupt),
        Display(screen, epochs=3, device=torch.device("cpu"), chart=LiveChart()),
    ):
        raise KeyboardInterrupt
    assert "\x1b[?25h" in screen.file.getvalue()


def test_lines_fit_the_terminal_by_leaving_out_what_matters_least():
    whole = epoch_line(record(1), 30)
    assert whole.endswith("1,234/s  1.5 s  1.0 GiB")
    assert epoch_line(record(1), 30, 200) == whole
    for width in (80, 90, 100):
        line = epoch_line(record(1), 30, width)
        assert len(line) <= width
        assert whole.startswith(line)
    assert epoch_line(record(1), 30, 20).endswith("val loss 2.000 acc  50.0%")


# ---- where it is shown --------------------------------------------------------------------------


SESSION: Any = SimpleNamespace(  # as much of one as the terminal asks for
    ranks=SimpleNamespace(device=torch.device("cpu")),
    recipe=SimpleNamespace(training=SimpleNamespace(epochs=3)),
)


def output(monkeypatch: pytest.MonkeyPatch, *, tty: bool, **options: bool) -> str:
    """What a run of three epochs writes to standard output."""
    reader, writer = pty.openpty() if tty else os.pipe()
    if tty:
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    with os.fdopen(writer, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "__stdout__", stream)
        terminal = Terminal(**options)
        if tty:
            terminal.console.size = (100, 40)
        seen: list[int] = []
        with terminal.watching(SESSION, [lambda r: seen.append(r.epoch)], [record(1)]) as observer:
            observer.start(total_steps=30, done=10)
            for epoch in (2, 3):
                observer.epoch(record(epoch))
                terminal.warn(f"cats/{epoch}.png is broken")
        stream.flush()
        os.set_blocking(reader, False)
        data = b""
        try:
            while chunk := os.read(reader, 65536):
                data += chunk
        except OSError:  # all was read
            pass
    os.close(reader)
    assert seen == [2, 3]
    return data.decode("utf-8", "replace")


def test_a_terminal_shows_it(monkeypatch):
    text = output(monkeypatch, tty=True)
    assert has_curve(text)
    assert "epoch   3/3" in text


def test_no_chart_says_so(monkeypatch):
    assert not has_curve(output(monkeypatch, tty=True, chart=False))


def test_pipes_and_logs_have_lines_alone(monkeypatch):
    for force in ("", "1"):  # CI sets FORCE_COLOR, and rich takes its log for a terminal
        monkeypatch.setenv("FORCE_COLOR", force)
        text = output(monkeypatch, tty=False)
        assert not has_curve(text)
        assert "epoch   3/3" in text


def test_quiet_is_quiet(monkeypatch):
    assert output(monkeypatch, tty=True, quiet=True) == ""


class Errors(io.StringIO):
    """A standard error that is a terminal, or a file."""

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize("tty", [True, False])
def test_warnings_go_above_the_live_chart_or_into_their_file(tty: bool, monkeypatch):
    errors = Errors(tty=tty)
    monkeypatch.setattr(sys, "stderr", errors)
    text = output(monkeypatch, tty=True)
    lines = "warning: cats/2.png is broken\nwarning: cats/3.png is broken\n"
    assert errors.getvalue() == ("" if tty else lines)
    assert ("warning: cats/2.png is broken" in text) == tty
