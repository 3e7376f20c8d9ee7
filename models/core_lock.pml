/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The core lock with hand-off and exclusive allocation: 3 vCPUs, 2 cores (docs/sched.md, "Core lock").
 *
 * Each vCPU is a hostile thread: it may acknowledge a park and run on, ignore the revoke flag, or die.
 * The kernel orders two threads of one core at one priority: the successor executes only when the owner
 * does not. The scheduler learns of a stop only through a check of the kernel's own (a frozen or
 * sleeping thread, a dead process), never through the acknowledgement or a timeout.
 *
 * Safety: at most one thread executes on a core; none executes without being owner or successor there;
 * a core given for good is never shared. Liveness: a ready vCPU runs; an exclusive request is granted.
 *
 * Mistakes (-DMUTANT=n) that must be found:
 *   1 the lock is freed on a timeout          2 the acknowledgement is believed
 *   3 a successor is named twice              4 an exclusive core keeps its successor
 *   5 a dead holder's lock is never freed (liveness)
 */
#ifndef MUTANT
#define MUTANT 0
#endif

#define VCPUS 3
#define CORES 2
#define NOBODY 255

mtype = { READY, NEXT, RUNNING, PINNED, DEAD };

byte owner[CORES];	/* the lock words */
byte succ[CORES];
bool excl[CORES];
byte excl_for[CORES];	/* asked for, or given */
mtype state[VCPUS];	/* what the scheduler believes */
byte where[VCPUS];	/* core of the vCPU's grant page, NOBODY: none */
bool executes[VCPUS];	/* what is true */
bool acked[VCPUS];
bool revoked[VCPUS];
bool frozen[VCPUS];
bool dead[VCPUS];
byte turn = 0;		/* FIFO of three: who is asked first */

#define busy(c) ((executes[0] && where[0] == c) || (executes[1] && where[1] == c) || \
		 (executes[2] && where[2] == c))

/* A thread starts to execute only when its core is not executing another one: the kernel's doing. */
proctype vcpu(byte me)
{
	do
	:: atomic { where[me] != NOBODY && !executes[me] && !frozen[me] && !dead[me] && !acked[me] &&
		    !busy(where[me]) &&
		    (owner[where[me]] == me || succ[where[me]] == me) -> executes[me] = true }
	:: atomic { executes[me] -> executes[me] = false; acked[me] = true }	/* parks */
	:: atomic { executes[me] && !acked[me] && me == 2 -> acked[me] = true }	/* forges a park */
	:: atomic { !dead[me] && me == 1 -> dead[me] = true; executes[me] = false; break }
	:: atomic { frozen[me] && executes[me] -> executes[me] = false }
	od
}

inline drop(c) {
	/* the owner is known to have stopped: the lock moves on */
	if
	:: dead[owner[c]] -> state[owner[c]] = DEAD; where[owner[c]] = NOBODY
	:: else ->
		if
		:: excl_for[0] == owner[c] || excl_for[1] == owner[c] -> state[owner[c]] = PINNED
		:: else -> state[owner[c]] = READY
		fi;
		where[owner[c]] = NOBODY; acked[owner[c]] = false; revoked[owner[c]] = false;
		frozen[owner[c]] = false
	fi;
	owner[c] = succ[c]; succ[c] = NOBODY; excl[c] = false;
	if
	:: owner[c] != NOBODY -> state[owner[c]] = RUNNING
	:: else
	fi
}

inline free_wrongly(c) {
	state[owner[c]] = READY; where[owner[c]] = NOBODY; acked[owner[c]] = false;
	owner[c] = succ[c]; succ[c] = NOBODY;
	if
	:: owner[c] != NOBODY -> state[owner[c]] = RUNNING
	:: else
	fi
}

inline grant(c, v) {
	owner[c] = v; state[v] = RUNNING; where[v] = c
}

/* Strictly the next ready one in turn: FIFO. */
inline pick(v) {
	v = turn;
	if
	:: state[v] == READY
	:: else -> v = (turn + 1) % VCPUS;
		if
		:: state[v] == READY
		:: else -> v = (turn + 2) % VCPUS;
			if
			:: state[v] == READY
			:: else -> v = NOBODY
			fi
		fi
	fi;
	if
	:: v != NOBODY -> turn = (v + 1) % VCPUS
	:: else
	fi
}

#define stopped(v) (!executes[v] && (acked[v] || frozen[v] || dead[v]))

