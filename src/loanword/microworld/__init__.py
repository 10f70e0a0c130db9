"""A small invented world, told in several languages: data of the real formats where there is no real data."""
