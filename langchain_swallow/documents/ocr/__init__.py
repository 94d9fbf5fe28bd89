"""Recognizes the text of pictures (OCR)."""
