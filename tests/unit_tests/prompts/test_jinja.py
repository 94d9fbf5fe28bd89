"""Templates are text of others: none fills the memory or takes forever."""

import pytest
from jinja2 import TemplateError

from langchain_swallow.prompts.jinja import render_chat_template


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 10**9 }}",
        "{{ 10**9 * 'x' }}",
        "{% set n = 10**9 %}{{ ([0] * n) | length }}",
        "{{ 2 ** (10**9) }}",
        "{{ ((2 ** 4000) * (2 ** 4000)) is odd }}",
        "{% set x = 'x' * 10**6 %}{% for _ in range(1000) %}{{ x }}{% endfor %}",
    ],
)
def test_what_a_template_makes_is_bounded(template):
    with pytest.raises(TemplateError, match=r"The template (makes|computes)"):
        render_chat_template(template, messages=[])


def test_what_templates_multiply_is_as_in_python():
    template = "{{ '=' * 8 }}{{ 3 * 4 }}{{ 2 ** 10 }}{{ 1.5 * 2 }}{{ ('ab' * 0) | length }}"
    assert render_chat_template(template, messages=[]) == "========1210243.00"
