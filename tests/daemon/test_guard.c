/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's end of the guard, over a fake of its devices: bans in all combinations of who was there when, the copy
 * of the log, and a guard that hangs, lies, comes and goes. VMs are in test_guard_vms.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/bug.h"
#include "fake_dispatch.h"
#include "fake_guard.h"
#include "host/timer.h"
#include "temp_dir.h"
#include "test.h"

#define WAIT_NS (20 * NS_PER_S) /* for what must come; only a test that fails waits so long */
#define BOB	4711
#define ANN	4712

static char dir[128], dev_dir[160], state_dir[160];
static struct fake_guard fake;
static struct store *store;
static struct audit *audit;
static struct dispatch *dispatch;
static struct users *users;
static struct events *events;
static struct guard *guard;
static struct errmsg em;

/* What the table of VMs was asked to do. */
static atomic_uint n_syncs, n_gone, n_killed;
static atomic_int sync_result;

static int vms_sync(void *arg, bool is_there)
{
	(void)arg;
	atomic_fetch_add(is_there ? &n_syncs : &n_gone, 1);
	return atomic_load(&sync_result);
}

static void vms_kill_user(void *arg, uid_t uid)
{
	(void)arg;
	(void)uid;
	atomic_fetch_add(&n_killed, 1);
}

static const struct guard_vms vms = { vms_sync, vms_kill_user };

/* The daemon starts. */
static void start(void)
{
	struct store_options so;
	struct audit_options ao;
	struct dispatch_options d;
	struct users_options uo;
	struct guard_options go;

	store_options_defaults(&so);
	so.state_dir = state_dir;
	BUG_ON(store_open(&so, &store, NULL, &em) < 0);
	audit_options_defaults(&ao);
	ao.state_dir = state_dir;
	BUG_ON(audit_open(&ao, &audit, NULL, &em) < 0);
	dispatch_options_defaults(&d);
	BUG_ON(dispatch_start(&d, &dispatch, &em) < 0);
	users_options_defaults(&uo);
	uo.store = store;
	uo.dispatch = dispatch;
	BUG_ON(users_open(&uo, &users, &em) < 0);
	events = events_new(64);
	guard_options_defaults(&go);
	go.dev = &fake_guard_dev;
	go.dev_ctx = &fake;
	go.dev_dir = dev_dir;
	go.state_dir = state_dir;
	go.users = users;
	go.audit = audit;
	go.events = events;
	go.reply_ms = 200;
	go.retry_ms = 50;
	CHECK_INT(guard_open(&go, &guard, &em), 0);
}

static void stop(void)
{
	guard_stop(guard);
	guard_close(guard);
	users_close(users);
	dispatch_stop(dispatch);
	events_free(events);
	audit_close(audit);
	store_close(store);
	guard = NULL;
}

static void begin(bool is_loaded)
{
	atomic_store(&n_syncs, 0);
	atomic_store(&n_gone, 0);
	atomic_store(&n_killed, 0);
	atomic_store(&sync_result, 0);
	temp_dir_make(dir, sizeof(dir));
	snprintf(dev_dir, sizeof(dev_dir), "%s/dev", dir);
	snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
	BUG_ON(mkdir(dev_dir, 0700) < 0 || mkdir(state_dir, 0700) < 0);
	fake_guard_init(&fake, dev_dir, is_loaded);
	start();
	CHECK_INT(guard_start(guard, &vms, NULL, &em), 0);
}

static void end(void)
{
	stop();
	fake_guard_done(&fake);
	temp_dir_remove(dir);
}

static bool until(bool (*is)(uint64_t arg), uint64_t arg)
{
	ns_t until_ns = host_clock_monotonic_ns() + WAIT_NS;

	while (!is(arg)) {
		if (host_clock_monotonic_ns() > until_ns) {
			return false;
		}
		usleep(1000);
	}
	return true;
}

static struct guard_info info(void)
{
	struct guard_info i;

	guard_info_get(guard, &i);
	return i;
}

static struct users_info user(uid_t uid)
{
	struct users_info i;

	users_get_own(users, uid, &i);
	return i;
}

