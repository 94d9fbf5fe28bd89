"""Engines that are servers: vLLM, llama.cpp, and what speaks OpenAI's API."""
