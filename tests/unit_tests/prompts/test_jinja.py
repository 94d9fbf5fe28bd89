"""Templates are text of others: none fills the memory or takes forever."""

import time

import pytest
from jinja2 import TemplateError

from langchain_swallow.errors import PromptError
from langchain_swallow.prompts import bounded_jinja
from langchain_swallow.prompts.chat_template import render_hidden
from langchain_swallow.prompts.client_tokenizer import ClientTokenizer
from langchain_swallow.prompts.jinja import render_chat_template
from tests.support.control_tokenizers import qwen3_folder

MANY = (
    "{% set ns = namespace(x=X) %}{% for _ in range(60) %}{% set ns.x = Y %}{% endfor %}{{ ns.x }}"
)
MILLION = "{% set x = 'x' * 1000000 %}"
DEEP = "{% set ns = namespace(x=[1]) %}{% for _ in range(400) %}{% set ns.x = [ns.x] %}{% endfor %}"


def _repeated(start, step):
    return MANY.replace("X", start, 1).replace("Y", step, 1)


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'x' * 10**9 }}",
        "{{ 10**9 * 'x' }}",
        "{% set n = 10**9 %}{{ ([0] * n) | length }}",
        "{{ 2 ** (10**9) }}",
        "{{ ((2 ** 60) * (2 ** 60)) is odd }}",
        "{{ ('f' * 1000000) | int(0, 16) // 3 }}",
        "{{ (1e300).as_integer_ratio()[0] - 1 }}",
        "{{ ['f' * 1000] | map('int', 0, 16) | list | length }}",
        # numbers of one hash
        "{{ range(0, 34587645138205409265000, 2305843009213693951) | unique | list | length }}",
        MILLION + "{% for _ in range(1000) %}{{ x }}{% endfor %}",
        # doubled in a loop: texts, lists and blocks
        _repeated("'x'", "ns.x ~ ns.x"),
        _repeated("'x'", "ns.x + ns.x"),
        _repeated("'x'", "'%s%s' % (ns.x, ns.x)"),
        _repeated("'x'", "'{0}{0}'.format(ns.x)"),
        _repeated("'x'", "ns.x | replace('x', 'xx')"),
        _repeated("'x'", "[ns.x, ns.x] | join"),
        _repeated("[1]", "[ns.x, ns.x]"),
        _repeated("(1,)", "(ns.x, ns.x)"),
        _repeated("{}", "{'a': ns.x, 'b': ns.x}"),
        _repeated("{}", "dict(a=ns.x, b=ns.x)"),
        MANY.replace("X", "'x'").replace("{% set ns.x = Y %}", "{% set t %}{{ ns.x }}{{ ns.x }}"
            "{% endset %}{% set ns.x = t %}"),
        "{% macro f(n) %}{% set t %}{{ f(n - 1) if n else 'x' }}{% endset %}{{ t }}{{ t }}"
        "{% endmacro %}{{ f(60) }}",
        # widths and counts
        "{{ '%999999999d' % 1 }}",
        "{{ '%*d' % (999999999, 1) }}",
        "{{ '%(a)999999999d' % {'a': 1} }}",
        "{{ '%.999999999f' | format(1) }}",
        "{{ '%(a)f' * 600000 % {'a': 1e308} }}",
        "{{ ('{0:f}' * 600000).format(1e308) }}",
        "{{ '{:999999999d}'.format(1) }}",
        "{{ '{:{}}'.format(1, 999999999) }}",
        "{{ '{a:x>999999999}'.format_map({'a': 1}) }}",
        "{{ 'x' | center(999999999) }}",
        "{{ ('x' | e).ljust(999999999) }}",
        "{{ '\t'.expandtabs(999999999) }}",
        "{{ (5).to_bytes(999999999, 'big') | length }}",
        "{{ [1] | batch(999999999, 0) | list | length }}",
        "{{ 'x' | indent(999999999, first=true) }}",
        "{{ messages | tojson(indent=999999999) }}",
        "{{ [] | slice(9999999) | list | length }}",
        "{{ 1 | round(1000000, 'ceil') }}",
        DEEP + "{{ ([ns.x] * 4000) | tojson(indent=16) }}",
        # products
        MILLION + "{{ x | replace('x', x) }}",
        MILLION + "{{ x.replace('x', x) }}",
        MILLION + "{{ x | list | join(x) }}",
        MILLION + "{{ (messages * 100) | map(attribute='content') | join(x) }}",
        "{{ range(100000) | join('x' * 1000) }}",
        MILLION + "{{ x.translate({120: x}) }}",
        MILLION + "{{ x.rfind('y' + x) }}",
        MILLION + "{{ x | list | map('list') | sum(start=[]) }}",
        MILLION + "{{ x.encode('punycode') | length }}",
        DEEP.replace("[1]", "[1] * 100000").replace("400", "200") + "{{ ns.x | pprint }}",
    ],
)  # fmt: skip
def test_what_a_template_makes_is_bounded(template):
    start = time.monotonic()
    with pytest.raises(TemplateError, match=r"The template (makes|computes)"):
        render_chat_template(template, messages=[{"role": "user", "content": "0"}])
    assert time.monotonic() - start < 8


