# SPDX-License-Identifier: GPL-2.0-or-later
# What is wrong with one run; nothing when all is well.
# Input (raw): what the run wrote, console output and one line of JSON; $first: the same of the first engine, or ""
# $m[0]: the guest's entry in the manifest; $rc: exit status
#
# Of the registers these are not compared: AF, which logic instructions leave undefined; IOPL, exception flags of MXCSR and
# the FPU's last-instruction pointers (docs/known-differences.md); system registers, which belong to the board as each engine
# needs it.
def hex: ascii_downcase | ltrimstr("0x") | sub("^0+(?=.)"; "");
def number: ltrimstr("0x") | explode | reduce .[] as $c (0; . * 16 + (if $c > 57 then $c - 87 else $c - 48 end));
def without($bits): . as $n | reduce $bits[] as $b ($n; if (. / $b | floor) % 2 == 1 then . - $b else . end);
def flags: number | without([16, 4096, 8192]);
def lines: rtrimstr("\n") | split("\n");
def result: lines[-1] | fromjson;
def console: lines[:-1] | join("\n");

def wanted($fp):
	test("^([er]?[abcd]x|[er]?[sd]i|[er]?[sb]p|[er]ip|r[0-9]+|[er]flags)$")
	or ($fp and test("^(st[0-7]|xmm[0-9]+|ymm[0-9]+h|fctrl|ftag)$"));

def registers_differ($q; $fp; $engine):
	. as $r
	| keys_unsorted[] | select(wanted($fp)) | . as $k
	| select(if test("flags$") then ($r[$k] | flags) != ($q[$k] | flags) else $r[$k] != $q[$k] end)
	| "\($k) \($r[$k]), on \($engine) \($q[$k])";

def fault_differs($want; $said):
	if . == null then "no fault" else
		(if .kind != $want[0] then "fault \(.kind) instead of \($want[0])" else empty end),
		(if $want[1] and .access != ({fetch: "execute"}[$want[1]] // $want[1])
		 then "access \(.access) instead of \($want[1])" else empty end),
		(if $said and (.pc | hex) != ($said.pc | hex) then "fault pc \(.pc), announced \($said.pc)" else empty end),
		(if $said and $said.address and ((.address // "") | hex) != ($said.address | hex)
		 then "fault address \(.address), announced \($said.address)" else empty end)
	end;

$m[0] as $m
| console as $out
| result as $run
| ($out | capture("fault pc (?<pc>[0-9a-f]+)( address (?<address>[0-9a-f]+))?") // null) as $said
| [
	if $run.exit.kind != $m.exit then "ended by \($run.exit.kind) instead of \($m.exit)" else empty end,
	if $run.exit.code != $m.code then "code \($run.exit.code) instead of \($m.code)" else empty end,
	if $rc != $m.code then "status \($rc) instead of \($m.code)" else empty end,
	if ($out | contains($m.answer)) then empty else "output lacks \($m.answer)" end,
	if $m.register != "" and $run.registers[$m.register] != $m.value
	then "\($m.register) is \($run.registers[$m.register]) instead of \($m.value)" else empty end,
	if $m.exit == "fault" then $run.exit.fault | fault_differs($m.fault / " "; $said) else empty end,
	if $first != "" and $m.exit != "limit" then
		($first | result) as $other
		| (if ($first | console) != $out then "output differs from \($other.engine)'s" else empty end),
		  ($run.registers | registers_differ($other.registers; $m.fp; $other.engine))
	else empty end
  ] | join("; ")
