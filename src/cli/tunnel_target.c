/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses of daemons elsewhere; see tunnel_target.h. Characters are named that may be there, not those
 * that may not: ssh expands % in names, hands names to the shell of a ProxyCommand, takes '-' for an
 * option and ':' for the end of a socket's name.
 */
#include "cli/tunnel_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

#define SCHEME	"ssh://"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool holds_only(const char *s, const char *allowed)
{
	return s[0] != '\0' && s[0] != '-' && s[strspn(s, allowed)] == '\0';
}

bool tunnel_is_socket_name(const char *path)
{
	return path[0] == '/' && strlen(path) < TUNNEL_SOCKET_BYTES &&
	       holds_only(path, LETTERS "/._-+@=,");
}

static int refuse(const char *url, const char *why, struct errmsg *e)
{
	char safe[120];

	return errmsg_set(e, -EINVAL, "--host: '%s' is not ssh://[USER@]HOST[:PORT][/SOCKET]%s",
			  text_safe_to(url, safe, sizeof(safe)), why);
}

static bool is_port(const char *s)
{
	return s[0] != '\0' && strlen(s) <= 5 && s[strspn(s, "0123456789")] == '\0' &&
	       atoi(s) >= 1 && atoi(s) <= 65535;
}

/* HOST or HOST:PORT, or the same with [an IPv6 address]. Cuts @p s into its parts. */
static bool split_port(char *s, char **ret_host, char **ret_port)
{
	char *bracket = s[0] == '[' ? strchr(s, ']') : NULL;
	char *colon = bracket ? bracket + 1 : strchr(s, ':');

	*ret_port = NULL;
	*ret_host = s;
	if (bracket) {
		*bracket = '\0';
		*ret_host = s + 1;
	}
	if (colon && *colon == ':') {
		*colon = '\0';
		*ret_port = colon + 1;
	} else if (bracket && *colon != '\0') {
		return false;
	}
	/* A % names the interface of an address; ssh does not expand it behind a ':'. */
	return holds_only(*ret_host, bracket ? LETTERS ":.%_-" : LETTERS "._-") &&
	       (!bracket || strchr(*ret_host, ':')) && (!*ret_port || is_port(*ret_port));
}

static int parse_authority(char *authority, const char *url, struct tunnel_target *t,
			   struct errmsg *e)
{
	char *at = strrchr(authority, '@');
	char *host, *port;

	if (at) {
		*at = '\0';
		if (strchr(authority, ':')) {
			return errmsg_set(e, -EINVAL,
					  "--host: a password can't be part of an address; ssh "
					  "asks for it, or use a key");
		}
		if (!holds_only(authority, LETTERS "._-+@")) {
			return refuse(url, ": its user can't be", e);
		}
	}
	if (!split_port(at ? at + 1 : authority, &host, &port)) {
		return refuse(url, "", e);
	}
	/* Both are shorter than the address. */
	if (at) {
		strcpy(t->host, authority);
		strcat(t->host, "@");
	}
	strcat(t->host, host);
	strcpy(t->port, port ? port : "");
	return 0;
}

int tunnel_target_parse(const char *url, struct tunnel_target *ret, struct errmsg *e)
{
	struct tunnel_target t = { .host = "" };
	char text[TUNNEL_URL_BYTES];
	char *slash;
	int r;

	if (strncmp(url, SCHEME, strlen(SCHEME)) != 0 || strlen(url) >= sizeof(text)) {
		return refuse(url, "", e);
	}
	strcpy(text, url + strlen(SCHEME));
	slash = strchr(text, '/');
	if (slash && slash[1] != '\0' && !tunnel_is_socket_name(slash)) {
		return refuse(url, ": its socket can't be", e);
	}
	if (slash) {
		strcpy(t.socket, slash[1] != '\0' ? slash : "");
		*slash = '\0';
	}
	r = parse_authority(text, url, &t, e);
	if (r == 0) {
		*ret = t;
	}
	return r;
}
