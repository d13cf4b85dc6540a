"""Re-analysis of an archive on Dask: a plan, shards, a ledger that survives every kill, and results that can be ranked.

Nothing here loads Dask or pyarrow before it is used; both come with the extra ``batch``.
"""

from __future__ import annotations

from scananalysis.batch.definition import RunDefinition, read_definition

__all__ = ["RunDefinition", "read_definition"]
