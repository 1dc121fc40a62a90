# Runs the stages of the script that sources it, one after another: each is a function `stage_NAME` and a line in
# .ci/budgets. Two stages never run at once, so that none is measured beside another.

# What this machine takes for a fixed piece of work at the moment, the best of five, in percent of $1 seconds; 100 if it
# is faster.
pace() {
    python3 -c 'import sys, time
def once():
    began = time.perf_counter()
    sum(n * n for n in range(500_000))
    return time.perf_counter() - began
print(max(100, round(100 * min(once() for _ in range(5)) / float(sys.argv[1]))))' "$1"
}

# run_stages RUN [STAGE ...]: those of the lines of RUN in .ci/budgets, all of them by default.
run_stages() {
    local run=$1 name kind budget limit stage
    shift
    script=.ci/$(basename "$0")
    if [ "${1:-}" = --inside ]; then
        "stage_$2"
        exit
    fi
    exec </dev/null
    declare -gA budgets=() limits=()
    order=()
    while read -r kind name budget limit; do
        if [ "$kind" = pace ]; then reference=$name; fi
        if [ "$kind" != "$run" ]; then continue; fi
        order+=("$name")
        budgets[$name]=$budget
        limits[$name]=$limit
    done < <(grep -v '^#' .ci/budgets)
    for stage in "$@"; do
        if [ -z "${limits[$stage]:-}" ]; then
            echo "no stage $stage; there are: ${order[*]}" >&2
            exit 2
        fi
    done
    logs=build/$run
    mkdir -p "$logs"
    child= held=
    trap stop INT TERM
    chosen=("$@")
    if [ "$run" = nightly ]; then held=$logs/held-$(state); fi
    if [ $# -eq 0 ]; then choose_the_rest; fi
    failed=() grown=() times=()
    pace=$(pace "$reference")
    for stage in "${chosen[@]}"; do run_stage "$run" "$stage"; done
    report "$run"
}

stop() {
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null || true
        wait "$child" || true
    fi
    exit 130
}

# The commit, and what of it is changed in the work tree.
state() {
    local commit
    commit=$(git rev-parse HEAD)
    echo "$commit-$({ git status --porcelain && git diff HEAD; } | sha256sum | cut -c 1-8)"
}

# All stages but those that held for the same state, in a run that was interrupted or failed. When all have, again all.
choose_the_rest() {
    local stage
    chosen=()
    for stage in "${order[@]}"; do
        if [ -z "$held" ] || ! grep -qsx "$stage" "$held"; then chosen+=("$stage"); fi
    done
    if [ ${#chosen[@]} -eq 0 ]; then
        rm "$held"
        chosen=("${order[@]}")
    elif [ ${#chosen[@]} -lt ${#order[@]} ]; then
        echo "these held before: $(sort -u "$held" | paste -sd ' ')"
    fi
}

run_stage() {
    local run=$1 stage=$2 began=$SECONDS output tee status=0 result=ok took allowed
    echo "=== $stage"
    exec {output}> >(exec tee "$logs/$stage.log")
    tee=$!
    timeout --kill-after=30 "${limits[$stage]}" bash "$script" --inside "$stage" >&"$output" 2>&1 &
    child=$!
    wait "$child" || status=$?
    exec {output}>&-
    # A server that a stage left behind would hold the pipe open.
    for _ in {1..50}; do kill -0 "$tee" 2>/dev/null && sleep 0.1 || break; done
    if [ "$status" -eq 124 ]; then
        result="FAILED: took more than ${limits[$stage]} s"
    elif [ "$status" -ne 0 ]; then
        result="FAILED with status $status"
    fi
    if [ "$result" != ok ]; then
        failed+=("$stage")
    elif [ -n "$held" ]; then
        echo "$stage" >>"$held"
    fi
    took=$((SECONDS - began))
    allowed=$((budgets[$stage] * pace / 100))
    # What is short varies by more than a quarter.
    if [ $((took * 4)) -gt $((allowed * 5 + 40)) ]; then grown+=("$stage"); fi
    times+=("$(printf '%-11s %5d s of %5d  %s' "$stage" "$took" "$allowed" "$result")")
}

report() {
    echo "=== skipped"
    for stage in "${chosen[@]}"; do
        grep -hE '^(SKIPPED|skipped:)' "$logs/$stage.log" || true
    done
    echo "=== time, and the budget in .ci/budgets: $pace % of it on this machine today"
    printf '%s\n' "${times[@]}"
    if [ ${#grown[@]} -gt 0 ]; then echo "$1: grew by more than a quarter: ${grown[*]}"; fi
    if [ ${#failed[@]} -gt 0 ]; then
        echo "$1: failed: ${failed[*]}" >&2
        exit 1
    fi
    echo "$1: everything held, in $SECONDS s"
}