static bool is_attached(uint64_t want)
{
	return info().is_attached == want;
}

static bool is_loaded(uint64_t want)
{
	return info().is_loaded == want;
}

static bool is_banned(uint64_t uid)
{
	return users_is_banned(users, (uid_t)uid);
}

static bool is_free(uint64_t uid)
{
	return !users_is_banned(users, (uid_t)uid);
}

static bool is_copied(uint64_t seq)
{
	bool is;

	pthread_mutex_lock(&fake.lock);
	is = fake.exported == seq;
	pthread_mutex_unlock(&fake.lock);
	return is && info().copied == seq;
}

static bool has_trouble(uint64_t want)
{
	return (info().trouble[0] != '\0') == want;
}

static bool has_synced(uint64_t n)
{
	return atomic_load(&n_syncs) >= n;
}

static bool has_open(uint64_t n)
{
	bool has;

	pthread_mutex_lock(&fake.lock);
	has = fake.n_open == n;
	pthread_mutex_unlock(&fake.lock);
	return has;
}

static bool has_gone(uint64_t n)
{
	return atomic_load(&n_gone) >= n;
}

/* Records of the audit log with an operation; the last one's arguments. */
struct search {
	const char *operation;
	unsigned int n;
	char last[256];
};

static void search_visit(void *arg, const struct audit_record *rec)
{
	struct search *s = arg;

	if (rec->operation_bytes == strlen(s->operation) &&
	    memcmp(rec->operation, s->operation, rec->operation_bytes) == 0) {
		s->n++;
		snprintf(s->last, sizeof(s->last), "%.*s", (int)rec->arguments_bytes,
			 rec->arguments);
	}
}

static struct search audited(const char *operation)
{
	struct search s = { .operation = operation };

	CHECK_INT(audit_heartbeat(audit, "{}", &em), 0); /* what was submitted is in */
	CHECK_INT(audit_tail(audit, AUDIT_TAIL_MAX, search_visit, &s, &em), 0);
	return s;
}

static void nothing_without_the_module(void)
{
	struct pinfold_guard_vm vm = { .id = 1, .owner_uid = BOB };

	begin(false);
	CHECK(!info().is_loaded && !info().is_attached && !info().trouble[0]);
	CHECK_INT(guard_vm_register(guard, &vm, &em), 0);
	CHECK_INT(guard_vm_find(guard, 1, &vm), -ENODEV);
	guard_vm_unregister(guard, 1);
	CHECK_INT(guard_unban_check(guard, BOB, &em), 0);
	CHECK_INT(guard_vm_register(NULL, &vm, &em), 0);
	CHECK_INT(guard_unban_check(NULL, BOB, &em), 0);
	end();
}

static void it_is_noticed_when_it_comes(void)
{
	begin(false);
	CHECK(until(is_attached, false));
	fake_guard_load(&fake, true);
	CHECK(until(is_attached, true));
	CHECK(until(has_synced, 1));
	fake_guard_load(&fake, false);
	CHECK(until(is_attached, false) && until(is_loaded, false));
	CHECK(until(has_gone, 1));
	fake_guard_load(&fake, true);
	CHECK(until(is_attached, true));
	end();
}

/* No file of it is open then, or the kernel would not unload it. */
static void it_is_let_go(void)
{
	begin(true);
	CHECK(until(has_synced, 1));
	fake_guard_log(&fake, "may go");
	fake_guard_ban(&fake, BOB);
	fake_guard_let_go(&fake, true);
	CHECK(until(has_gone, 1));
	CHECK(until(has_trouble, true) && strstr(info().trouble, "unloaded"));
	CHECK(is_banned(BOB) && is_copied(1)); /* what was done before is not lost */
	CHECK(until(is_attached, false) && until(has_open, 0));
	CHECK_INT(atomic_load(&n_gone), 1);
	fake_guard_let_go(&fake, false);
	CHECK(until(is_attached, true) && until(has_trouble, false));
	fake_guard_let_go(&fake, true);
	CHECK(until(is_attached, false) && until(has_open, 0));
	fake_guard_load(&fake, false);
	CHECK(until(is_loaded, false));
	end();
}

