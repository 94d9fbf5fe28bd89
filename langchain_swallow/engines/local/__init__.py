"""The engine in this process: continuous batching over a model of transformers."""
