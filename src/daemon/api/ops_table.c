/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All operations. A name is what the audit log says, what docs/openapi.json calls operationId, and a row of
 * the permission table (tests/daemon/permissions.txt).
 */
#include "base/bits.h"
#include "daemon/api/api_internal.h"

#define C HTTP_CHANGES
#define A HTTP_ADMIN
#define J HTTP_BODY_JSON
#define B HTTP_BODY_BYTES
#define F HTTP_BODY_FILE

/* clang-format off */
static const struct http_op ops[] = {
	{ "GET", "/v1/status", "status", 0, 0, op_status },
	{ "GET", "/v1/openapi.json", "openapi", 0, 0, op_openapi },
	{ "GET", "/v1/events", "events", 0, 0, op_events },
	{ "GET", "/metrics", "metrics", 0, 0, op_metrics },
	{ "POST", "/v1/shutdown", "shutdown", C | A | J, 0, op_shutdown },

	{ "GET", "/v1/cores", "core.list", 0, 0, op_core_list },
	{ "POST", "/v1/cores/{core}/reclaim", "core.reclaim", C | A | J, 0, op_core_reclaim },
	{ "PUT", "/v1/cores/exclusive-cap", "core.exclusive-cap", C | A | J, 0, op_core_cap },
	{ "GET", "/v1/sched/log", "sched.log", A, 0, op_sched_log },

	{ "HEAD", "/v1/images/{hash}", "image.head", 0, 0, op_image_head },
	{ "GET", "/v1/images/{hash}", "image.get", 0, 0, op_image_get },
	{ "PUT", "/v1/images/{hash}", "image.put", C | F, IMAGES_MAX_BYTES, op_image_put },

	{ "GET", "/v1/vms", "vm.list", 0, 0, op_vm_list },
	{ "POST", "/v1/vms", "vm.create", C | J, 0, op_vm_create },
	{ "GET", "/v1/vms/{vm}", "vm.get", 0, 0, op_vm_get },
	{ "DELETE", "/v1/vms/{vm}", "vm.remove", C, 0, op_vm_remove },
	{ "PATCH", "/v1/vms/{vm}", "vm.update", C | J, 0, op_vm_update },
	{ "POST", "/v1/vms/{vm}/start", "vm.start", C | J, 0, op_vm_start },
	{ "POST", "/v1/vms/{vm}/pause", "vm.pause", C | J, 0, op_vm_pause },
	{ "POST", "/v1/vms/{vm}/resume", "vm.resume", C | J, 0, op_vm_resume },
	{ "POST", "/v1/vms/{vm}/shutdown", "vm.shutdown", C | J, 0, op_vm_shutdown },
	{ "POST", "/v1/vms/{vm}/stop", "vm.stop", C | J, 0, op_vm_stop },
	{ "POST", "/v1/vms/{vm}/kill", "vm.kill", C | J, 0, op_vm_kill },
	{ "GET", "/v1/vms/{vm}/wait", "vm.wait", 0, 0, op_vm_wait },
	{ "PUT", "/v1/vms/{vm}/pin", "vm.pin", C | J, 0, op_vm_pin },
	{ "DELETE", "/v1/vms/{vm}/pin", "vm.unpin", C, 0, op_vm_unpin },
	{ "GET", "/v1/vms/{vm}/console", "vm.console.read", 0, 0, op_vm_console_read },
	{ "POST", "/v1/vms/{vm}/console", "vm.console.write", C | B, 0, op_vm_console_write },
	{ "GET", "/v1/vms/{vm}/snapshot", "vm.snapshot", 0, 0, op_vm_snapshot },
	{ "POST", "/v1/restore", "vm.restore", C | F, SNAPSHOT_MAX_BYTES, op_vm_restore },

	{ "GET", "/v1/faults", "fault.list", 0, 0, op_fault_list },
	{ "DELETE", "/v1/faults", "fault.clear-all", C, 0, op_fault_clear_all },
	{ "DELETE", "/v1/faults/{vm}", "fault.clear", C, 0, op_fault_clear },

	{ "GET", "/v1/users", "user.list", 0, 0, op_user_list },
	{ "POST", "/v1/users", "user.add", C | A | J, 0, op_user_add },
	{ "DELETE", "/v1/users/{user}", "user.remove", C | A, 0, op_user_remove },
	{ "PUT", "/v1/users/{user}/quota", "user.quota", C | A | J, 0, op_user_quota },
	{ "PUT", "/v1/users/{user}/ban", "user.ban", C | A | J, 0, op_user_ban },
	{ "DELETE", "/v1/users/{user}/ban", "user.unban", C | A, 0, op_user_unban },

	{ "GET", "/v1/guard", "guard", A, 0, op_guard },

	{ "GET", "/v1/history", "history", 0, 0, op_history },
	{ "GET", "/v1/audit", "audit.list", A, 0, op_audit_list },
	{ "GET", "/v1/audit/verify", "audit.verify", A, 0, op_audit_verify },
	{ "POST", "/v1/audit/verify", "audit.compare", A | J, 0, op_audit_compare },
	{ "GET", "/v1/audit/anchor", "audit.anchor", A, 0, op_audit_anchor },
};
/* clang-format on */

const struct http_op *api_ops(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(ops);
	return ops;
}
