#!/usr/bin/env bash
# A vLLM server for ChatSwallow(engine="server", base_url="http://localhost:8000/v1").
#
#     bash examples/vllm_server.sh tokyotech-llm/Swallow-70b-instruct-v0.1 4
#
# The second argument is the number of GPUs that share each layer; further ones go to vLLM as they
# are. The context window is the model's own: if the GPUs have no room for it, add
# `--max-model-len 16384`. The guidance backend keeps to the JSON that ChatSwallow's grammars
# describe; prompt token details let it report cached tokens.
set -euo pipefail
model="${1:-tokyotech-llm/Swallow-7b-instruct-v0.1}"
gpus="${2:-1}"
exec vllm serve "$model" \
    --tensor-parallel-size "$gpus" \
    --structured-outputs-config.backend guidance \
    --enable-prompt-tokens-details \
    --api-key "${SWALLOW_API_KEY:?Set SWALLOW_API_KEY to a secret of your own.}" \
    --host "${HOST:-127.0.0.1}" --port "${PORT:-8000}" \
    "${@:3}"
