// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the key may come from, and what is no key. */
#include <string.h>

#include "checks.h"

#define KEY_FILE "/tmp/key"

/* Not loaded; the kernel log says why in one line that names the parameter. */
static void expect_refused(struct bed *b, const char *prepare, const char *key, const char *why)
{
	int status;
	const char *out;

	bed_run(b, NULL, "umask 077; rm -rf " KEY_FILE "; %s; dmesg -c >/dev/null", prepare);
	bed_run(b, &status, "insmod /bed/pinfold_guard.ko key=%s", key);
	need(status != 0, "loaded with key=%s after %s", key, prepare);
	out = bed_run(b, NULL, "dmesg | grep 'pinfold_guard: key='");
	need(strstr(out, key) && strstr(out, why), "instead of \"%s\" it says: %s", why, out);
}

void check_key_refused(struct bed *b)
{
	static const char file[] = "file:" KEY_FILE;

	guard_unload(b);
	expect_refused(b, "true", file, "there is no such file");
	expect_refused(b, ">" KEY_FILE, file, "it is empty");
	expect_refused(b, "echo 000102030405 >" KEY_FILE, file, "64 hexadecimal digits");
	expect_refused(b, "echo -n " KEY_HEX " >" KEY_FILE, file, "64 hexadecimal digits");
	expect_refused(b, "(echo " KEY_HEX "; echo more) >" KEY_FILE, file,
		       "64 hexadecimal digits");
	expect_refused(b, "echo " KEY_HEX " >" KEY_FILE "; chmod 644 " KEY_FILE, file,
		       "only root may be able to read it");
	expect_refused(b, "echo " KEY_HEX " >" KEY_FILE "; chown 1000 " KEY_FILE, file,
		       "only root may be able to read it");
	expect_refused(b, "mkdir " KEY_FILE, file, "no ordinary file");
	expect_refused(b, "ln -s /etc/guard.key " KEY_FILE, file, "no ordinary file");
	expect_refused(b, "true", "logon:pinfold:none", "there is no such key in root's keyring");
	expect_refused(b, "true", "/etc/guard.key", "neither file:PATH nor logon:DESCRIPTION");
	guard_load(b, "");
}

/* No file: root's keyring has it. */
void check_key_logon(struct bed *b)
{
	int pid;

	guard_reload(b, ""); /* takes the port, and writes the file */
	guard_unload(b);
	bed_run(b, NULL,
		"guard_inside logon pinfold:guard /etc/guard.key && rm /etc/guard.key && "
		"insmod /bed/pinfold_guard.ko key=logon:pinfold:guard uart=0x2f8,3 idle_s=0");
	need(guard_state(b, "keyed") == 1, "no key");
	need(dialogue_begin(b) == 'A', "B came");
	pid = vm_new(b, 7, 1000, "", "0");
	authorised(b, SERIAL, "kill 7");
	expect_gone(b, pid);
	leave(b, SERIAL);
	guard_sleeps(b);
	guard_reload(b, "");
}
