"""``python -m solvers`` is ``qcad``."""
from solvers.cli import main

raise SystemExit(main())
