"""The cheapest set of edges between a source and a sink: Dinic's algorithm.

Source: E. A. Dinic, Algorithm for solution of a problem of maximum flow in networks
with power estimation, Soviet Math. Doklady 11 (1970).
"""

from collections import deque

ENDLESS = 1 << 62


class Network:
    """Places 0, 1, 2 … and directed edges with capacities. No recursion."""

    def __init__(self, places: int) -> None:
        self._out: list[list[int]] = [[] for _ in range(places)]  # edge numbers
        self._to: list[int] = []
        self._left: list[int] = []  # what may still flow along an edge

    def join(self, a: int, b: int, capacity: int) -> None:
        """An edge from a to b; its partner back takes what flows."""
        for start, end, c in ((a, b, capacity), (b, a, 0)):
            self._out[start].append(len(self._to))
            self._to.append(end)
            self._left.append(c)

    def cut(self, source: int, sink: int) -> set[int]:
        """The places on the source's side of a least cut."""
        while True:
            level = self._levels(source)
            if level[sink] < 0:
                return {place for place, at in enumerate(level) if at >= 0}
            self._fill(source, sink, level)

    def _levels(self, source: int) -> list[int]:
        level = [-1] * len(self._out)
        level[source] = 0
        waiting = deque([source])
        while waiting:
            place = waiting.popleft()
            for edge in self._out[place]:
                end = self._to[edge]
                if self._left[edge] and level[end] < 0:
                    level[end] = level[place] + 1
                    waiting.append(end)
        return level

    def _fill(self, source: int, sink: int, level: list[int]) -> None:
        """Sends what it can along shortest ways, each dead end visited once."""
        tried = [0] * len(self._out)
        way: list[int] = []
        place = source
        while True:
            if place == sink:
                least = min(self._left[edge] for edge in way)
                for edge in way:
                    self._left[edge] -= least
                    self._left[edge ^ 1] += least
                way, place = [], source
                continue
            further = self._next(place, level, tried)
            if further is not None:
                way.append(further)
                place = self._to[further]
            elif place == source:
                return
            else:
                level[place] = -1
                place = self._to[way.pop() ^ 1]

    def _next(self, place: int, level: list[int], tried: list[int]) -> int | None:
        edges = self._out[place]
        while tried[place] < len(edges):
            edge = edges[tried[place]]
            if self._left[edge] and level[self._to[edge]] == level[place] + 1:
                return edge
            tried[place] += 1
        return None
