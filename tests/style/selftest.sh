#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The style tests find what they are for: each must fail, with the right words, on a small tree with one mistake.
# Usage: selftest.sh ROOT
set -eu

root=$1
here=$root/tests/style
. "$(dirname "$0")/lib.sh"

spdx='SPDX-License-Identifier: GPL-2.0-or-later'

# A tree without mistakes.
fresh()
{
	rm -rf "$tmp/tree"
	mkdir -p "$tmp/tree/src/base" "$tmp/tree/src/mem" "$tmp/tree/src/cpu/x86" "$tmp/tree/src/cpu/arm" \
		"$tmp/tree/src/engine/kvm" "$tmp/tree/src/engine/unicorn" "$tmp/tree/src/dev" "$tmp/tree/docs" \
		"$tmp/tree/include"
	cd "$tmp/tree"
	cp "$root/LICENSE" "$root/.clang-format" .
	for room in base mem cpu engine dev; do
		echo "# $room" >src/$room/README.md
	done
	cat >src/base/bits.h <<HEADER
/* $spdx */
/* A header without mistakes. */
#ifndef PINFOLD_BASE_BITS_H
#define PINFOLD_BASE_BITS_H

/**
 * Add one.
 * @param v what to add to
 * @return the sum
 */
int bits_add(int v);

#endif
HEADER
	cat >src/base/bits.c <<SOURCE
/* $spdx */
/* A source without mistakes. */
#include "base/bits.h"

int bits_add(int v)
{
	return v + 1;
}
SOURCE
	printf 'pinfold-run(1)\n; %s\n\n*--arch*\n\tx\n' "$spdx" >docs/pinfold-run.1.scd
	cat >docs/pinfold-ps.1.scd <<PAGE
pinfold-ps(1)

; $spdx

## pinfold ps
*-e*, *--everyone*
	x
# COMMON OPTIONS
*--socket*
*--host*
*-?*, *--help*
*--usage*
PAGE
	printf '# %s\nadd_test(unit/bits true)\n' "$spdx" >CTestTestfile.cmake
	cat >pinfold <<SCRIPT
#!/bin/sh
# $spdx
case "\$*" in
help) printf '  run  x\n  ps  x\n' ;;
run*) echo "  -a, --arch=ARCH  x" ;;
ps*) printf '  -e, --everyone  x\n  --host=URL\n  -?, --help\n' ;;
*) exit 125 ;;
esac
SCRIPT
	chmod +x pinfold
}

# expect NAME WORDS: the test must fail on the tree and print the words.
expect()
{
	case $1 in
	manpage) set -- "$1" "$2" "$tmp/tree/pinfold" ;;
	docs) set -- "$1" "$2" "$tmp/tree" ;;
	*) set -- "$1" "$2" gcc ;;
	esac
	if sh "$here/$1.sh" "$tmp/tree" "$3" >"$tmp/out" 2>&1; then
		bad "$1 did not notice: $2"
	elif ! grep -qF -e "$2" "$tmp/out"; then
		bad "$1 failed without saying '$2': $(tail -n 2 "$tmp/out" | head -n 1)"
	fi
	fresh
}

# clean NAME [ARG]: the test must pass on the tree without mistakes, unless its tool is missing.
clean()
{
	status=0
	sh "$here/$1.sh" "$tmp/tree" ${2:+"$2"} >"$tmp/out" 2>&1 || status=$?
	[ "$status" -eq 0 ] || [ "$status" -eq 77 ] || bad "$1 fails on a clean tree: $(head -n 1 "$tmp/out")"
}

fresh
for name in layers headers doxygen licence format tree scripts; do
	clean "$name"
done
clean manpage "$tmp/tree/pinfold"
# A test, a room, a file with and without its ending, a page.
# shellcheck disable=SC2016 # marks of a document
printf '%s\n' '`unit/bits`, `src/mem/`, base/bits.h and [bits](../src/base/bits.c)' 'cpu/x86, a/b, pinfold-run(1)' >docs/bits.md
echo >src/cpu/x86/regs.c
clean docs "$tmp/tree"
fresh

