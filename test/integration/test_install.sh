#!/bin/sh
# make install puts what belongs to the package where it belongs; the same sources give the same bytes in another directory.
# Prints TAP.
cd "$(dirname "$0")/../.." || exit 111
. test/lib/tap.sh
unset MAKEFLAGS MFLAGS MAKELEVEL
bin=$(cd "${AP_BIN:-bin}" && pwd) || exit 111
d=$(mktemp -d "${TMPDIR:-/tmp}/ap-install.XXXXXX") || exit 111
tap_tmp=$d/tap.out
trap 'rm -rf "$d"' EXIT
trap 'exit 130' INT TERM

# What is tested is what the other tests use: nothing is built here.
installed() { make -s -o all install BIN="$bin" DESTDIR="$1" PREFIX="$2"; }
# Of the directory $1, what it holds.
names() { (cd "$1" && find . -type f | LC_ALL=C sort | sed 's|^\./||' | tr '\n' ' '); }
programs=$(for p in stages/ap-*/main.c; do echo "$p" | cut -d/ -f2; done; echo ap-supervisor; echo apctl)

for prefix in /usr /usr/local; do
	root=$d$prefix.root
	mkdir -p "$root"
	check "make install with PREFIX=$prefix" installed "$root" $prefix
	equal "programs" "$(echo "$programs" | LC_ALL=C sort | tr '\n' ' ')" "$(names "$root$prefix/bin")"
	for p in $programs; do
		"$root$prefix/bin/$p" --version >/dev/null || not_ok "$p runs"
		[ -s "$root$prefix/share/man/man1/$p.1" ] || not_ok "$p has its manual page"
	done
	check "the configuration's manual page" test -s "$root$prefix/share/man/man5/alphapulse.conf.5"
	equal "units" "$(names etc/systemd)" "$(names "$root$prefix/lib/systemd/system")"
	missing=$(cat "$root$prefix"/lib/systemd/system/*.service "$root$prefix/share/alphapulse/etc/supervisord/alphapulse.conf" |
		sed -n 's/^ExecStart=//p; s/^command=//p' | cut -d' ' -f1 | sort -u | while read -r p; do [ -x "$root$p" ] || echo "$p"; done)
	equal "what units and the supervisord file start is there" "" "$missing"
	equal "schema" "$(names schema)" "$(names "$root$prefix/share/alphapulse/schema")"
	check "the installed program takes the installed configuration" "$root$prefix/bin/ap-supervisor" -n -c "$root/etc/alphapulse/alphapulse.conf"
	check "which the services' account may read" test "$(stat -c %a "$root/etc/alphapulse/alphapulse.conf")" = 644
	equal "nothing else may be written by others" "" "$(find "$root" -perm /022 ! -type l)"
done

echo "# mine" >>"$d/usr.root/etc/alphapulse/alphapulse.conf"
check "make install again" installed "$d/usr.root" /usr
check "keeps the configuration that is there" grep -q '^# mine$' "$d/usr.root/etc/alphapulse/alphapulse.conf"

# One program and the page, built with other flags than anything else here in two directories.
same() {
	for dir in "$d/one" "$d/a directory of a longer name"; do
		mkdir "$dir" && tar cf - --exclude=node_modules --exclude='*.o' Makefile VERSION common schema stages supervisor tools web | tar xf - -C "$dir" || return 1
		[ ! -d web/node_modules ] || cp -a web/node_modules "$dir/web/"
		(cd "$dir" && env -u SAN -u CI CFLAGS='-O1 -g' make -s -j2 BUILD=build BIN=bin SAN= bin/ap-normalize build/gen/web.c) || return 1
	done
	cmp "$d/one/bin/ap-normalize" "$d/a directory of a longer name/bin/ap-normalize" &&
		cmp "$d/one/build/gen/web.c" "$d/a directory of a longer name/build/gen/web.c"
}
check "two builds in two directories are the same bytes" same
tap_end
