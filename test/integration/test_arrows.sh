#!/bin/sh
# The arrows of the design: pure objects know no I/O and no clock, stages do not include one another.
# Prints TAP. What pure code may call beside its own functions: test/arrows/allowed.
cd "$(dirname "$0")/../.." || exit 111
build=${AP_BUILD:-build}
n=0 bad=0
result() { # ok?, text, details
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; echo "$3" | sed 's/^/#   /'; bad=1; fi
}

pure=$(find "$build/common/core" "$build/stages" "$build/supervisor" "$build/tools/apctl/verify_candle.o" "$build/tools/apctl/verify_ind.o" \
	-name '*.o' ! -name 'main*.o' 2>/dev/null)
[ -n "$pure" ] || { echo "Bail out! nothing is built in $build"; exit 1; }
own=$(mktemp) && used=$(mktemp) && allowed=$(mktemp) || exit 111
trap 'rm -f "$own" "$used" "$allowed"' EXIT
# shellcheck disable=SC2086
nm -g --defined-only $pure | awk 'NF == 3 { print $3 }' | sort -u >"$own"
# shellcheck disable=SC2086
nm -u $pure | awk 'NF == 2 { print $2 }' | sed 's/@.*//' | sort -u >"$used"
grep -v -e '^#' -e '^$' test/arrows/allowed | sort -u >"$allowed"
# Prefixes end in *: the libraries that pure code may use, the sanitizers' own.
strays=$(comm -23 "$used" "$own" | comm -23 - "$allowed" | while read -r sym; do
	case $sym in
	msgpack_* | XXH* | yajl_* | __asan_* | __ubsan_* | __sanitizer_* | __sancov_* | __lsan_* | _GLOBAL_OFFSET_TABLE_) ;;
	*) echo "$sym: $(for o in $pure; do nm -u "$o" | grep -q " $sym\(@\|\$\)" && echo "$o"; done | tr '\n' ' ')" ;;
	esac
done)
[ -z "$strays" ]; result $? "pure objects call nothing that reads a clock, a file or a socket" "$strays"

strays=$(grep -rnE '#include "[^"]*(common/io|/io/)' --include='*.[ch]' common/core stages supervisor | grep -v '/main[^/]*\.[ch]:')
[ -z "$strays" ]; result $? "only main files include common/io" "$strays"

strays=$(for s in stages/ap-*; do
	grep -nE "#include \"[^\"]*ap-[a-z]+/" "$s"/*.[ch] 2>/dev/null | grep -v "${s##*/}/"
done)
[ -z "$strays" ]; result $? "stages do not include one another" "$strays"

strays=$(grep -nE '#include "[^"]*(stages|supervisor)/' tools/apctl/*.[ch])
[ -z "$strays" ]; result $? "apctl verify shares no code with the stages that it checks" "$strays"

strays=$(grep -rnE '#include "[^"]*(stages|supervisor)/' --include='*.[ch]' common)
[ -z "$strays" ]; result $? "common includes no stage" "$strays"

echo "1..$n"
exit $bad
