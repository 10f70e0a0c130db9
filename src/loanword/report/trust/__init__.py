"""How far judges can be trusted."""
