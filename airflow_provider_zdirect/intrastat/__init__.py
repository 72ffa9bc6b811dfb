# SPDX-License-Identifier: Apache-2.0
"""A month of intra-community movements as a report per country of declaration. This is not tax advice."""
