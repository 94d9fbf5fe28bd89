#!/usr/bin/env bash
# Measures the local engine on a GPU in about 520 seconds, step by step, and appends JSON lines.
#
#     tests/benchmarks/gpu_check.sh LLAMA2_TOKENIZER_FOLDER results.jsonl
#
# A step that fails or runs out of time is recorded, and the next one begins. Without a GPU,
#     tests/benchmarks/gpu_check.sh FOLDER results.jsonl --device cpu --shape tiny --small
# shows that the steps themselves work. `python -m tests.benchmarks.page` writes the results into
# docs/gpu.md from docs/runs/gpu.jsonl.
set -uo pipefail
cd "$(dirname "$0")/../.."

tokenizer="$(realpath "$1")"
results="$(realpath -m "$2")"
shift 2
options=("$@")
: >"$results"
failed=0

# On a CPU, importing alone may take as long as a step has on a GPU.
slower=1
[[ " ${options[*]} " != *" --small "* ]] || slower=8

step() { # seconds name command…
    local limit="$(($1 * slower))" name="$2" began="$SECONDS" status=0
    shift 2
    echo "== $name, at most $limit s" >&2
    timeout --kill-after=5 "$limit" "$@" >>"$results" || status=$?
    printf '{"step": "%s", "status": %d, "seconds": %d}\n' \
        "$name" "$status" "$((SECONDS - began))" >>"$results"
    ((status == 0)) || failed=1
}
check() { # seconds name
    step "$1" "$2" python -m tests.benchmarks.gpu_check "$2" "$tokenizer" "${options[@]}"
}

check 20 machine
check 15 attention
if ((slower == 1)); then
    step 80 tests python -m pytest -q -n 0 tests/unit_tests/engines/local >&2
fi
check 40 equality
check 60 decode
if ((slower == 1)); then
    step 110 workloads python -m tests.benchmarks.gpu "$tokenizer" --output docs/runs/gpu.json >&2
fi
check 40 memory
check 15 leaving
check 60 quantization
check 20 errors
exit "$failed"
