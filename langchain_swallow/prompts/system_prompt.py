"""The system prompt recommended on the model card of Swallow-*-instruct-v0.1, letter by letter."""

SYSTEM_PROMPT = "あなたは誠実で優秀な日本人のアシスタントです。"
