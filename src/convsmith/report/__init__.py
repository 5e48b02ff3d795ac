"""Reports from plain data: a run folder in, one self-contained page and one model card out. No torch."""

from convsmith.report.card import write_card
from convsmith.report.page import write_report

__all__ = ["write_card", "write_report"]
