"""What a record of each dataset looks like, as pydantic models, and the Arrow schema that follows from them."""
