from __future__ import annotations

import sys
from pathlib import Path

# The launcher of demo and up; the distributed run is a larger one.
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "scripts"))
