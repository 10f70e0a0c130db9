"""A recipe varied along axes: from a study file to runs, from runs to the artifacts that are missing."""