static void ban_and_unban(void)
{
	begin(true);
	CHECK(info().is_attached);
	fake_guard_ban(&fake, BOB);
	CHECK(until(is_banned, BOB));
	CHECK_INT(user(BOB).banned_by, USERS_BY_GUARD);
	CHECK(strncmp(user(BOB).ban_reason, "guard", 5) == 0);
	CHECK_INT(atomic_load(&n_killed), 1);
	CHECK_INT(info().n_bans, 1);
	CHECK_INT(guard_unban_check(guard, BOB, &em), -EBUSY);
	CHECK(strstr(em.text, "unban 4711") != NULL);
	CHECK_INT(guard_unban_check(guard, ANN, &em), 0);
	CHECK_INT(audited("guard.ban").n, 1);
	CHECK_STR(audited("guard.ban").last, "{\"uid\":4711}");
	fake_guard_ban(&fake, ANN);
	CHECK(until(is_banned, ANN));
	fake_guard_unban(&fake, BOB);
	CHECK(until(is_free, BOB));
	CHECK(is_banned(ANN));
	CHECK_INT(audited("guard.unban").n, 1);
	CHECK_INT(audited("guard.ban").n, 2);
	end();
}

static void an_administrators_ban_is_his(void)
{
	begin(true);
	CHECK_INT(users_ban(users, BOB, 0, "mining", &em), 0);
	fake_guard_ban(&fake, BOB);
	fake_guard_ban(&fake, ANN);
	CHECK(until(is_banned, ANN));
	CHECK_STR(user(BOB).ban_reason, "mining");
	CHECK_INT(guard_unban_check(guard, BOB, &em), -EBUSY);
	fake_guard_unban(&fake, BOB);
	fake_guard_unban(&fake, ANN);
	CHECK(until(is_free, ANN));
	CHECK(is_banned(BOB));
	end();
}

static void bans_while_no_daemon_is_there(void)
{
	begin(true);
	fake_guard_ban(&fake, BOB);
	CHECK(until(is_banned, BOB));
	stop();
	fake_guard_ban(&fake, ANN);
	fake_guard_unban(&fake, BOB);
	start();
	/* Before any VM is met again. */
	CHECK(is_banned(ANN) && is_free(BOB));
	CHECK_INT(info().n_old_bans, 0);
	end();
}

static void bans_outlive_a_restart_without_the_module(void)
{
	begin(true);
	fake_guard_ban(&fake, BOB);
	CHECK(until(is_banned, BOB));
	stop();
	fake_guard_load(&fake, false);
	start();
	CHECK(is_banned(BOB));
	CHECK_INT(user(BOB).banned_by, USERS_BY_GUARD);
	/* Nobody else can lift it now. */
	CHECK_INT(guard_unban_check(guard, BOB, &em), 0);
	CHECK_INT(users_unban(users, BOB, &em), 0);
	end();
}

static void another_instance_lifts_nothing(void)
{
	begin(true);
	fake_guard_ban(&fake, BOB);
	fake_guard_ban(&fake, ANN);
	CHECK(until(is_banned, BOB) && until(is_banned, ANN));
	stop();
	fake_guard_load(&fake, false);
	fake_guard_load(&fake, true);
	fake_guard_ban(&fake, ANN); /* anew */
	start();
	CHECK(is_banned(BOB) && is_banned(ANN));
	CHECK_INT(info().n_old_bans, 1);
	CHECK_INT(guard_start(guard, &vms, NULL, &em), 0);
	/* Of the new instance: it may lift it. */
	fake_guard_unban(&fake, ANN);
	CHECK(until(is_free, ANN));
	CHECK(is_banned(BOB));
	CHECK_INT(guard_unban_check(guard, BOB, &em), 0);
	CHECK_INT(users_unban(users, BOB, &em), 0);
	end();
}

static void another_registrar(void)
{
	begin(false);
	fake_guard_busy(&fake, true);
	fake_guard_load(&fake, true);
	CHECK(until(has_trouble, true));
	CHECK(info().is_loaded && !info().is_attached);
	CHECK(strstr(info().trouble, "another process") != NULL);
	fake_guard_ban(&fake, BOB);
	fake_guard_busy(&fake, false);
	CHECK(until(is_attached, true));
	CHECK(until(is_banned, BOB));
	CHECK(until(has_trouble, false));
	end();
}

