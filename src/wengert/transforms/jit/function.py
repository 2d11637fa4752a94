"""A compiled function: its paths, and which one a call takes."""

import functools
import re
import sys
import threading
import time
import types
import warnings
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

from wengert.core import tree
from wengert.core.bind import Tracer
from wengert.core.errors import (
    WengertError,
    at_the_edge,
    name_of,
)
from wengert.graph.graph import Graph
from wengert.graph.stage import input_names
from wengert.transforms.jit.backend import Backend
from wengert.transforms.jit.capture import current
from wengert.transforms.jit.explained import explained
from wengert.transforms.jit.paths import Miss, Path, overlap
from wengert.transforms.jit.report import Report, of_path
from wengert.transforms.jit.signature import Arguments, Call, Traced, Unknown
from wengert.transforms.jit.staging import OuterTrace, staged
from wengert.transforms.jit.under import Inline, Watched, applied, check, watched
from wengert.transforms.jit.whole import kept_under, whole
from wengert.transforms.jit.world import COMPILED, is_users
from wengert.transforms.naming import FASTER

# Errors that may come of what traced values can't do, wherever they are raised.
_OF_TRACES = (WengertError, TypeError, AttributeError)


def _is_users(error: Exception) -> bool:
    """Whether the function itself raised this; else plain Python may do better."""
    if isinstance(error, _OF_TRACES):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and is_users(trace.tb_frame.f_code)


class TooManyPaths(UserWarning):
    """A compiled function has more paths than are kept; it goes on as plain Python."""


class _Kept:
    """The paths for one signature."""

    __slots__ = ("full", "inline", "paths", "raw")

    def __init__(self) -> None:
        self.paths: list[Path] = []  # replaced, never changed: others may be reading
        self.full = False
        self.raw = False
        self.inline: set[bool] = set()  # whether transforms run it as it is (mapped?)


# So many paths at most are known to the native call; each costs a look on the way.
_FAST = 16


class _Kind(type):
    def __instancecheck__(cls, x: Any) -> bool:
        core = vars(x).get("__jit__") if type(x) in COMPILED else None
        return super().__instancecheck__(core or x)


_KEY = re.compile(r"^\['(\w+)'\]")  # where a keyword argument stands among them