echo '#include "mem/mem.h"' >>src/base/bits.c
expect layers 'src/base/bits.c:9: room base may not include mem/mem.h'
echo '#include "cpu/arm/arm.h"' >src/cpu/x86/regs.c
expect layers 'member cpu/x86 may not include cpu/arm/arm.h'
echo '#include "engine/kvm/kvm_engine.h"' >src/engine/unicorn/u.c
expect layers 'member engine/unicorn may not include engine/kvm/kvm_engine.h'
echo '#include "dev/pl011.h"' >src/dev/ns16550.c
expect layers 'member dev/ns16550 may not include dev/pl011.h'
echo '#include <unicorn/unicorn.h>' >src/engine/kvm/k.c
expect layers '<unicorn/unicorn.h> is only for: engine/unicorn'
echo '#include <linux/kvm.h>' >src/mem/k.c
expect layers '<linux/kvm.h> is only for: engine/kvm'
echo '#include "../mem/mem.h"' >src/mem/k.c
expect layers 'relative path'
mkdir src/attic && echo '#include <stdio.h>' >src/attic/a.c
expect layers 'room attic is not in layers.txt'

echo 'static inline uint8_t f(void) { return 0; }' >src/base/alone.h
expect headers 'src/base/alone.h: '
if command -v clang >/dev/null; then
	sed -i 's/@param v /@param w /' src/base/bits.h
	expect headers "parameter 'w' not found"
fi

sed -i '/^\/\*\*/,/^ \*\//d' src/base/bits.h
expect doxygen 'src/base/bits.h:6: bits_add() has no Doxygen block'
sed -i 's|^/\*\*|/*|' src/base/bits.h
expect doxygen 'bits_add() has no Doxygen block'

sed -i 1d src/base/bits.c
expect licence 'src/base/bits.c: no SPDX'
echo 'do as you like' >LICENSE
expect licence 'LICENSE is not'

if command -v clang-format >/dev/null; then
	sed -i 's/^\treturn/    return/' src/base/bits.c
	expect format 'src/base/bits.c: not formatted'
fi

sed -i 's/--arch/--ark/' docs/pinfold-run.1.scd
expect manpage 'does not mention --arch'
printf '*--colour*\n' >>docs/pinfold-run.1.scd
expect manpage 'describes --colour'
rm docs/pinfold-run.1.scd
expect manpage 'is missing'
sed -i 's/everyone/nobody/' docs/pinfold-ps.1.scd
expect manpage 'does not mention --everyone of pinfold ps'
sed -i 's/^# COMMON/*--no-such*\n&/' docs/pinfold-ps.1.scd
expect manpage 'describes --no-such, which pinfold ps --help does not offer'
sed -i 's/^\*--host\*//' docs/pinfold-ps.1.scd
expect manpage 'does not explain --host'
sed -i 's/## pinfold ps/## pinfold fly/' docs/pinfold-ps.1.scd
expect manpage 'describes pinfold fly, which there is not'
sed -i 's/## pinfold ps/## pinfold run/' docs/pinfold-ps.1.scd
expect manpage 'no man page describes pinfold ps'
rm pinfold
expect manpage 'run --help failed'

echo 'see [bits](bits.md#here)' >docs/notes.md
expect docs 'docs/notes.md:1: link to bits.md, which is not there'
echo 'see src/base/no.c' >docs/notes.md
expect docs 'docs/notes.md:1: src/base/no.c is neither a file nor a test'
mkdir -p tests/unit && echo >tests/unit/CMakeLists.txt
echo 'unit/bits and unit/bit' >docs/notes.md
expect docs 'unit/bit is neither'
echo 'pinfold-fly(1)' >docs/notes.md
expect docs 'there is no page docs/pinfold-fly.1.scd'

echo "built in /ho""me/someone/pinfold" >docs/notes.md
expect tree 'docs/notes.md:1:'
rm src/mem/README.md
echo >src/mem/mem.c
expect tree 'src/mem: no README.md'
seq 31 >src/mem/README.md
expect tree 'src/mem/README.md: more than 30 lines'

cp -r "$root/packaging" .
clean units
cp -r "$root/packaging" .
sed -i 's/^KillMode=process/KillMode=mixed/' packaging/systemd/pinfoldd.service
expect units 'pinfoldd.service lacks KillMode=process'
cp -r "$root/packaging" .
sed -i 's/^# CAP_KILL.*//' packaging/systemd/pinfoldd.service
expect units 'does not say what CAP_KILL is for'
cp -r "$root/packaging" .
sed -i 's/^UMask=.*/UMask/' packaging/systemd/pinfoldd.service
expect units 'neither section nor setting: UMask'

if command -v shellcheck >/dev/null; then
	# shellcheck disable=SC2016 # the mistake itself
	printf '#!/bin/sh\n# %s\necho $1\n' "$spdx" >run
	expect scripts 'run:3:'
fi

cd "$root"
finish
