"""jit: functions compiled along the paths that their calls take.

Reading order: `world` (what a function can see), `capture` (watching it), `numbers` and
`interpreter` (staging on values), `mirror` (captured arrays as inputs), `signature`
(the arguments), `staging` (one run), `pieces`, `backend`, `bodies` and `paths` (from a
graph to a result), `parts`, `places` and `fast` (calls past Python), `under` (calls
under other transforms), `report`, `function`, `jit`; `debug` and `randomness` stand
beside.
"""

from wengert.transforms.jit import debug
from wengert.transforms.jit.jit import Jit, TooManyPaths, jit
from wengert.transforms.jit.randomness import RandomStateWarning
from wengert.transforms.jit.report import Report

__all__ = ["Jit", "RandomStateWarning", "Report", "TooManyPaths", "debug", "jit"]
