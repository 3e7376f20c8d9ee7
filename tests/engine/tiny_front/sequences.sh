#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Proves: the tiny front end does what AArch64 does, by the differential fuzzer with qemu-aarch64 as referee: COUNT times one
# instruction with random operands, COUNT random sequences, which run once (blocks), and half as many in loops (regions), also of a
# seed that changes; and one that gets an instruction wrong is found out, in both.
# Usage: sequences.sh DIFFFUZZ_TINY COUNT
set -eu

difffuzz=$1
count=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
turns=40

# The subset, as the fuzzer's templates.
subset="add imm,adds imm,sub imm,subs imm,add shifted,sub shifted,add shifted w,sub shifted w,add extended,subs extended"
subset="$subset,and shifted,bic shifted,orr shifted,eor shifted,ands shifted,logic w,logic imm,logic imm w,adc,sbc"
subset="$subset,movn,movz,movk,mov w,adr,adrp,sbfm,bfm,ubfm,sbfm w,bfm w,ubfm w,extr,extr w,csel,csinc,csinv,csneg"
subset="$subset,ccmn,ccmp,ccmn imm,ccmp imm,madd,msub,smaddl,umaddl,smulh,umulh,udiv,sdiv,lslv,lsrv,asrv,rorv"
subset="$subset,rbit,rev16,rev w,rev32,rev,clz,cls"
subset="$subset,b.cond,cbz,cbnz,tbz,tbnz,b,bl,ldur/stur,ldur,ldurs x,ldurs w,ldursw,str imm,ldr imm,ldr sp,stp,ldp,ldpsw"
subset="$subset,ldr reg zero,ldr beyond,str beyond,str s d,ldr s d,ldur q,stur q,ldr b h,ld1,st1"
subset="$subset,fmul,fdiv,fadd,fsub,fnmul,fmov,fabs,fneg,fsqrt,fcvt d s,fcvt s d,fcmp,fcmp zero,fcsel,fmov imm"
subset="$subset,fcvtzs,fcvtzu,scvtf,ucvtf,fmov w s,fmov s w,fmov x d,fmov d x"
subset="$subset,add.v,sub.v,add.2d,sub.2d,cmeq,and.v,bic.v,orr.v,orn.v,eor.v,bsl,bit,bif,movi,mvni,fmov.v,dup x,shl,ushr"

# run OPTION...
run()
{
	"$difffuzz" --arch arm64 --engine dbt "$@"
}

# must_find TEMPLATE OPTIONS...
must_find()
{
	template=$1
	shift
	if run --only "$subset" --count 5000 --seed 1 --inject "$template" "$@" >"$tmp/out"; then
		echo "a wrong [$template] was not noticed"
		exit 1
	fi
	if ! grep -q "^shortest, 1 instructions: \[$template\]$" "$tmp/out"; then
		cat "$tmp/out"
		echo "the wrong [$template] was not tracked down"
		exit 1
	fi
}

run --only "$subset" --count "$count" --seed 1 >"$tmp/out" || {
	rc=$?
	cat "$tmp/out"
	exit "$rc"
}
cat "$tmp/out"
kinds=$(echo "$subset" | tr ',' '\n' | wc -l)
grep -q " instructions of $kinds kinds " "$tmp/out" || {
	echo "not all of $kinds templates were used: is one misspelt?"
	exit 1
}
run --only "$subset" --count "$count" --seed 1 --insns 1
run --only "$subset" --count "$((count / 2))" --seed 1 --turns "$turns"
run --only "$subset" --count "$((count / 5))"
run --only "$subset" --count "$((count / 5))" --turns "$turns"
must_find ccmp
must_find umulh --turns "$turns"
echo "self-check: a wrong instruction is found and shortened to itself"
