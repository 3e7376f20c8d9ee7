/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guard's two terminals, whose threads die or hang at any point (docs/guard.md, "Threads").
 *
 * The arbiter is that of kmod/core/arbiter.c, statement by statement, each event one step (a spinlock). Around it
 * is what kmod/threads.c and terminal.c do: orders that a thread takes when it runs, the deadline of a command,
 * a thread that is given up and comes back late, a new thread in the place of an old one, kthreadd that makes
 * threads whenever it gets to run. People wake channels at any time and answer the challenge on the screen.
 *
 * Left out: what commands do (two steps that must happen once), what is printed, the time between a look whether
 * a channel is still ours and the next 64 bytes sent to it. There are two places and three threads: the spare has
 * to be made, by a kthreadd that comes when it likes; what spares change is in tests/guard/test_arbiter.c, for all
 * states. At most FAULTS deaths and overruns, WAKES wake-ups, NONCES challenges.
 *
 * Safety: a step of a command is taken at most once for an answer; only the thread that serves a channel asks and
 * reads there; one that was given up takes no further step and speaks to the arbiter no more; only a thread that
 * is in its place speaks for it; a command gets one RESULT, its own or that of whoever gave its thread up. Liveness:
 * who wakes a channel gets a prompt; a terminal comes back.
 *
 * Mistakes (-DMUTANT=n) that must be found:
 *   1 a thread that was given up says that it sleeps   2 a replacement finishes the command of the one before
 *   3 a thread that was taken over reads on   4 a thread that was given up takes its next step
 *   5 orders are thrown away before the arbiter knows of the sleep (liveness)
 *   6 an order to leave is lost when it comes with the order to serve (liveness)
 *   7 a channel is forgotten when its terminal dies and no spare is left (liveness)
 *   8 a command has no deadline (liveness)   9 no new thread is asked for (liveness)
 *   10 a thread looks whether it was given up, and writes its RESULT later
 *   11 whoever gives a thread up writes a RESULT whether it is owed or not
 *   12 ... or writes it when the replacement may have begun a command already
 */
#ifndef MUTANT
#define MUTANT 0
#endif
#ifdef LIVENESS
#define FAULTS 1
#define WAKES 3
#else
#define FAULTS 2
#define WAKES 2
#endif
#define P 2		/* places */
#define T 3		/* threads that there may be, with those that hang */
#define NONCES 1
#define NONE 7

#define EMPTY 0
#define SPARE 1
#define ASLEEP 2
#define AWAKE 3
#define LEAVING 4

/* The arbiter. */
byte state[P];
byte terminal[P] = NONE;
byte channel[P] = NONE;
byte thread_of[2] = NONE;
byte terminal_of[2] = NONE;
bool waiting[2];

/* The kernel side: threads and places. */
byte place[T] = NONE;	/* NONE: given up, dead, or not made */
byte inst[P] = NONE;	/* the thread in a place */
bool wanted_thread[P];
bool alive[T];
bool dead[T];		/* it dies, and has not ended yet */
bool given_up[T];
bool in_command[T];
bool hung[T];
bool o_serve[T], o_show[T], o_leave[T];
byte my_terminal[T], my_channel[T];
byte faults;

/* People. */
byte wakes = WAKES;
bool unserved[2];	/* somebody woke it, and has not seen a prompt since */
byte asked[2];		/* the challenge on the screen */
byte typed[2];		/* an answer to it */
byte nonces;
bool done1[NONCES + 1], done2[NONCES + 1];
byte owed[2];		/* the command of each terminal whose RESULT is not in the log yet */
bool has_result[NONCES + 1];
byte pending[2];	/* for mistake 2 */

hidden byte w, x, y, z;	/* of the steps of the arbiter */

#define serves(i) (place[i] != NONE && terminal_of[my_channel[i]] == my_terminal[i] && \
		   thread_of[my_terminal[i]] == place[i])

