"""What can be read from a graph: one file a view. Standard library alone."""

from convsmith.views.cost import Cost, cost
from convsmith.views.describe import describe
from convsmith.views.memory import Memory, MemoryPlan, inference_memory, training_memory
from convsmith.views.receptive_field import Field, receptive_field
from convsmith.views.region import region
from convsmith.views.sheet import Sheet
from convsmith.views.table import sheet, table

__all__ = [
    "Cost",
    "Field",
    "Memory",
    "MemoryPlan",
    "Sheet",
    "cost",
    "describe",
    "inference_memory",
    "receptive_field",
    "region",
    "sheet",
    "table",
    "training_memory",
]
