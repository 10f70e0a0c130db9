"""Finished artifacts by name, and what is being built."""

from loanword.store.artifacts import FORMAT, Artifact, Manifest, Store
from loanword.store.identity import Job, Naming, Sources
from loanword.store.leases import Lease

__all__ = ["FORMAT", "Artifact", "Job", "Lease", "Manifest", "Naming", "Sources", "Store"]