static void it_hangs(void)
{
	struct pinfold_guard_vm vm = { .id = 5, .pid = 5, .start_ticks = 5, .name = "x" };
	ns_t from_ns;

	begin(true);
	CHECK(until(has_synced, 1));
	fake_guard_hang(&fake, true);
	CHECK(until(has_trouble, true));
	CHECK(info().is_hung);
	from_ns = host_clock_monotonic_ns();
	for (int i = 0; i < 100; i++) {
		CHECK_INT(guard_vm_register(guard, &vm, &em), 0);
	}
	CHECK(host_clock_monotonic_ns() - from_ns < 10 * NS_PER_S); /* 20 s if each waited */
	CHECK(guard_vm_find(guard, 5, &vm) == -ETIMEDOUT);
	fake_guard_ban(&fake, BOB);
	fake_guard_hang(&fake, false);
	CHECK(until(is_banned, BOB));
	CHECK(until(has_trouble, false));
	CHECK(!info().is_hung);
	end();
}

static void it_hangs_for_ever(void)
{
	begin(true);
	fake_guard_hang(&fake, true);
	CHECK(until(has_trouble, true));
	stop(); /* is over soon */
	fake_guard_hang(&fake, false);
	fake_guard_done(&fake);
	temp_dir_remove(dir);
}

static void it_answers_nonsense(void)
{
	begin(true);
	fake_guard_lie(&fake, true);
	CHECK(until(has_trouble, true));
	CHECK(until(is_attached, false));
	fake_guard_ban(&fake, BOB);
	usleep(120000); /* it is tried again meanwhile */
	CHECK(is_free(BOB));
	fake_guard_lie(&fake, false);
	CHECK(until(is_banned, BOB));
	CHECK(until(has_trouble, false));
	end();
}

static void vms_that_could_not_be_compared(void)
{
	begin(true);
	CHECK(until(has_synced, 1));
	atomic_store(&sync_result, -EIO);
	fake_guard_ban(&fake, BOB);
	CHECK(until(has_trouble, true));
	CHECK(until(has_synced, 4)); /* again and again */
	atomic_store(&sync_result, 0);
	CHECK(until(has_trouble, false));
	end();
}

static uint64_t file_bytes(const char *ending)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s/guard/log.%016llx%s", state_dir,
		 (unsigned long long)fake.instance, ending);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void the_log_is_copied(void)
{
	char want[32];

	begin(true);
	for (int i = 0; i < 200; i++) {
		fake_guard_log(&fake, "kill 7");
	}
	CHECK(until(is_copied, 200));
	CHECK_INT(file_bytes(""), 200 * 256);
	stop();
	fake_guard_log(&fake, "while nobody was there");
	start();
	CHECK_INT(audited("guard log").n > 0, 1);
	CHECK(until(is_copied, 201));
	CHECK_INT(file_bytes(""), 201 * 256);
	guard_stop(guard);
	CHECK_INT(info().anchored, 201);
	snprintf(want, sizeof(want), "\"seq\":%d}", 201);
	CHECK(strstr(audited("guard log").last, want) != NULL);
	end();
}

static void the_log_goes_on_in_another_file(void)
{
	begin(true);
	for (int i = 0; i < 16384 + 100; i++) {
		fake_guard_log(&fake, "help");
	}
	CHECK(until(is_copied, 16384 + 100));
	/* Not in the middle of what is read at once. */
	CHECK(file_bytes(".old") >= 16384 * 256 && file_bytes(".old") < (16384 + 64) * 256);
	CHECK_INT(file_bytes(".old") + file_bytes(""), (16384 + 100) * 256);
	stop();
	start();
	CHECK(until(is_copied, 16384 + 100));
	CHECK_INT(file_bytes(".old") + file_bytes(""), (16384 + 100) * 256);
	end();
}

static bool has_trouble_with(uint64_t text)
{
	return strstr(info().trouble, (const char *)(uintptr_t)text) != NULL;
}

