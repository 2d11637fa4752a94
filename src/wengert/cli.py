"""The command `wengert`."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import wengert
from wengert.show import check_command, command

# Each module registers one subcommand, and runs it: what was asked → exit status.
SUBCOMMANDS = {"explain": command, "check": check_command}
DEMO_NEEDS = {"sklearn": "scikit-learn", "matplotlib": "matplotlib", "rich": "rich"}
PICTURES = {".png", ".svg", ".pdf"}


def positive(text: str) -> int:
    """`text` as a whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 1; came: {text!r}"
        )
    return int(text)


def natural(text: str) -> int:
    """`text` as a whole number of at least 0, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"expected a whole number of at least 0; came: {text!r}"
        )
    return int(text)


def picture(text: str) -> Path:
    """`text` as a place where a picture can be written, for argparse."""
    return place(text, PICTURES)


def place(text: str, endings: set[str]) -> Path:
    """`text` as a file of one of these endings in a folder that can be written to."""
    path = Path(text)
    if path.suffix.lower() not in endings:
        raise argparse.ArgumentTypeError(
            f"expected a name ending in {', '.join(sorted(endings))}; came: {text!r}"
        )
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"expected a folder that exists; came: {str(path.parent)!r}"
        )
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"cannot write {str(path)!r}")
    return path


def page(text: str) -> Path:
    """`text` as a place where a page can be written, for argparse."""
    return place(text, {".html", ".htm"})


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    top = argparse.ArgumentParser(
        prog="wengert", description="Exact derivatives of ordinary NumPy code."
    )
    top.add_argument(
        "--version", action="version", version=f"wengert {wengert.__version__}"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    demo = commands.add_parser(
        "demo",
        help="both passes of a small formula by hand, then a classifier of digits",
        description="Shows both passes of a small formula by hand, then trains a "
        "classifier of digits. With --network, the lecture's network of ten hidden "
        "units learns two half moons instead, on a page to play.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument("--epochs", type=positive, default=20, metavar="N", help="epochs")
    demo.add_argument("--seed", type=natural, default=0, metavar="N", help="randomness")
    demo.add_argument(
        "--out",
        type=picture,
        default=Path("digits-loss.png"),
        metavar="FILE",
        help="where the picture of the loss curve goes",
    )
    demo.add_argument(
        "--network",
        type=page,
        default=argparse.SUPPRESS,
        metavar="FILE.html",
        help="write the page on which a small network learns, and nothing else",
    )
    for module in SUBCOMMANDS.values():
        module.register(commands)
    return top


def demo(epochs: int, seed: int, out: Path) -> int:
    """Runs the demo; 0 if it went well."""
    missing = [
        package
        for module, package in DEMO_NEEDS.items()
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        print(
            f"wengert demo: needs {', '.join(missing)}, which came with neither NumPy "
            "nor wengert.\nInstall with  pip install 'wengert[demo]'  or, in the "
            "source folder, start it with  ./run",
            file=sys.stderr,
        )
        return 1
    from wengert.demo import digits, lecture

    lecture.show()
    print()
    outcome = digits.run(epochs, seed)
    try:
        digits.draw(outcome.losses, out)
    except OSError as error:
        print(f"wengert demo: cannot write {out}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"Loss curve: {out}")
    return 0


def learn(seed: int, out: Path) -> int:
    """Writes the page on which the lecture's network learns; 0 if it went well."""
    import numpy as np

    from wengert.show import network

    points, signs = network.moons(np.random.default_rng(seed))
    frames = network.train(points, signs, seed=seed)
    try:
        out.write_text(network.training_page(points, signs, frames), encoding="utf-8")
    except OSError as error:
        print(f"wengert demo: cannot write {out}: {error.strerror}", file=sys.stderr)
        return 1
    last = frames[-1]
    print(
        f"{len(points)} points, {last.step} steps: loss {frames[0].loss:.3f} → "
        f"{last.loss:.3f}, {last.accuracy:.1%} right\nOpen in a browser: {out}"
    )
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command with these arguments (the process's own by default).

    Returns:
        The exit status: 0 for success, 1 for a failure it explained.

    Raises:
        SystemExit: 2 where the arguments can't be understood, 0 after `--help`.

    Example:
        >>> main(["--version"])  # doctest: +SKIP
        wengert 0.1.0
    """
    asked = parser().parse_args(argv)
    try:
        if asked.command in SUBCOMMANDS:
            status: int = SUBCOMMANDS[asked.command].run(asked)
            return status
        if "network" in asked:
            return learn(asked.seed, asked.network)
        return demo(asked.epochs, asked.seed, asked.out)
    except KeyboardInterrupt:
        print("\nwengert: stopped", file=sys.stderr)
        return 130
