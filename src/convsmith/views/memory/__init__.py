"""What lives when: the peak of a forward pass and of a training step, and the batch that fits."""

from convsmith.views.memory.inference import inference_memory
from convsmith.views.memory.plan import MemoryPlan, Moment
from convsmith.views.memory.report import Memory, memory
from convsmith.views.memory.stages import stages
from convsmith.views.memory.training import OPTIMISERS, training_memory

__all__ = ["OPTIMISERS", "Memory", "MemoryPlan", "Moment", "inference_memory", "memory", "stages", "training_memory"]
