"""What automatic differentiation does to a function, as text, story and page.

Reading order: `story` (what is told), `run` and `names` (the graph at one point),
`local` (derivatives in symbols), `adjoints` (reverse mode), `sweep` (forward mode),
`compare` (finite differences, computer algebra), `explanation` (all of it), `text`.
"""

from wengert.show.explanation import Explanation, explain

__all__ = ["Explanation", "explain"]
