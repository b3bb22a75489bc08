"""The command line: one verb, one file. Nothing heavy is imported before the verb is known."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import FrameType
from typing import NoReturn, Protocol, cast

from residua.errors import ResiduaError, UnknownNameError


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb and where its code lies: the class ``name`` of ``residua.cli.module``."""

    module: str
    name: str
    help: str


VERBS = {
    "list": Verb("list", "List", "networks, data sets and recipes that exist"),
    "summary": Verb(
        "summary", "Summary", "layers, shapes, parameters, MACs and memory of a network"
    ),
    "compare-networks": Verb(
        "compare_networks", "CompareNetworks", "costs and measured speed of networks, side by side"
    ),
    "draw": Verb("draw", "Draw", "a network as a picture, or as a page that opens to its layers"),
    "check": Verb("check", "Check", "what is in a data set, and what is wrong with it"),
    "train": Verb("train", "Train", "train a network on a data set"),
    "pretrain": Verb("pretrain", "Pretrain", "learn features from samples without labels"),
    "label-efficiency": Verb(
        "label_efficiency", "LabelEfficiency", "train with few labels in several ways, and compare"
    ),
    "ablate": Verb("ablate", "Ablate", "train a recipe with each ingredient left out, and compare"),
    "reproduce": Verb("reproduce", "Reproduce", "run a published result again, into a table"),
    "resume": Verb("resume", "Resume", "go on with a run that was interrupted"),
    "find-lr": Verb("find_lr", "FindLr", "suggest a learning rate by a range test"),
    "evaluate": Verb("evaluate", "Evaluate", "score a run on a split or on other data"),
    "predict": Verb("predict", "Predict", "answer for files, folders, globs or standard input"),
    "events": Verb("events", "Events", "find events in a long recording, as it goes"),
    "export-weights": Verb(
        "export_weights", "ExportWeights", "write a run's weights for torchvision or timm"
    ),
    "report": Verb("report", "Report", "write a run's report: one self-contained HTML file"),
}

EXAMPLES = """examples:
  residua train digits                      trains on the digits built into scikit-learn
  residua train path/to/pictures            a folder with one sub-folder a class
  residua train path/to/clips               the same with sound files
  residua train path/to/GunPoint            series: .ts, .arff, .csv, .npz, ECG records ...
  residua evaluate runs/pictures-1          its scores on the test split
  residua predict runs/pictures-1 new/*.jpg
"""


class Command(Protocol):
    def run(self) -> int: ...


def help_text() -> str:
    """What `residua --help` prints."""
    width = max(map(len, VERBS)) + 2
    rows = "\n".join(f"  {name:<{width}}{verb.help}" for name, verb in VERBS.items())
    return (
        "usage: residua VERB ...\n\n"
        "From labelled pictures, signals, sound or text to a trained, evaluated network.\n\n"
        f"verbs:\n{rows}\n\n{EXAMPLES}\n"
        "residua VERB --help says what a verb takes; residua --version prints the version."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one verb and exits: 0 done, 1 failed, 2 wrong usage, 130 and 143 interrupted."""
    # Read when torch is imported: threads that wait spin for a tenth of the usual time, then sleep,
    # so that another program on a core costs less (docs/training.md).
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "30000")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # about metadata; what matters is an error
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(run_command(list(sys.argv[1:] if arguments is None else arguments)))


def run_command(arguments: list[str]) -> int:
    """Runs one verb; a failure is one line on standard error, and its exit code comes back."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(help_text())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(f"residua {version('residua')}")
        return 0
    try:
        code = _command(arguments[0], arguments[1:]).run()
        sys.stdout.flush()
        return code
    except ResiduaError as error:
        return _failed(error, error.exit_code)
    except KeyboardInterrupt:
        return _failed("interrupted", 130)
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # of the disk or the system; what has an own message is caught deeper
        reason = error.strerror or error
        return _failed(ResiduaError("cannot go on", received=reason, where=error.filename), 1)
    except SystemExit as stop:  # the parser has printed its help (0) or what is wrong (2)
        return _failed("terminated", 143) if stop.code == 143 else cast(int, stop.code)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """SIGTERM outside the training loop, which has its own way: tidies up as an interrupt does."""
    sys.exit(128 + number)


def _failed(reason: object, code: int) -> int:
    print(f"residua: {reason}", file=sys.stderr)
    return code


def _command(name: str, arguments: list[str]) -> Command:
    if name not in VERBS:
        raise UnknownNameError("verb", name, VERBS)
    verb = VERBS[name]
    module = import_module(f"residua.cli.{verb.module}")
    if hasattr(module, "parse"):  # verbs whose defaults depend on what was asked for
        return cast(Command, module.parse(arguments))
    from residua.cli.parsing import parse

    return cast(Command, parse(getattr(module, verb.name), arguments, verb=name))