proctype scheduler(byte c)
{
	byte v;

	do
	/* an idle core takes the next one */
	:: atomic { owner[c] == NOBODY && excl_for[c] == NOBODY &&
		    (state[0] == READY || state[1] == READY || state[2] == READY) ->
		pick(v); grant(c, v) }
	/* a successor is named and woken behind the owner */
#if MUTANT == 3
	:: atomic { owner[c] != NOBODY && !excl[c] && excl_for[c] == NOBODY &&
#else
	:: atomic { owner[c] != NOBODY && succ[c] == NOBODY && !excl[c] && excl_for[c] == NOBODY &&
#endif
		    (state[0] == READY || state[1] == READY || state[2] == READY) ->
		pick(v); succ[c] = v; state[v] = NEXT; where[v] = c }
	/* the owner is seen to have stopped */
#if MUTANT == 5
	:: atomic { owner[c] != NOBODY && !dead[owner[c]] && stopped(owner[c]) -> drop(c) }
#else
	:: atomic { owner[c] != NOBODY && stopped(owner[c]) -> drop(c) }
#endif
	/* a dead successor is taken out */
	:: atomic { succ[c] != NOBODY && dead[succ[c]] ->
		state[succ[c]] = DEAD; where[succ[c]] = NOBODY; succ[c] = NOBODY }
	/* slice over, or the core is wanted: revoke; then freeze one that runs on */
	:: atomic { owner[c] != NOBODY && !excl[c] && !revoked[owner[c]] &&
		    (succ[c] != NOBODY || excl_for[c] != NOBODY) -> revoked[owner[c]] = true }
	:: atomic { owner[c] != NOBODY && revoked[owner[c]] && executes[owner[c]] &&
		    !frozen[owner[c]] -> frozen[owner[c]] = true }
#if MUTANT == 1
	:: atomic { owner[c] != NOBODY && revoked[owner[c]] && !dead[owner[c]] -> free_wrongly(c) }
#endif
#if MUTANT == 2
	:: atomic { owner[c] != NOBODY && acked[owner[c]] && !dead[owner[c]] -> free_wrongly(c) }
#endif
	/* the exclusive vCPU gets its core */
	:: atomic { owner[c] == NOBODY && excl_for[c] != NOBODY && state[excl_for[c]] == PINNED ->
		v = excl_for[c]; grant(c, v); excl[c] = true }
#if MUTANT == 4
	:: atomic { owner[c] != NOBODY && excl_for[c] == owner[c] && !excl[c] -> excl[c] = true }
#else
	:: atomic { owner[c] != NOBODY && excl_for[c] == owner[c] && !excl[c] && succ[c] == NOBODY &&
		    !revoked[owner[c]] -> excl[c] = true }
#endif
	od
}

/* vCPU 0 wants core 0 for good, once; the cap of one core of two is kept by asking once. */
proctype admin()
{
	atomic { excl_for[0] == NOBODY -> excl_for[0] = 0;
		if
		:: state[0] == READY -> state[0] = PINNED
		:: else
		fi }
	/* when it runs elsewhere it is revoked there */
	do
	:: atomic { where[0] == 1 && owner[1] == 0 && !revoked[0] -> revoked[0] = true }
	:: atomic { excl[0] -> break }
	od;
	/* ... and released again */
	atomic { excl[0] = false; excl_for[0] = NOBODY }
}

#define two_on(c) ((executes[0] && where[0] == c && executes[1] && where[1] == c) || \
		   (executes[0] && where[0] == c && executes[2] && where[2] == c) || \
		   (executes[1] && where[1] == c && executes[2] && where[2] == c))
#define lawful(v) (!executes[v] || (where[v] != NOBODY && \
		   (owner[where[v]] == v || succ[where[v]] == v)))
#define excl_right(c) (!excl[c] || (succ[c] == NOBODY && owner[c] == excl_for[c]))
#define one_place(v) (!((owner[0] == v || succ[0] == v) && (owner[1] == v || succ[1] == v)))
#define named(v) (owner[0] == v || succ[0] == v || owner[1] == v || succ[1] == v)
#define known(v) ((state[v] != NEXT && state[v] != RUNNING) || named(v))

#ifndef LIVENESS
proctype watch()
{
	/* one step from any state: an assertion that looks once sees them all */
	atomic { !(!two_on(0) && !two_on(1) && lawful(0) && lawful(1) && lawful(2) &&
		   excl_right(0) && excl_right(1) && one_place(0) && one_place(1) && one_place(2) &&
		   known(0) && known(1) && known(2)) -> assert(false) }
}
#endif

init {
	atomic {
		owner[0] = NOBODY; owner[1] = NOBODY; succ[0] = NOBODY; succ[1] = NOBODY;
		excl_for[0] = NOBODY; excl_for[1] = NOBODY;
		state[0] = READY; state[1] = READY; state[2] = READY;
		where[0] = NOBODY; where[1] = NOBODY; where[2] = NOBODY;
		run vcpu(0); run vcpu(1); run vcpu(2); run scheduler(0); run scheduler(1); run admin();
#ifndef LIVENESS
		run watch()
#endif
	}
}

/* Nobody is forgotten, and the core for good comes, whatever vCPU 2 forges and when vCPU 1 dies. */
ltl served { [] (state[2] == READY -> <> (state[2] != READY)) }
ltl given { <> (excl[0] || dead[0]) }
