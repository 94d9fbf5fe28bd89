"""Chat templates of the families, written anew after the documentation of their prompts."""

# ChatML; tools as Hermes has them; thoughts of earlier turns are left out.
QWEN3 = """\
{%- if tools %}
<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content + '\\n\\n' }}{% endif %}
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>{% for tool in tools %}{{ '\\n' }}{{ tool | tojson }}{% endfor %}

</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
{% elif messages[0].role == 'system' %}
<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}
{%- set ns = namespace(last=messages|length - 1) %}
{%- for m in messages[::-1] %}
    {%- if m.role == 'user' and not (
        m.content.startswith('<tool_response>') and m.content.endswith('</tool_response>')) %}
        {%- set ns.last = messages|length - loop.index %}
        {%- break %}
    {%- endif %}
{%- endfor %}
{%- for m in messages %}
    {%- if m.role == 'user' or (m.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}
    {%- elif m.role == 'assistant' %}
        {%- set thought = m.reasoning_content if m.reasoning_content is string else '' %}
        {%- set content = m.content.split('</think>')[-1].lstrip('\\n') %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if loop.index0 > ns.last and (loop.last or thought) %}
            {{- '<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- content }}
        {%- for call in m.tool_calls or [] %}
            {{- '\\n' if content or not loop.first }}
            {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments if call.function.arguments is string
                else call.function.arguments | tojson }}
            {{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif m.role == 'tool' %}
        {%- if loop.first or loop.previtem.role != 'tool' %}{{ '<|im_start|>user' }}{% endif %}
        {{- '\\n<tool_response>\\n' + m.content + '\\n</tool_response>' }}
        {%- if loop.last or loop.nextitem.role != 'tool' %}{{ '<|im_end|>\\n' }}{% endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""

# Harmony: channels, a developer message, tools as a TypeScript namespace.
GPT_OSS = """\
{%- macro type_of(schema) -%}
    {%- if schema.enum is defined %}{{ '"' + schema.enum | join('" | "') + '"' }}
    {%- elif schema.type == 'array' %}{{ type_of(schema['items']) + '[]' }}
    {%- elif schema.type == 'object' %}{{ '{' }}
        {%- for name, part in (schema.properties or {}).items() %}{{ name + ': ' + type_of(part) }}
            {{- ', ' if not loop.last }}{% endfor %}{{ '}' }}
    {%- elif schema.type == 'integer' %}number{% else %}{{ schema.type or 'any' }}{% endif %}
{%- endmacro -%}
{%- macro namespace_of(tools) -%}
    {{- '## functions\\n\\nnamespace functions {\\n\\n' }}
    {%- for tool in tools | map(attribute='function') %}
        {{- '// ' + tool.description + '\\ntype ' + tool.name + ' = (_: {\\n' }}
        {%- for name, part in (tool.parameters.properties or {}).items() %}
            {{- '// ' + part.description + '\\n' if part.description }}
            {{- name + ('' if name in (tool.parameters.required or []) else '?') + ': ' }}
            {{- type_of(part) }}
            {%- if part.default is defined %}
                {{- ' // default: ' }}
                {{- part.default if part.default is string else part.default | tojson }}
            {%- endif %}
            {{- ',\\n' }}
        {%- endfor %}
        {{- '}) => any;\\n\\n' }}
    {%- endfor %}
    {{- '} // namespace functions' }}
{%- endmacro -%}
{{- '<|start|>system<|message|>' }}
{{- model_identity or 'You are ChatGPT, a large language model trained by OpenAI.' }}
{{- '\\nKnowledge cutoff: 2024-06\\nCurrent date: ' + strftime_now('%Y-%m-%d') + '\\n\\n' }}
{{- 'Reasoning: ' + (reasoning_effort or 'medium') + '\\n\\n' }}
{{- '# Valid channels: analysis, commentary, final. Channel must be included for every message.' }}
{%- if tools %}
    {{- "\\nCalls to these tools must go to the commentary channel: 'functions'." }}
{%- endif %}
{{- '<|end|>' }}
{%- set has_system = messages[0].role in ['system', 'developer'] %}
{%- if has_system or tools %}
    {{- '<|start|>developer<|message|>' }}
    {%- if has_system %}{{ '# Instructions\\n\\n' + messages[0].content + '\\n\\n' }}{% endif %}
    {%- if tools %}{{ '# Tools\\n\\n' + namespace_of(tools) }}{% endif %}
    {{- '<|end|>' }}
{%- endif %}
{%- set last = namespace(call=none) %}
{%- for m in (messages[1:] if has_system else messages) %}
    {%- if '<|channel|>analysis<|message|>' in m.content %}
        {{- raise_exception('Pass the thought as reasoning, not in a channel of the content.') }}
    {%- endif %}
    {%- if m.role == 'assistant' and m.tool_calls %}
        {%- if m.tool_calls | length > 1 %}{{ raise_exception('One call per message') }}{% endif %}
        {%- if m.thinking or m.content %}
            {{- '<|start|>assistant<|channel|>analysis<|message|>' }}
            {{- (m.thinking or m.content) + '<|end|>' }}
        {%- endif %}
        {%- set last.call = m.tool_calls[0].function.name %}
        {{- '<|start|>assistant to=functions.' + last.call + '<|channel|>commentary ' }}
        {{- '<|constrain|>json<|message|>' + m.tool_calls[0].function.arguments | tojson }}
        {{- '<|call|>' }}
    {%- elif m.role == 'assistant' %}
        {%- if loop.last and not add_generation_prompt and m.thinking %}
            {{- '<|start|>assistant<|channel|>analysis<|message|>' + m.thinking + '<|end|>' }}
        {%- endif %}
        {{- '<|start|>assistant<|channel|>final<|message|>' + m.content }}
        {{- '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}
    {%- elif m.role == 'tool' %}
        {%- if not last.call %}{{ raise_exception('A result without a call') }}{% endif %}
        {{- '<|start|>functions.' + last.call + ' to=assistant<|channel|>commentary<|message|>' }}
        {{- m.content | tojson + '<|end|>' }}
    {%- else %}{{ '<|start|>user<|message|>' + m.content + '<|end|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}
"""

# Tools in the first user turn; results in the role ipython; one call per answer.
LLAMA31 = """\
{{- bos_token }}
{%- set date_string = date_string or strftime_now('%d %b %Y') %}
{%- set system = messages[0].content | trim if messages[0].role == 'system' else '' %}
{%- set rest = messages[1:] if messages[0].role == 'system' else messages %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{%- if tools %}{{ 'Environment: ipython\\n' }}{% endif %}
{{- 'Cutting Knowledge Date: December 2023\\nToday Date: ' + date_string + '\\n\\n' + system }}
{{- '<|eot_id|>' }}
{%- for m in rest %}
    {%- if m.role == 'user' and loop.first and tools %}
        {{- '<|start_header_id|>user<|end_header_id|>\\n\\n' }}
        {{- 'Given the following functions, please respond with a JSON for a function call ' }}
        {{- 'with its proper arguments.\\n\\n' }}
        {%- for tool in tools %}{{ tool | tojson(indent=4) + '\\n\\n' }}{% endfor %}
        {{- m.content | trim + '<|eot_id|>' }}
    {%- elif m.tool_calls %}
        {%- if m.tool_calls | length != 1 %}
            {{- raise_exception('This model only supports single tool-calls at once!') }}
        {%- endif %}
        {%- set call = m.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "' + call.name + '", ' }}
        {{- '"parameters": ' + call.arguments | tojson + '}' }}
        {{- '<|eom_id|>' if builtin_tools else '<|eot_id|>' }}
    {%- elif m.role == 'tool' %}
        {{- '<|start_header_id|>ipython<|end_header_id|>\\n\\n' }}
        {%- if m.content is mapping or m.content is iterable %}{{ m.content | tojson }}
        {%- else %}{{ m.content }}{% endif %}
        {{- '<|eot_id|>' }}
    {%- else %}
        {{- '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim }}
        {{- '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

# No system role, and alternation.
GEMMA2 = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception("
    "'Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}"
    "{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + "
    "message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}"
    "{{'<start_of_turn>model\n'}}{% endif %}"
)

# The system text is put into the first user turn by the template.
GEMMA3 = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}"
    "{%- set first = messages[0]['content'] + '\n\n' -%}{%- set loop_messages = messages[1:] -%}"
    "{%- else -%}{%- set first = '' -%}{%- set loop_messages = messages -%}{%- endif -%}"
    "{%- for m in loop_messages -%}{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{%- endif -%}"
    "{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\n' }}"
    "{{ (first if loop.first else '') + m.content | trim }}{{ '<end_of_turn>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)

# Turns in `[INST]`, which is no token.
LLAMA2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}{% else %}"
    "{% set loop_messages = messages %}{% set system = '' %}{% endif %}"
    "{% for m in loop_messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + ((system if loop.first else '') + "
    "m['content']) | trim + ' [/INST]' }}{% else %}"
    "{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)
