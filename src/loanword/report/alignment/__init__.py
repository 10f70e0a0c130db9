"""Whether languages are aligned inside of a model."""
