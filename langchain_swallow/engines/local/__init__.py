"""The local engine: continuous batching over a transformers model in this process."""
