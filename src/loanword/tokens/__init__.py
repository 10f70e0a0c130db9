"""Ids in fixed-length rows on disk, and the order in which training reads them."""