inline serve(t_, c_) {
	state[thread_of[t_]] = AWAKE;
	channel[thread_of[t_]] = c_;
	terminal_of[c_] = t_;
	waiting[c_] = false;
	my_terminal[inst[thread_of[t_]]] = t_;
	my_channel[inst[thread_of[t_]]] = c_;
	o_serve[inst[thread_of[t_]]] = true
}

/* x: a channel that waits; y: a terminal asleep; z: a spare */
inline find_waiting() {
	if
	:: waiting[0] -> x = 0
	:: !waiting[0] && waiting[1] -> x = 1
	:: else -> x = NONE
	fi
}

inline find_sleeper() {
	if
	:: thread_of[0] != NONE && state[thread_of[0]] == ASLEEP -> y = 0
	:: else ->
		if
		:: thread_of[1] != NONE && state[thread_of[1]] == ASLEEP -> y = 1
		:: else -> y = NONE
		fi
	fi
}

inline find_spare() {
	if
	:: state[0] == SPARE -> z = 0
	:: state[0] != SPARE && state[1] == SPARE -> z = 1
	:: else -> z = NONE
	fi
}

inline put_in(t_, p_, c_) {
	thread_of[t_] = p_;
	terminal[p_] = t_;
	state[p_] = ASLEEP;
	my_terminal[inst[p_]] = t_;
	if
	:: c_ != NONE -> serve(t_, c_)
	:: else
	fi
}

/* The thread in place p_ is no more. */
inline lose(p_) {
	find_waiting();
	if
	:: terminal[p_] != NONE ->
		thread_of[terminal[p_]] = NONE;
		if
		:: state[p_] == AWAKE ->
			x = channel[p_];
			terminal_of[x] = NONE;
			waiting[x] = true
		:: else
		fi;
		state[p_] = EMPTY;
		find_spare();
		find_sleeper();
		if
		:: z != NONE -> put_in(terminal[p_], z, x)
		:: z == NONE && x != NONE && y != NONE -> serve(y, x)
#if MUTANT == 7
		:: z == NONE && x != NONE && y == NONE -> waiting[x] = false
#endif
		:: else
		fi
	:: else
	fi;
	state[p_] = EMPTY;
	terminal[p_] = NONE;
	channel[p_] = NONE;
#if MUTANT != 9
	wanted_thread[p_] = true
#endif
}

inline ready(p_) {
	state[p_] = SPARE;
	find_waiting();
	if
	:: thread_of[0] == NONE -> put_in(0, p_, x)
	:: thread_of[0] != NONE && thread_of[1] == NONE -> put_in(1, p_, x)
	:: else
	fi
}

inline wake(c_) {
	find_sleeper();
	if
	:: y != NONE ->
		if
		:: terminal_of[c_] != NONE ->
			z = thread_of[terminal_of[c_]];
			state[z] = LEAVING;
			o_leave[inst[z]] = true
		:: else
		fi;
		serve(y, c_)
	:: y == NONE && terminal_of[c_] == NONE -> waiting[c_] = true
	:: else -> o_show[inst[thread_of[terminal_of[c_]]]] = true
	fi
}

inline slept(p_) {
	if
	:: state[p_] == AWAKE -> terminal_of[channel[p_]] = NONE
	:: else
	fi;
	state[p_] = ASLEEP;
	channel[p_] = NONE;
	find_waiting();
	if
	:: x != NONE -> serve(terminal[p_], x)
	:: else
	fi
}

inline leave_place(i_) {
	w = place[i_];
	place[i_] = NONE;
	inst[w] = NONE;
	lose(w)
}

inline forget(i_) {
	place[i_] = NONE; given_up[i_] = false; in_command[i_] = false; hung[i_] = false;
	o_serve[i_] = false; o_show[i_] = false; o_leave[i_] = false;
	my_terminal[i_] = 0; my_channel[i_] = 0; dead[i_] = false; alive[i_] = false
}

