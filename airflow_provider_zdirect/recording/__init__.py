# SPDX-License-Identifier: Apache-2.0
"""What zDirect answers, by its shape only: for a file that a user can send without showing any record."""
