"""The primitives, one file per family, and how each family batches and types."""
