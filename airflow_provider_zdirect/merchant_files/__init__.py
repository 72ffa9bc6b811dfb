# SPDX-License-Identifier: Apache-2.0
"""Files that merchants make: tables, their cells, and article numbers."""
