"""The system prompt of the model card of Swallow-*-instruct-v0.1, verbatim."""

SYSTEM_PROMPT = "あなたは誠実で優秀な日本人のアシスタントです。"
