"""What several test modules use: tiny models, tokenizers, judges, servers."""
