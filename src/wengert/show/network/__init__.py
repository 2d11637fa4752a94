"""The lecture's classifier: drawn as neurons and as operations, and while it learns.

Three layers of units: two inputs, ten hidden, one output.
"""

from wengert.show.network.model import (
    Frame,
    Params,
    loss,
    moons,
    scores,
    start,
    train,
)
from wengert.show.network.neurons import draw_neurons
from wengert.show.network.operations import draw_operations
from wengert.show.network.plane import draw_boundaries
from wengert.show.network.training import training_page

__all__ = [
    "Frame",
    "Params",
    "draw_boundaries",
    "draw_neurons",
    "draw_operations",
    "loss",
    "moons",
    "scores",
    "start",
    "train",
    "training_page",
]
