/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Daemon crash, restart and re-attach: 2 vCPUs, 1 core (docs/sched.md, "Restart").
 *
 * The lock word lives in a file that survives the daemon; each change of it is one compare-and-swap,
 * and the daemon may die between any two steps, twice in all. The vCPUs go on by themselves: they
 * finish, park and wait. The new daemon knows nothing but the word and what the kernel tells: is this
 * thread asleep, frozen, dead? Who is not provably parked is frozen before its core is given away.
 *
 * Safety: at most one thread executes on the core; the word always names whoever executes. Liveness:
 * both vCPUs run again and again; an acknowledged kill is not lost.
 *
 * Mistakes (-DMUTANT=n) that must be found:
 *   1 the word is taken for free at the start   2 the holder is believed to be parked
 *   3 the thread is woken before the word names it   4 the kill is acknowledged before it is stored
 *   5 a frozen vCPU is not thawed (liveness)
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define NOBODY 255
#define CRASHES 2

byte owner = NOBODY;	/* the file */
byte succ = NOBODY;
bool page[2];		/* grant page: may run */
bool executes[2];
bool asleep[2] = true;
bool frozen[2];
bool dead[2];
bool up = true;
byte crashes = 0;
bool stored_kill, acked_kill;
byte last = 1;		/* who ran last: FIFO of two */

#define other(v) (1 - v)
#define busy (executes[0] || executes[1])

proctype vcpu(byte me)
{
	do
	/* woken: the kernel lets one thread execute on the core */
	:: atomic { page[me] && !executes[me] && !frozen[me] && !dead[me] && !busy ->
		executes[me] = true; asleep[me] = false }
	/* parks at its deadline, with or without a daemon */
	:: atomic { executes[me] -> executes[me] = false; asleep[me] = true; page[me] = false }
	:: atomic { executes[me] && frozen[me] -> executes[me] = false }
	:: atomic { dead[me] -> executes[me] = false; break }
	od
}

/* Dies here, perhaps: after it nothing of the daemon's memory is left. */
#define may_die if :: crashes < CRASHES -> crashes++; up = false; goto down :: true fi

#define is_stopped(v) (!executes[v] && (asleep[v] || frozen[v] || dead[v]) && \
		       (!page[v] || frozen[v] || dead[v]))

proctype daemon()
{
	byte v;

start:	up = true;
	/* re-attach: what the word names is checked, and frozen when it is not provably parked */
#if MUTANT == 1
	owner = NOBODY; succ = NOBODY;
#else
	if
	:: owner != NOBODY ->
#if MUTANT == 2
		skip
#else
		if
		:: is_stopped(owner)
		:: else -> frozen[owner] = true;
			may_die;
			(is_stopped(owner))
		fi
#endif
		;
		may_die;
		if
		:: dead[owner] -> atomic { owner = succ; succ = NOBODY }
		:: else -> page[owner] = false; asleep[owner] = true;
			atomic { owner = succ; succ = NOBODY }
		fi
	:: else
	fi;
#endif
	may_die;
loop:
	do
	/* grant: the word first, then the page */
	:: atomic { owner == NOBODY && !(dead[0] && dead[1]) ->
		v = other(last);
		if
		:: dead[v] -> v = last
		:: else
		fi };
#if MUTANT == 3
		page[v] = true;
		may_die;
		owner = v;
#else
		owner = v;
		may_die;
#if MUTANT != 5
		frozen[v] = false;
#endif
		page[v] = true;
#endif
		last = v;
		may_die
	/* the word named it before the crash, but it was never woken: wake it */
	:: atomic { owner != NOBODY && !page[owner] && asleep[owner] && last != owner &&
		    !dead[owner] ->
#if MUTANT != 5
		frozen[owner] = false;
#endif
		page[owner] = true; last = owner }
	/* successor: the word first, then it is woken behind the owner */
	:: atomic { owner != NOBODY && succ == NOBODY && !dead[other(owner)] ->
		succ = other(owner) };
		may_die;
#if MUTANT != 5
		frozen[succ] = false;
#endif
		page[succ] = true;
		may_die
	/* hand-off: the owner is known to have stopped */
	:: atomic { owner != NOBODY && is_stopped(owner) ->
		last = owner;
		owner = succ; succ = NOBODY };
		may_die
	/* a dead successor is taken out */
	:: atomic { succ != NOBODY && dead[succ] -> succ = NOBODY }
	od;
down:
	atomic { !up -> skip };
	goto start
}

/* The daemon's other hand: a kill that was stored is carried out, now or after the restart. */
proctype keeper()
{
	atomic { up && stored_kill -> dead[1] = true; executes[1] = false }
}

/* A client asks for vCPU 1 to be killed: what is acknowledged is stored before. */
proctype client()
{
#if MUTANT == 4
	atomic { up -> acked_kill = true };
	if
	:: atomic { up -> stored_kill = true }
	:: atomic { !up -> skip }	/* it died in between */
	fi
#else
	atomic { up -> stored_kill = true };
	acked_kill = true
#endif
}

#define lawful(v) (!executes[v] || owner == v || succ == v)

#ifndef LIVENESS
proctype watch()
{
	atomic { (executes[0] && executes[1]) || !lawful(0) || !lawful(1) ||
		 (acked_kill && !stored_kill && !up) -> assert(false) }
}
#endif

init {
	atomic { run vcpu(0); run vcpu(1); run daemon(); run client(); run keeper();
#ifndef LIVENESS
		run watch()
#endif
	}
}

ltl again { [] <> executes[0] }
ltl killed { [] (acked_kill -> <> dead[1]) }
