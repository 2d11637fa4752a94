"""The script `run`, with stand-ins for Python, so that nothing is installed.

A stand-in is a shell script that writes down how it was called and does as little as
the script needs: it answers the version question and makes a folder for a venv.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
TOOLS = ("cat", "cksum", "dirname", "ln", "mkdir", "readlink", "rm", "sed", "sh")
TOOLS += ("sleep", "cp", "chmod", "touch")

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the script is for POSIX shells"
)

STAND_IN = r"""#!/bin/sh
echo "$0 $*" >>"$LOG"
case "$*" in
    --version) echo "Python VERSION" ;;
    *"sys.exit(sys.version_info"*) exit IS_OLD ;;
    *"print(*sys.version_info"*) echo "3.12" ;;
    *"-m pip --version") [ -z "${NO_PIP-}" ] || exit 1 ;;
    "-m venv"*)
        for folder in "$@"; do :; done
        mkdir -p "$folder/bin" "$folder/lib/python3.12"
        cp "$0" "$folder/bin/python"
        case "$*" in *--without-pip*) ;; *) exit "${VENV_FAILS:-0}" ;; esac ;;
    *" install "*) exit "${INSTALL_FAILS:-0}" ;;
esac
"""


class Place:
    """A copy of the script, in a path with a space, and a PATH of its own."""

    def __init__(self, base: Path) -> None:
        self.root = base / "a b" / "wengert"
        self.bin = base / "bin"
        self.log = base / "log"
        self.root.mkdir(parents=True)
        self.bin.mkdir()
        for name in ("run", "pyproject.toml"):
            shutil.copy2(REPOSITORY / name, self.root / name)
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)

    def python(self, version: str = "3.12.1", name: str = "python3") -> None:
        """Puts a stand-in for this version of Python on the PATH."""
        old = tuple(map(int, version.split("."))) < (3, 11)
        text = STAND_IN.replace("VERSION", version).replace("IS_OLD", str(int(old)))
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def run(
        self,
        *args: str,
        script: Path | None = None,
        cwd: Path | None = None,
        **env: str,
    ) -> subprocess.CompletedProcess[str]:
        """Calls the script; what the stand-ins were asked is then in `calls`."""
        self.log.write_text("")
        return subprocess.run(
            [script or self.root / "run", *args],
            env={"PATH": str(self.bin), "LOG": str(self.log), **env},
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def calls(self) -> str:
        """How the stand-ins were called by the last run, one call per line."""
        return self.log.read_text()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_help_needs_no_python(place: Place) -> None:
    done = place.run("help")
    assert done.returncode == 0
    assert "./run test" in done.stdout
    assert "set -eu" not in done.stdout
    assert not (place.root / ".venv").exists()


def test_without_python_says_what_to_install(place: Place) -> None:
    done = place.run()
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; found: no Python at all" in done.stderr
    assert "apt install python3" in done.stderr
    assert not (place.root / ".venv.lock").is_symlink()


def test_an_old_python_is_refused_by_its_version(place: Place) -> None:
    place.python("3.9.2")
    done = place.run("test")
    assert done.returncode == 1
    assert "found: python3 (Python 3.9.2)" in done.stderr
    assert "PYTHON=/path/to/python3.12 ./run" in done.stderr


def test_a_newer_python_beside_an_old_one_is_found(place: Place) -> None:
    place.python("3.9.2")
    place.python("3.12.1", "python3.12")
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert "making .venv with" in done.stderr
    assert "python3.12 (Python 3.12.1)" in done.stderr


def test_a_python_that_was_asked_for_is_not_replaced(place: Place) -> None:
    place.python("3.12.1")
    place.python("3.9.2", "mine")
    done = place.run(PYTHON="mine")
    assert done.returncode == 1
    assert "found: mine (Python 3.9.2)" in done.stderr
    place.python("3.13.0", "my python")
    done = place.run(PYTHON=str(place.bin / "my python"))
    assert "my python (Python 3.13.0)" in done.stderr


def test_the_first_run_installs_and_the_second_does_not(place: Place) -> None:
    place.python()
    first = place.run()
    assert first.returncode == 0, first.stderr
    assert f"--editable {place.root}[demo]" in place.calls
    assert place.calls.endswith("-m wengert demo\n")

    second = place.run("demo", "--out", "a b.png")
    assert second.returncode == 0
    assert second.stderr == ""
    assert " install " not in place.calls
    assert place.calls.endswith("-m wengert demo --out a b.png\n")


def test_a_change_of_the_dependencies_installs_again(place: Place) -> None:
    place.python()
    place.run()
    with (place.root / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert "installing" in place.run().stderr
    assert "-m venv" not in place.calls


def test_the_tests_setup_serves_the_demo_too(place: Place) -> None:
    place.python()
    assert place.run("test").returncode == 0
    assert "-m pytest -q -n 2" in place.calls
    assert place.run().stderr == ""


def test_arguments_of_test_go_to_pytest(place: Place) -> None:
    place.python()
    place.run("test")
    place.run("test", "-k", "a b")
    assert place.calls.endswith("-m pytest -k a b\n")
    assert "ruff" not in place.calls


def test_a_failed_install_is_started_over(place: Place) -> None:
    place.python()
    failed = place.run(INSTALL_FAILS="1")
    assert failed.returncode == 1
    assert "the install failed" in failed.stderr
    again = place.run()
    assert again.returncode == 0
    assert "the last set-up did not finish; starting over" in again.stderr
    assert place.run().stderr == ""


def test_a_lock_of_a_dead_process_is_taken_over(place: Place) -> None:
    place.python()
    dead = subprocess.Popen(["true"])
    dead.wait()
    (place.root / ".venv.lock").symlink_to(str(dead.pid))
    (place.root / ".venv").mkdir()
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert "starting over" in done.stderr


def test_a_venv_with_a_dangling_python_is_rebuilt(place: Place) -> None:
    place.python()
    place.run()
    python = place.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    done = place.run()
    assert done.returncode == 0, done.stderr
    assert "removing .venv" in done.stderr
    assert place.run().stderr == ""


def test_without_ensurepip_the_pip_outside_installs(place: Place) -> None:
    place.python()
    (place.bin / "pip3").write_text('#!/bin/sh\necho "$0 $*" >>"$LOG"\n')
    (place.bin / "pip3").chmod(0o755)
    done = place.run(VENV_FAILS="1", NO_PIP="1")
    assert done.returncode == 0, done.stderr
    assert "-m venv --without-pip" in place.calls
    assert f"pip3 --python {place.root}/.venv/bin/python install" in place.calls


def test_without_any_pip_says_so(place: Place) -> None:
    place.python()
    done = place.run(VENV_FAILS="1", NO_PIP="1")
    assert done.returncode == 1
    assert "apt install python3-pip" in done.stderr


def test_from_another_folder_through_a_link(place: Place, tmp_path: Path) -> None:
    place.python()
    place.run()
    link = tmp_path / "link to run"
    link.symlink_to(Path(os.path.relpath(place.root / "run", tmp_path)))
    done = place.run(script=link, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert not (tmp_path / ".venv").exists()


def test_a_failed_check_fails_the_whole(place: Place) -> None:
    place.python()
    place.run("test")
    python = place.root / ".venv" / "bin" / "python"
    text = python.read_text().replace("case", '[ "$2" != ruff ] || exit 1\ncase', 1)
    python.write_text(text)
    done = place.run("test")
    assert done.returncode == 1
    assert "something above failed" in done.stderr
    assert "-m pytest" in place.calls
