"""Layouts of directed acyclic graphs: no two nodes overlap, every edge leads downwards from node to node."""

from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from convsmith.views.layered import layered

Case = tuple[list[tuple[float, float]], list[tuple[int, int]]]
SIZES = st.lists(st.tuples(st.floats(10, 200), st.floats(5, 50)), min_size=1, max_size=12)


@st.composite
def graphs(draw: st.DrawFn) -> Case:
    sizes = draw(SIZES)
    every = list(combinations(range(len(sizes)), 2))
    return sizes, draw(st.lists(st.sampled_from(every), unique=True, max_size=25)) if every else []


@given(graphs())
def test_nodes_lie_apart_inside_the_layout_and_edges_lead_down(case: Case) -> None:
    sizes, edges = case
    plan = layered(sizes, edges)
    boxes = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(plan.places, sizes, strict=True)]
    for left, top, right, bottom in boxes:
        assert left >= -1e-6
        assert top >= -1e-6
        assert right <= plan.width + 1e-6
        assert bottom <= plan.height + 1e-6
    for a, b in combinations(boxes, 2):
        assert a[2] <= b[0] + 1e-6 or b[2] <= a[0] + 1e-6 or a[3] <= b[1] + 1e-6 or b[3] <= a[1] + 1e-6
    for (start, end), way in zip(edges, plan.ways, strict=True):
        assert boxes[start][0] <= way[0][0] <= boxes[start][2]
        assert abs(way[0][1] - boxes[start][3]) < 1e-6
        assert boxes[end][0] <= way[-1][0] <= boxes[end][2]
        assert abs(way[-1][1] - boxes[end][1]) < 1e-6
        assert all(b > a - 1e-6 for (_, a), (_, b) in pairwise(way))


def test_a_chain_with_a_skip_is_one_column_with_a_line_beside_it() -> None:
    plan = layered([(60.0, 20.0)] * 3, [(0, 1), (1, 2), (0, 2)])
    assert len({x for x, _ in plan.places}) == 1
    left = plan.places[1][0]
    assert any(x < left or x > left + 60 for x, _ in plan.ways[2])
