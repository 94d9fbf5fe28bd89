"""Engines that are servers: vLLM, SGLang, llama.cpp, and other OpenAI-compatible servers."""
