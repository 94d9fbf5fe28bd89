"""The chat page: static files on the HTTP API, without a build step.

The scripts write all text of people, documents and models with `textContent`; the content security
policy allows only scripts and styles of this server.
"""
