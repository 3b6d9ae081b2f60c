"""Exchange and correlation: one functional part per file, torch float64 on any device."""
from .functional import Functional, functional

__all__ = ["Functional", "functional"]
