"""Files that merchants make: tables, their cells, and article numbers."""
