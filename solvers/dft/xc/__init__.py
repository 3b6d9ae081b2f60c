"""Exchange and correlation: one functional part per file, torch float64 on any device."""
from .functional import ExactExchange, Functional, functional
from .values import FLOOR, XCValues

__all__ = ["FLOOR", "ExactExchange", "Functional", "XCValues", "functional"]
