"""What can be read from a graph: one file a view. Standard library alone."""

from convsmith.views.cost import Cost, LayerCost, cost
from convsmith.views.describe import describe
from convsmith.views.receptive_field import Field, receptive_field
from convsmith.views.table import table

__all__ = ["Cost", "Field", "LayerCost", "cost", "describe", "receptive_field", "table"]