/* The device gives each record once: what could not be written is kept until it can. */
static void a_failed_write_loses_nothing(void)
{
	struct rlimit had, none;
	char old[300];

	begin(true);
	for (int i = 0; i < 16384; i++) {
		fake_guard_log(&fake, "help");
	}
	CHECK(until(is_copied, 16384));
	snprintf(old, sizeof(old), "%s/guard/log.%016llx.old", state_dir,
		 (unsigned long long)fake.instance);
	BUG_ON(mkdir(old, 0700) < 0); /* in the way of the file that is full */
	fake_guard_log(&fake, "kill 7");
	CHECK(until(has_trouble_with, (uintptr_t)strerror(EISDIR)));
	fake_guard_log(&fake, "kill 8");
	BUG_ON(getrlimit(RLIMIT_NOFILE, &had) < 0);
	none = (struct rlimit){ 3, had.rlim_max }; /* fewer and poll() fails */
	BUG_ON(setrlimit(RLIMIT_NOFILE, &none) < 0 || rmdir(old) < 0);
	CHECK(until(has_trouble_with,
		    (uintptr_t)strerror(EMFILE))); /* in the way of the next one */
	BUG_ON(setrlimit(RLIMIT_NOFILE, &had) < 0);
	CHECK(until(is_copied, 16386) && until(has_trouble, false));
	CHECK_INT(file_bytes(".old"), 16384 * 256);
	CHECK_INT(file_bytes(""), 2 * 256);
	end();
}

static void a_doctored_record_is_not_copied(void)
{
	begin(true);
	fake_guard_log(&fake, "one");
	CHECK(until(is_copied, 1));
	fake_guard_log_bad(&fake);
	fake_guard_log(&fake, "three");
	CHECK(until(has_trouble, true));
	CHECK_INT(info().copied, 1);
	CHECK_INT(file_bytes(""), 256);
	end();
}

static void append(const char *ending, const void *bytes, size_t n)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s/guard/log.%016llx%s", state_dir,
		 (unsigned long long)fake.instance, ending);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	BUG_ON(fd < 0 || write(fd, bytes, n) != (ssize_t)n);
	close(fd);
}

static void a_copy_is_mended_or_set_aside(void)
{
	static const char junk[256] = "junk";

	begin(true);
	fake_guard_log(&fake, "one");
	fake_guard_log(&fake, "two");
	CHECK(until(is_copied, 2));
	stop();
	append("", junk, 100); /* a power cut */
	start();
	CHECK(until(is_copied, 2));
	CHECK_INT(file_bytes(""), 2 * 256);
	stop();
	append("", junk, 256);
	start();
	CHECK(until(is_copied, 2));
	CHECK_INT(file_bytes(""), 2 * 256);
	CHECK_INT(file_bytes(".bad"), 3 * 256);
	end();
}

static const struct test_case cases[] = {
	{ "nothing without the module", nothing_without_the_module },
	{ "it is noticed when it comes", it_is_noticed_when_it_comes },
	{ "it is let go", it_is_let_go },
	{ "ban and unban", ban_and_unban },
	{ "an administrator's ban is his", an_administrators_ban_is_his },
	{ "bans while no daemon is there", bans_while_no_daemon_is_there },
	{ "bans outlive a restart without the module", bans_outlive_a_restart_without_the_module },
	{ "another instance lifts nothing", another_instance_lifts_nothing },
	{ "another registrar", another_registrar },
	{ "it hangs", it_hangs },
	{ "it hangs for ever", it_hangs_for_ever },
	{ "it answers nonsense", it_answers_nonsense },
	{ "VMs that could not be compared", vms_that_could_not_be_compared },
	{ "the log is copied", the_log_is_copied },
	{ "the log goes on in another file", the_log_goes_on_in_another_file },
	{ "a failed write loses nothing", a_failed_write_loses_nothing },
	{ "a doctored record is not copied", a_doctored_record_is_not_copied },
	{ "a copy is mended or set aside", a_copy_is_mended_or_set_aside },
};

int main(void)
{
	return test_main(cases, ARRAY_SIZE(cases));
}
