# SPDX-License-Identifier: Apache-2.0
"""The datasets: what each is, the models of its records, and the Arrow schema that follows from them."""
