# SPDX-License-Identifier: Apache-2.0
"""Which windows have landed, which are missing, and how long zDirect still has them."""
