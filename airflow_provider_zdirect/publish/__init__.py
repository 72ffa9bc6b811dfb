# SPDX-License-Identifier: Apache-2.0
"""Publishing rows under a base path: windows, days, snapshots, histories, tables of which the latest counts."""
