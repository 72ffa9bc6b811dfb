# SPDX-License-Identifier: Apache-2.0
"""What the example DAGs share, and nothing else uses: their parameters and their tasks."""