class Jit(metaclass=_Kind):
    """A compiled function: call it as the function it was made from.

    Where native code can be had, callers hold a native function instead. It answers
    the calls that it knows (see `fast`), and hands all others to this.
    """

    __module__: str
    __qualname__: str

    def __init__(
        self,
        f: Callable[..., Any],
        static_argnums: Any,
        static_argnames: Any,
        max_paths: int,
        backend: str,
        level: int,
    ) -> None:
        functools.update_wrapper(self, f, updated=())
        if type(f) not in COMPILED:
            own = dir(type(self))
            vars(self).update(
                (k, v)
                for k, v in getattr(f, "__dict__", {}).items()
                if k not in own and k != "__wrapped__"
            )
        self.function = f
        self.options = {
            "static_argnums": static_argnums, "static_argnames": static_argnames,
            "max_paths": max_paths, "backend": backend, "level": level,
        }  # fmt: skip
        self.arguments = Arguments(f, static_argnums, static_argnames)
        self.max_paths = max_paths
        self.backend = Backend(backend, level)
        self.wholes: dict[Any, Any] = {}  # its transforms, compiled (see `whole`)
        self.is_whole = False
        self._lock = threading.RLock()
        self._native: Any = None  # a weak reference to the native function
        self._chain: list[tuple[Any, Path]] = []  # its paths, and which ones they are
        self.clear()

    def as_native(self) -> Any:
        """A native function that has this behind it, or this where that can't be."""
        try:
            from wengert.native import callable as calls
            from wengert.native import capi, machine

            machine.binding()
        except ImportError:
            return self
        if capi.supported() is not None:
            return self
        shown = {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_") or name.startswith("__")
        }
        made = calls.make(
            self,
            {
                **shown,
                "report": self.report, "graph": self.graph, "clear": self.clear,
                "__jit__": self, "__rebuild__": self.__reduce__,
                "__shown__": self.__repr__, "__paths__": lambda: self.paths,
            },
        )  # fmt: skip
        COMPILED.add(type(made))
        self._native = weakref.ref(made)
        return made

    def clear(self) -> None:
        """Forgets all paths."""
        with self._lock:
            self._hand_over([])
            self._kept: dict[Any, _Kept] = {}
            self._eager: Counter[str] = Counter()
            self._notes: list[str] = []
        for transformed in list(self.wholes.values()):
            transformed.clear()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`f(*args, **kwargs)`."""
        if any(isinstance(x, Tracer) for x in args):
            return self._under(args, kwargs)
        try:
            call = self.arguments.take_apart(args, kwargs)
        except Traced:
            return self._under(args, kwargs)
        except Unknown as unknown:
            return self._plainly(str(unknown), args, kwargs)
        kept = self._kept.get(call.key)
        miss: Miss | None = None
        before: list[Path] = []
        if kept is not None:
            before = kept.paths
            try:
                found, miss = self._along(kept, call)
            except Exception as error:
                # A step failed: the function's own error, with its own traceback.
                why = f"a step raised {type(error).__name__}: {error!s:.80}"
                return self._plainly(why.partition("\n")[0], args, kwargs)
            if found is not None:
                self._speed_up(found[1], call, kwargs)
                return found[0]
        return self._new(call, before, miss, args, kwargs)

    def _along(
        self, kept: _Kept, call: Call
    ) -> tuple[tuple[Any, Path] | None, Miss | None]:
        """The result and the first path that fits, or why the last one doesn't."""
        miss: Miss | None = None
        ruled_out: list[tuple[Path, int]] = []
        for path in kept.paths:
            if any(_shares(path, other, n) for other, n in ruled_out):
                continue  # it asks the same question, and expects the same answer
            found = path.run(call.leaves)
            if not isinstance(found, Miss):
                if path is not kept.paths[0]:
                    kept.paths = [path, *(p for p in kept.paths if p is not path)]
                return (found[0], path), None
            miss = found if miss is None or found.guard > miss.guard else miss
            if found.guard >= 0:
                ruled_out.append((path, found.guard))
        return None, miss

    def _new(
        self, call: Call, before: list[Path], miss: Miss | None, args: Any, kwargs: Any
    ) -> Any:
        """Makes a path for this call, unless there are too many."""
        with self._lock:
            kept = self._kept.setdefault(call.key, _Kept())
            if kept.paths != before:  # another thread was here first
                found, miss = self._along(kept, call)
                if found is not None:
                    return found[0]
            if len(kept.paths) >= self.max_paths:
                if not self.is_whole:  # else `f` itself goes on, which may warn
                    self._warn(kept, call)
                return self._plainly("there are too many paths", args, kwargs)
            reason = self._reason(call, miss)
            try:
                path = self._staged(kept, call, reason)
            except OuterTrace:
                return self.function(*args, **kwargs)
            except Exception as error:
                if _is_users(error):
                    raise
                kept.full = True
                why = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
                return self._plainly(why, args, kwargs, error)
            if path.staged.writes and overlap(call.leaves):
                why = "arrays that are written into share memory"
                return self._plainly(why, args, kwargs)
            kept.paths = [path, *kept.paths]
        result = self._first(path, call)
        self._speed_up(path, call, kwargs)
        return result

    def _speed_up(self, path: Path, call: Call, kwargs: dict[str, Any]) -> None:
        """Shows the native function a path that Python has just taken.

        At its first call, and at later ones more and more rarely: there native code
        has met another object in a place than the one that it knows.
        """
        path.answered += 1
        if self._native is None or path.slow or path.answered & (path.answered - 1):
            return
        from wengert.transforms.jit.fast import native_path
        from wengert.transforms.jit.parts import Unfit

        with self._lock:
            try:
                fast = native_path(path, call, kwargs)
            except Unfit as why:
                path.slow = str(why)
                return
            kept = self._kept.get(call.key)
            if kept is None or path not in kept.paths:
                return  # cleared meanwhile
            self._hand_over([(fast, path), *self._chain])
            path.add(fast)

    def _hand_over(self, chain: list[tuple[Any, Path]]) -> None:
        """Gives the native function these paths, as many as it may have."""
        function = self._native() if self._native is not None else None
        if function is None:
            return
        from wengert.native.callable import set_paths

        self._chain = chain[:_FAST]
        set_paths(function, [fast for fast, _ in self._chain])
        for fast, path in chain[_FAST:]:
            path.retire(fast)

    def _under(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """`f` of traced arguments: one compiled operation, or as it is."""
        try:
            found = watched(self.arguments, args, kwargs)
            path, places, result = self._path_under(found)
        except (Inline, Unknown):
            return self.function(*args, **kwargs)
        with at_the_edge():
            return applied(path, found, places, result)

    def _path_under(self, found: Watched) -> tuple[Path, list[Any], list[Any]]:
        """The path of the plain values, what it looks at, and [its result], if known.

        Raises:
            Inline: if there is none that can be one operation.
        """
        call = found.call
        kept = self._kept.get(call.key)
        for path in kept.paths if kept else []:
            check(path, found.mapped)
            places, failed, _ = current(path.staged.checks, call.leaves)
            if failed is not None:
                continue
            if not path.staged.graph.guards:
                path.count()
                return path, places, []
            result = path.run(call.leaves)
            if not isinstance(result, Miss):
                return path, places, result
        path = self._new_under(found)
        return path, current(path.staged.checks, call.leaves)[0], []

    def _new_under(self, found: Watched) -> Path:
        """A new path, for calls with plain values too, unless it has effects."""
        call = found.call
        with self._lock:
            kept = self._kept.setdefault(call.key, _Kept())
            if found.mapped in kept.inline or len(kept.paths) >= self.max_paths:
                raise Inline
            try:
                path = self._staged(kept, call, "asked for by a transform", True)
            except Exception:  # the function itself will raise, if it should
                kept.inline.add(found.mapped)
                raise Inline from None
            path.staged = path.staged._replace(outcome=_gone)
            if not path.staged.effects:
                kept.paths = [path, *kept.paths]
            try:
                check(path, found.mapped)
            except Inline:
                kept.inline.add(found.mapped)
                raise
        path.count()
        return path

    def _staged(
        self, kept: _Kept, call: Call, reason: str, quiet: bool = False
    ) -> Path:
        began = time.perf_counter()
        names = self._names(call)
        with at_the_edge():
            try:
                found = staged(self.function, call, names, kept.raw, quiet)
            except OuterTrace:
                raise
            except Exception as error:
                if kept.raw or _is_users(error):
                    raise
                found = staged(self.function, call, names, True, quiet)
                kept.raw = True
        return Path(found, call.kinds, names, reason, self.backend, began)

    def _first(self, path: Path, call: Call) -> Any:
        """The first result, of the compiled path: all calls agree to the bit."""
        staged = path.staged
        path.staged = staged._replace(outcome=_gone)
        if not staged.effects:
            try:
                found = path.run(call.leaves)
            except Exception:  # then the run that was staged is the one that counts
                found = Miss("")
            if not isinstance(found, Miss):
                return found[0]
        result, written = staged.outcome()
        path.write(written, call.leaves)
        return result

    def _plainly(
        self, why: str, args: Any, kwargs: Any, error: Exception | None = None
    ) -> Any:
        """A plain run; where it fails as staging did, with `error`, the clearer one."""
        self._eager[why] += 1
        try:
            with at_the_edge():
                return self.function(*args, **kwargs)
        except Exception as own:
            clearer = None if error is None else explained(error, own)
            if clearer is None:
                raise
        try:
            raise clearer from None
        finally:
            error = clearer = None  # else they and this frame would keep each other

    def _names(self, call: Call) -> list[str]:
        """A name for each leaf: its parameter's, with the path inside a container."""
        if not call.static[0] and not call.static[1]:
            args, kwargs = tree.unflatten(call.spec, call.leaves)
            if not kwargs:
                return input_names(self.function, tuple(args))
        positional, named = call.arguments(call.leaves)
        found: list[str] = []
        for i, (arg, name) in enumerate(
            zip(positional, self._words(call), strict=True)
        ):
            if i not in call.static[0]:
                found += [name + path for path in tree.paths(arg)]
        free = {k: v for k, v in named.items() if k not in call.static[1]}
        return found + [_KEY.sub(r"\1", path) for path in tree.paths(free)]

    def _words(self, call: Call) -> list[str]:
        """The parameters' names, one for each positional argument."""
        count = len(call.arguments(call.leaves)[0])
        return input_names(self.function, (0.0,) * count)

    def _reason(self, call: Call, miss: Miss | None) -> str:
        if miss is not None:
            return miss.why
        words = self._words(call) if call.static[0] else []
        static = {words[i]: x for i, x in call.static[0].items()} | call.static[1]
        shown = ", ".join(f"{name}={x!r:.40}" for name, x in static.items())
        if len(self._kept) == 1:
            return f"first call, with {shown}" if shown else "first call"
        static_too = f", or a static one of another value: {shown}" if shown else ""
        return f"arguments of other types{static_too}"

    def _warn(self, kept: _Kept, call: Call) -> None:
        if kept.full:
            return
        kept.full = True
        lines = Counter(
            line
            for path in kept.paths
            for line in {g.line for g in path.staged.graph.guards}
        )
        forks = [line for line, _ in lines.most_common(1)]
        where = f"most fork at `{forks[0]}`" if forks else kept.paths[0].reason
        text = (
            f"{name_of(self.function)} has {len(kept.paths)} paths for arguments of "
            f"one signature: {where}. Other calls run as plain Python.\n"
            "  Do:   np.where for a choice by value, or a larger max_paths; "
            "f.report() says more."
        )
        self._notes.append(text)
        warnings.warn(text, TooManyPaths, stacklevel=4)

    # Looking at it -------------------------------------------------------------------

    @property
    def paths(self) -> list[Path]:
        """All paths, in the order in which they were made."""
        every = [p for kept in self._kept.values() for p in kept.paths]
        return sorted(every, key=lambda p: p.number)

    def report(self) -> Report:
        """The paths, why each was made, what they read and where they run."""
        name = getattr(self, "__name__", "function")
        found = [of_path(p) for p in self.paths]
        wholes = [w.report() for w in self.wholes.values()]
        return Report(name, found, dict(self._eager), list(self._notes), wholes)

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The graph of the path that these arguments take, made if need be."""
        call = self.arguments.take_apart(args, kwargs)
        kept = self._kept.get(call.key)
        for path in kept.paths if kept else []:
            if not isinstance(path.run(call.leaves), Miss):
                return path.graph
        return self._staged(_Kept(), call, "asked for").graph

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """As a function in a class becomes a method."""
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<jit of {name_of(self.function).strip('`')}>"

    def __reduce__(self) -> Any:
        """By name where it stands there, decorated; else as the function it is of."""
        module = sys.modules.get(self.__module__)
        known = self._native() if self._native is not None else self
        if getattr(module, self.__qualname__, None) is known:
            return self.__qualname__
        return _again, (self.function, self.options)


COMPILED.add(Jit)


def compiled(f: Callable[..., Any], **options: Any) -> Any:
    """What `jit` returns: a native function where there can be one."""
    made = Jit(f, **options)
    called = made if made.backend.name == "numpy" else made.as_native()
    FASTER[type(called)] = _transformed
    return called


def _transformed(made: Any, transform: str, f: Any, options: Any) -> Any:
    """`made`, a transform of the compiled function `f`, compiled; None: it isn't."""
    core = vars(f).get("__jit__", f)
    key = kept_under(transform, options)
    if key is None or (transform in ("jvp", "hvp") and core.arguments.has_static):
        return None  # their arguments are primals and tangents, not those of `f`
    return whole(core, key, made, compiled)


def _gone() -> tuple[Any, list[Any]]:
    """The outcome of the run that was staged, once it isn't needed any more."""
    return None, []


def _again(f: Any, options: dict[str, Any]) -> Any:
    return compiled(f, **options)


def _shares(path: Path, other: Path, n: int) -> bool:
    """Whether both have the same questions and answers up to number `n`."""
    mine, theirs = path.answers, other.answers
    return len(mine) > n and mine[: n + 1] == theirs[: n + 1]
