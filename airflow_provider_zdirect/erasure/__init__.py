# SPDX-License-Identifier: Apache-2.0
"""Forgetting customers: who they are, what goes, and the proof that it is gone."""
