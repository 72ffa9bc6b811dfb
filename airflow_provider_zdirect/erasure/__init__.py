"""Forgetting customers: who they are, what goes, and the proof that it is gone."""