NUMBERS = "{% set x = range(100000) | list %}"


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        NUMBERS + "{% for a in x if a in x %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% for a in [[1]] recursive %}{% if loop.depth < 60 %}{{ loop([1, 2]) }}{% endif %}"
        "{% endfor %}",
        NUMBERS + "{% for a in x %}{{ x | map('string') | list | length }}{% endfor %}",
        "{% set x = [0] * 800000 %}" + "{% if 1 in x %}{% endif %}" * 1000,
        # The same, by other operators.
        *(
            pytest.param(template, marks=pytest.mark.slow)
            for template in (
                "{% set x = [0] * 800000 %}" + "{% if 1 is in x %}{% endif %}" * 1000,
                "{% set d = {} %}{% set x = (0,) * 400000 %}" + "{% if d[x] %}{% endif %}" * 6000,
                "{% set x = [1.1] * 50000 %}{% set t %}" + "{{ x }}" * 2000 + "{% endset %}",
            )
        ),
    ],
)
def test_a_template_has_a_time_limit(template, monkeypatch):
    monkeypatch.setattr(bounded_jinja, "_LIMIT_S", 0.3)
    start = time.monotonic()
    with pytest.raises(TemplateError, match=r"takes over 0\.3 s"):
        render_chat_template(template, messages=[])
    assert time.monotonic() - start < 8


@pytest.mark.slow
def test_texts_that_are_copied_into_a_block_are_counted():
    template = MILLION + "{% set x = x | e %}{% set t %}" + "{{ x }}" * 2000 + "{% endset %}"
    with pytest.raises(TemplateError, match="over 1073741824 bytes of values"):
        render_chat_template(template, messages=[])


def test_items_of_one_hash_are_compared_within_the_time_limit(monkeypatch):
    monkeypatch.setattr(bounded_jinja, "_LIMIT_S", 0.3)
    numbers = [n * (2**61 - 1) for n in range(30_000)]
    start = time.monotonic()
    with pytest.raises(TemplateError, match=r"takes over 0\.3 s"):
        render_chat_template("{{ messages | unique | list | length }}", messages=numbers)
    assert time.monotonic() - start < 8


def test_a_template_with_many_names_and_branches_is_not_compiled():
    template = "".join(f"{{% set x{i} = 1 %}}{{% if x{i} %}}{{% endif %}}" for i in range(4000))
    with pytest.raises(TemplateError, match="4000 names and 8000 statements"):
        render_chat_template(template, messages=[])


def test_a_template_may_not_be_of_any_length():
    with pytest.raises(TemplateError, match="has over 262144 characters"):
        render_chat_template("x" * 300_000, messages=[])


def test_a_prompt_of_such_a_template_is_an_error_of_this_package():
    tokenizer = ClientTokenizer(qwen3_folder())
    tokenizer.chat_template = _repeated("'x'", "ns.x ~ ns.x")
    with pytest.raises(PromptError, match="The template makes a text or list of over 4194304"):
        render_hidden([{"role": "user", "content": "q"}], tokenizer, {})


def test_what_templates_multiply_is_as_in_python():
    template = "{{ '=' * 8 }}{{ 3 * 4 }}{{ 2 ** 10 }}{{ 1.5 * 2 }}{{ ('ab' * 0) | length }}"
    assert render_chat_template(template, messages=[]) == "========1210243.00"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("1 ~ 'a' ~ none ~ [2]", "1aNone[2]"),
        ("[1, 'a'] + [(2,), {'k': 3}]", "[1, 'a', (2,), {'k': 3}]"),
        ("'%s: %05.1f %(' | replace('%(', '') | format('a', 2)", "a: 002.0 "),
        ("'%-4s|%d' % ('ab', 1700000000)", "ab  |1700000000"),
        ("'{:>4}|{:,}'.format('ab', 1700000000)", "  ab|1,700,000,000"),
        ("'{:{}}|%*d'.format('ab', 4) % (3, 7)", "ab  |  7"),
        ("messages[1:] | map(attribute='role') | join(', ')", "assistant, user"),
        ("messages | selectattr('role', 'equalto', 'user') | list | length", "2"),
        ("[1, 2, 3] | sum", "6"),
        ("messages[0] | tojson(indent=2)", '{\n  "role": "user",\n  "content": "問"\n}'),
        ("messages[0].content.split('問')[-1].strip() ~ 'x'.center(5)", "  x  "),
        ("[1, 2] | length in (1, 2) and {'a': [1]}['a'][0] == 1", "True"),
    ],
)
def test_what_templates_write_is_as_in_jinja(expression, text):
    roles = ("user", "assistant", "user")
    messages = [{"role": role, "content": "問"} for role in roles]
    assert render_chat_template(f"{{{{ {expression} }}}}", messages=messages) == text


def test_loops_macros_and_blocks_are_as_in_jinja():
    template = (
        "{% macro line(text) %}<{{ text }}{{ caller() }}>{% endmacro %}"
        "{% for a, b in [(1, 2), (3, 4)] if a > 1 %}{{ loop.index }}{{ a }}{{ b }}{% else %}-"
        "{% endfor %}{% for x in [] %}{% else %}none{% endfor %}"
        "{% call line('t') %}!{% endcall %}{% set block %}{{ 1 }}{{ 2 }}{% endset %}{{ block }}"
        "{% for x in range(5) %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}"
    )
    assert render_chat_template(template, messages=[]) == "134none<t!>1201"


def test_a_long_conversation_may_be_gathered_turn_by_turn():
    template = (
        "{% set ns = namespace(all=[], text='') %}{% for m in messages %}"
        "{% set ns.all = ns.all + [m] %}{% set ns.text = ns.text ~ m.content %}{% endfor %}"
        "{{ ns.all | length }} {{ ns.text | length }}"
    )
    messages = [{"role": "user", "content": str(i)} for i in range(3000)]
    assert render_chat_template(template, messages=messages) == "3000 10890"