/* Hangs here, perhaps; and if so, comes back after it was given up, or never. */
inline may_hang() {
	if
	:: atomic { faults < FAULTS -> faults++; hung[me] = true };
		if
		:: given_up[me] -> hung[me] = false
		:: given_up[me] -> hung[me] = false;
end_hung:		false
		fi
	:: true
	fi
}

inline write_result(t_, k_) {
	assert(!has_result[k_]);
	has_result[k_] = true;
	owed[t_] = 0
}

/* The RESULT of a thread that was lost: after that was decided, and before its replacement can begin anything. */
inline write_lost(t_) {
#if MUTANT == 11
	if :: t_ != NONE && nonces > 0 -> write_result(t_, nonces) :: else fi
#else
	if :: t_ != NONE && owed[t_] != 0 -> write_result(t_, owed[t_]) :: else fi
#endif
}

#if MUTANT == 12
#define LATER }; atomic {
#else
#define LATER
#endif

proctype thread(byte me)
{
	byte c, n, k;	/* the channel; the challenge that was asked; the one that was answered */
	bool leaves;	/* ends its dialogue by itself some time */
	bool again;	/* was asked to show itself when it went */

end_unmade:
	{
		atomic {
			place[me] != NONE -> assert(inst[place[me]] == me);
			if :: state[place[me]] == EMPTY -> ready(place[me]) :: else fi
		};
end_wait:	atomic {
#if MUTANT == 6
			o_serve[me] -> c = my_channel[me];
			o_leave[me] = false;
#else
			o_serve[me] -> c = my_channel[me];
			if :: o_leave[me] -> goto sleep :: else fi;
#endif
			o_serve[me] = false;
			n = 0;
#ifdef LIVENESS
			if :: leaves = true :: leaves = false fi
#else
			leaves = true
#endif
		};
#if MUTANT == 2
		k = pending[my_terminal[me]];
		if
		:: k != 0 -> goto command
		:: else
		fi;
#endif
prompt:		atomic { if :: serves(me) -> unserved[c] = false :: else fi };
end_talk:	do
		:: atomic { o_leave[me] -> goto sleep }
		:: atomic { o_show[me] && !o_leave[me] -> o_show[me] = false; goto prompt }
		:: atomic { !o_leave[me] && !o_show[me] && n == 0 && nonces < NONCES && serves(me) ->
			nonces++; n = nonces; asked[c] = n }
#if MUTANT == 3
		:: atomic { typed[c] != 0 ->
#else
		:: atomic { !o_leave[me] && !o_show[me] && typed[c] != 0 && serves(me) ->
#endif
			assert(serves(me));
			k = (typed[c] == n -> n : 0);
			typed[c] = 0;
			if
			:: k != 0 -> n = 0; goto command
			:: else
			fi }
		:: atomic { leaves && !o_leave[me] && !o_show[me] -> goto sleep }
		od;
command:	atomic { in_command[me] = true; owed[my_terminal[me]] = k;
#if MUTANT == 2
			pending[my_terminal[me]] = k
#endif
		};
		may_hang();
		atomic {
#if MUTANT != 4
			if :: given_up[me] -> goto over :: else fi;
#endif
			assert(!given_up[me] && !done1[k]);
			done1[k] = true
		};
		may_hang();
		atomic {
#if MUTANT != 4
			if :: given_up[me] -> goto over :: else fi;
#endif
			assert(!given_up[me] && !done2[k]);
			done2[k] = true
		};
#if MUTANT == 10
		if :: given_up[me] -> goto over :: else fi;
#endif
		atomic {
#if MUTANT != 10
			if :: given_up[me] -> goto over :: else fi;
#endif
			write_result(my_terminal[me], k)
		};
		atomic { in_command[me] = false; k = 0;
#if MUTANT == 2
			pending[my_terminal[me]] = 0;
#endif
			if :: given_up[me] -> goto over :: else fi };
		goto prompt;
sleep:
#if MUTANT == 5
		atomic { o_serve[me] = false; o_show[me] = false; o_leave[me] = false };
		atomic { assert(inst[place[me]] == me); slept(place[me]) };
#else
		atomic {
			assert(inst[place[me]] == me);
			again = o_show[me] && !o_leave[me];
			o_serve[me] = false; o_show[me] = false; o_leave[me] = false;
			slept(place[me]);
			if :: again -> wake(c) :: else fi;
			again = false
		};
#endif
		goto end_wait;
over:
#if MUTANT == 1
		atomic { assert(place[me] != NONE); slept(place[me]) };
#endif
		skip
	} unless { dead[me] };
	atomic { forget(me); c = 0; n = 0; k = 0; leaves = false; again = false };
	goto end_unmade
}

inline make(p_, i_) {
	wanted_thread[p_] = false;
	alive[i_] = true;
	inst[p_] = i_;
	place[i_] = p_
}

inline make_any(p_) {
	if
	:: !alive[0] -> make(p_, 0)
	:: alive[0] && !alive[1] -> make(p_, 1)
	:: alive[0] && alive[1] && !alive[2] -> make(p_, 2)
	fi
}

#define can_make !(alive[0] && alive[1] && alive[2])

/* Makes threads whenever it gets to run. */
proctype kthreadd()
{
end:	do
	:: atomic { wanted_thread[0] && can_make -> make_any(0) }
	:: atomic { wanted_thread[1] && can_make -> make_any(1) }
	od
}

inline die(i_) {
	faults++;
	dead[i_] = true;
	lost = NONE;
	if
	:: place[i_] != NONE ->
		if :: terminal[place[i_]] != NONE -> lost = my_terminal[i_] :: else fi;
		leave_place(i_)
	:: else
	fi
}

#define can_die(i) (faults < FAULTS && alive[i] && !dead[i])

proctype fate()
{
	byte lost = NONE;

end:	do
	:: atomic { can_die(0) -> die(0); LATER write_lost(lost); lost = NONE }
	:: atomic { can_die(1) -> die(1); LATER write_lost(lost); lost = NONE }
	:: atomic { can_die(2) -> die(2); LATER write_lost(lost); lost = NONE }
	od
}

inline give_up(i_) {
	faults = (hung[i_] -> faults : faults + 1);
	given_up[i_] = true;
	lost = my_terminal[i_];
	leave_place(i_)
}

/* A thread that does not hang may be slow. */
#define can_overrun(i) (in_command[i] && place[i] != NONE && (hung[i] || faults < FAULTS))

proctype deadline()
{
	byte lost = NONE;

end:	do
	:: atomic { can_overrun(0) -> give_up(0); LATER write_lost(lost); lost = NONE }
	:: atomic { can_overrun(1) -> give_up(1); LATER write_lost(lost); lost = NONE }
	:: atomic { can_overrun(2) -> give_up(2); LATER write_lost(lost); lost = NONE }
	od
}

inline press(c_) {
	wakes--;
	unserved[c_] = true;
	wake(c_)
}

inline answer(c_) {
	typed[c_] = asked[c_];
	asked[c_] = 0
}

proctype people()
{
end:	do
	:: atomic { wakes > 0 -> press(0) }
	:: atomic { wakes > 0 -> press(1) }
	:: atomic { asked[0] != 0 && typed[0] == 0 -> answer(0) }
	:: atomic { asked[1] != 0 && typed[1] == 0 -> answer(1) }
	od
}

/* All places are taken when it begins. */
inline place_first(i_) {
	make(i_, i_);
	state[i_] = SPARE
}

init {
	atomic {
		place_first(0); put_in(0, 0, NONE);
		place_first(1); put_in(1, 1, NONE);
		run thread(0); run thread(1); run thread(2);
		run kthreadd(); run fate(); run people();
#if MUTANT != 8
		run deadline()
#endif
	}
}

ltl served { [] (unserved[0] -> <> !unserved[0]) }
ltl served_too { [] (unserved[1] -> <> !unserved[1]) }
ltl back { [] (thread_of[0] == NONE -> <> (thread_of[0] != NONE)) }
