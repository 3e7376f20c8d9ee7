/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inside the table of VMs.
 *
 * Three locks, taken in this order and never the other way:
 *
 *   vm->talk      one per VM: its process handle (vm->lv), requests to it, its life cycle. May be held
 *                 for as long as a VM takes to answer. Only talk_end() releases it
 *   v->lock       the table, and what is shown of each VM. Held for moments
 *   vm->out_lock  one per VM: console ring and descriptors
 *
 * Four threads of its own: the watcher (vms_watch.c) waits for descriptors and the dispatcher's
 * notices and never for a VM; the reaper (vms_end.c) buries what has died; the keeper (vms_fault.c)
 * saves the contexts of faulted VMs. Requests run on their callers' threads.
 */
#ifndef PINFOLD_DAEMON_VMS_INTERNAL_H
#define PINFOLD_DAEMON_VMS_INTERNAL_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "daemon/guard/guard.h"
#include "daemon/vms/vms.h"
#include "launch/launch.h"

#define VMS_BUCKETS	4096u /* of each hash; a power of two */
#define VMS_PATH_BYTES	512
#define VMS_LAUNCHES	4 /* at a time: more only push each other out of the cache */
#define VMS_RESULT_TEXT 400
/** How results in the history begin, by which the state is found again. */
#define VMS_RESULT_KILLED "killed: "
#define VMS_RESULT_FAULT  "fault: "
#define VMS_ZOMBIES	  64
#define VMS_TIDS	  64u  /* more threads than a VM process may have */
#define VMS_STAT_BYTES	  1024 /* more than /proc/PID/stat has */
/** Names of what a running VM has in run_dir/vms/ID/. */
#define VMS_SOCKET "socket"
#define VMS_RECORD "record"

/** An image, context or file of translations in memory, shared by the VMs that run it (vms_image.c). */
struct vms_image {
	struct vms_image *next;
	char hash[SPEC_HASH_MAX + 1];
	int fd; /**< sealed */
	uint32_t refs;
	atomic_bool is_summed; /**< a context whose checksum a VM has found right */
	uint64_t idle_since_ns;
};

/** What the guest printed: a ring, made with the first byte. Guarded by vm->out_lock. */
struct vms_console {
	uint8_t *ring;
	uint64_t total;	 /**< bytes printed in this run; the last console_bytes of them are kept */
	uint64_t first;	 /**< bytes before this one never came here */
	bool is_over;	 /**< nothing will come any more */
	char words[256]; /**< the end of what the process wrote to stderr, stripped */
};

/** What is written down so that another daemon finds a running VM (vms_record.c). */
struct vms_record {
	char id[VMS_ID_BYTES];
	pid_t pid;
	uint64_t start_ticks; /**< of the process: field 22 of /proc/PID/stat */
	uint32_t slot, gen;
	uint64_t digest; /**< of what can't change in its definition */
	uint64_t run;	 /**< row of the history */
	uint64_t started_ns;
	uint32_t runs;
	bool is_paused;
	uint32_t fault; /**< enum sched_reason: frozen into the fault queue */
	char cgroup_memory[256], cgroup_pids[256], freeze_dir[256];
};

/** Who works in the background. */
enum vms_queue_kind {
	VMS_REAPER,  /* buries what has died */
	VMS_KEEPER,  /* saves what stands by its own fault */
	VMS_TRAINER, /* makes translations that are kept */
	VMS_QUEUES,
};

/** A VM's place in a queue. */
struct vms_entry {
	struct vms_vm *next;
	bool is_queued;
};

/** One VM. */
struct vms_vm {
	/* fixed */
	char id[VMS_ID_BYTES];
	uid_t owner;
	uint64_t created_ns;

	/* v->lock */
	struct vms_vm *id_next, *name_next, *pid_next; /* hash chains */
	struct vms_vm *prev, *next;		       /* all, oldest first */
	uint32_t refs;
	bool is_removing;
	struct vm_spec spec;
	enum vms_state state;
	pthread_cond_t changed; /* state, or what is shown */
	bool has_process;	/* from before the launch until it is buried */
	bool is_adding;		/* the dispatcher is being told of it */
	bool is_added;		/* the dispatcher knows it, and has started it */
	bool is_frozen;		/* by the scheduler: it can't answer */
	bool is_ending;		/* end_state is decided */
	bool has_event;		/* its socket was readable while somebody talked to it */
	bool is_closed;		/* a run is written down as over */
	bool is_slot_open;	/* the dispatcher made its pages */
	bool was_dead;		/* when the audit looked last */
	bool was_ending;	/* its first thread had ended then */
	bool is_record_stale;	/* it could not be written: the audit tries again */
	bool is_charged;
	bool is_guard_frozen; /* stopped at the guard's terminal */
	bool is_guard_killed; /* by the guard, and that was told */
	int cancel_fd;	      /* readable: stop waiting for its answers; -1 without a process */
	int pidfd;	      /* of has_process, or -1 */
	pid_t pid;
	pid_t net_pid; /* of its network, if we started that; or 0 */
	uint32_t slot, gen;
	enum vms_state end_state;
	char reason[PROTO_TEXT];
	char arch[16], engine[16];
	char message[PROTO_TEXT];
	uint64_t started_ns, ended_ns;
	struct proto_stopped stop;
	bool has_stop;
	enum sched_reason fault;
	uint64_t memory_bytes, peak_bytes;
	uint64_t cpu_ns, wait_ns,
		slices;	      /* of a run that is over, or before the daemon came back */
	uint64_t code_loaded; /* translations that it began with */
	uint32_t runs;
	uint32_t resets; /* of the guest, in this run */
	uint64_t run;	 /* row of the history */
	bool has_fault_context;
	bool has_fault_row; /* the store knows of a fault, maybe of an earlier run */
	struct vms_entry entry[VMS_QUEUES];

	/* talk */
	pthread_mutex_t talk;
	struct launch_vm lv;
	pid_t tid;	      /* of its vCPU thread */
	pid_t tids[VMS_TIDS]; /* all its threads, before it was started */
	uint32_t n_tids;
	uint64_t digest;   /* vms_spec_digest(), or 0: not known yet */
	bool is_reclaimed; /* the guard took its core while no daemon was there */
	struct vms_image *image, *context, *kernel, *initrd, *code;
	char cgroup_dir[256]; /* made for it; or "" */
	int cgroup_fd;	      /* of cgroup_dir; or -1 */
	char freeze_dir
		[256]; /* by which it is frozen: cgroup_dir, or one of launch/ or partition/ */

	/* out_lock */
	pthread_mutex_t out_lock;
	pthread_cond_t out_changed;
	struct vms_console out;
	int console_fd, stderr_fd; /* borrowed from lv; -1 */
};

/** Work for a thread, in the order of coming (vms_queue.c). Guarded by v->lock. */
struct vms_queue {
	struct vms *vms;
	enum vms_queue_kind kind;
	void (*work)(struct vms *v, struct vms_vm *vm);
	struct vms_vm *first, **last;
	struct vms_vm *current; /* being worked on */
	pthread_cond_t wake;
	pthread_t thread;
	bool has_thread;
};

/** Use of a slot. */
struct vms_slot {
	struct vms_vm *vm; /* NULL: free, or is_stuck */
	uint32_t gen;
	bool is_stuck; /* the dispatcher did not let go yet: audit tries again */
};

/** Definitions of one user. */
struct vms_owner {
	struct vms_owner *next;
	uid_t uid;
	uint32_t n_definitions;
	uint64_t diff_bytes; /* what the last audit found wrong with its memory */
};

/** Guests whose translations were made that are remembered. */
#define VMS_TRIES 256

/** Slots below this keep their cgroup v2 folders. */
#define VMS_CGROUPS_KEPT 32

/** Definitions of which it is known that they can start. */
#define VMS_CHECKED 64

/** One of them: what it was found by. */
struct vms_checked {
	char key[SPEC_HASH_MAX + 1]; /**< vms_code_key() */
	uint64_t insns;
	uint32_t n_cpus;
	bool is_kvm_allowed;
};

struct vms {
	struct vms_options o;
	char *run_dir, *state_dir; /* run_dir/vms, state_dir/faults */
	char *disk_dir;		   /* state_dir/disks */
	char *code_dir;		   /* state_dir/translations */
	char *vm_program;
	struct launch_zygote *zygotes[LAUNCH_ZYGOTES]; /* NULL: VMs are made without */
	atomic_bool is_zygote_broken[LAUNCH_ZYGOTES];  /* as the log says */
	char cgroup_base[256]; /* cgroup v2 folder for those of VMs, or "" */
	char cgroup_mount[256];

	pthread_mutex_t lock;
	bool is_cgroup_kept[VMS_CGROUPS_KEPT]; /* the folder of that slot waits for a VM, ... */
	int cgroup_fd[VMS_CGROUPS_KEPT];       /* ... with its descriptor */
	struct vms_vm *by_id[VMS_BUCKETS], *by_name[VMS_BUCKETS], *by_pid[VMS_BUCKETS];
	struct vms_owner *owners[VMS_BUCKETS];
	struct vms_vm *first, *last;
	uint32_t n_vms;
	struct vms_slot *slots;	   /* o.max_vms */
	struct vms_counts *counts; /* of running VMs; NULL: not written down */
	uint32_t next_gen;
	bool is_closing;
	struct vms_queue queue[VMS_QUEUES];

	sem_t launches;
	uint32_t n_meeting; /* threads of vms_restart(), which wait for VMs that are late */
	pthread_cond_t met; /* one has ended */
	int epoll_fd, stop_fd;
	pthread_t watcher;
	bool has_watcher;

	pthread_mutex_t image_lock;
	struct vms_image *images;
	struct vms_checked checked[VMS_CHECKED]; /* the last that could start */
	uint32_t n_checked;

	/* of the trainer */
	char tried[VMS_TRIES][SPEC_HASH_MAX];
	uint32_t n_tried;

	_Atomic uint64_t log_tokens_ns;

	/* of the auditing thread */
	pid_t zombies[VMS_ZOMBIES];
	uint32_t n_zombies;
};

/** What a descriptor in the watcher's set is. */
enum vms_watch {
	VMS_WATCH_STOP,
	VMS_WATCH_NOTICE,
	VMS_WATCH_SOCKET,
	VMS_WATCH_CONSOLE,
	VMS_WATCH_STDERR
};

/* vms.c */

/** Real time. */
uint64_t vms_now_ns(void);

/* vms_table.c */

/** A VM with a reference, or NULL. */
struct vms_vm *vms_ref(struct vms *v, const char *id);
/** As vms_ref(), with the sentence that it is not there. @return 0; -ENOENT */
int vms_ref_or(struct vms *v, const char *id, struct vms_vm **ret, struct errmsg *e);
/** The VM that uses a slot, with a reference, or NULL. */
struct vms_vm *vms_ref_slot(struct vms *v, uint32_t slot, uint32_t gen);
/** Give a reference back. */
void vms_unref(struct vms *v, struct vms_vm *vm);
/** @copydoc vms_unref */
void vms_unref_locked(struct vms *v, struct vms_vm *vm);
/** A new VM that is in no table. @return with one reference; NULL: out of memory */
struct vms_vm *vms_vm_new(const char *id, uid_t owner, const struct vm_spec *spec);
/** Enter into the table. @return 0; -EEXIST the owner has one of that name; -ENOMEM */
int vms_insert_locked(struct vms *v, struct vms_vm *vm);
/** Take out of the table; the reference of the table is given back. */
void vms_delete_locked(struct vms *v, struct vms_vm *vm);
/** @return how many definitions a user has. */
uint32_t vms_owner_count_locked(struct vms *v, uid_t uid);
/** Bring the list of all into order, oldest first. Nobody else may be in. @return 0; -ENOMEM */
int vms_sort(struct vms *v, struct errmsg *e);
/** Tell the hash of processes. @param pid 0: none any more */
void vms_pid_set_locked(struct vms *v, struct vms_vm *vm, pid_t pid);
/** Take a free slot for a VM. @return 0; -ENOSPC */
int vms_slot_take(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** Give the slot back. @param is_stuck the dispatcher still has it */
void vms_slot_give(struct vms *v, struct vms_vm *vm, bool is_stuck);
/** Send one event about a VM to the scheduler. */
int vms_sched(struct vms *v, struct vms_vm *vm, enum sched_event_type type, struct errmsg *e);
/** Change what is shown as its state, and wake who waits for that. */
void vms_state_set_locked(struct vms_vm *vm, enum vms_state state);

/* vms_show.c */

/** All VMs, each with a reference; free() the array. */
struct vms_vm **vms_ref_all(struct vms *v, uint32_t *ret_n);
/** Whether a state is an end. */
bool vms_state_is_end(enum vms_state s);
/** Fill a view. @param d what the dispatcher says, or NULL */
void vms_info_fill_locked(const struct vms *v, const struct vms_vm *vm,
			  const struct dispatch_vm_info *d, struct vms_info *ret);
/** Tell the world. @param message may be NULL */
void vms_publish(struct vms *v, struct vms_vm *vm, const char *type, const char *message);
/** Whether a message that a guest can cause may be logged now. */
bool vms_may_log(struct vms *v);

/* vms_counts.c */

/** Map the counts of running VMs that outlive this daemon. Without them new ones begin at 0. */
void vms_counts_open(struct vms *v);
/** Unmap. */
void vms_counts_close(struct vms *v);
/** Write down what was counted of the run that a VM is in. v->lock is held. */
void vms_counts_put(const struct vms *v, const struct vms_vm *vm, uint64_t wait_ns,
		    uint64_t slices);
/** Take over what an earlier daemon counted of the run that a VM is in. v->lock is held. */
void vms_counts_get(const struct vms *v, struct vms_vm *vm);
/** Write down the counts of all. */
void vms_counts_sync(struct vms *v);

/* vms_define.c */

/** The row of a VM's definition, durable. */
int vms_row_put(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec, enum store_op op,
		struct errmsg *e);
/** Read all definitions and the history of each from the store. */
int vms_load(struct vms *v, struct errmsg *e);
/** Its definition says that it is shared, and no row that it has a core: durable, in one. Holds talk. */
int vms_row_share(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** The row of this run in the history; @p result "" while it runs. Does not wait. */
void vms_run_put(struct vms *v, struct vms_vm *vm, const char *result);
/** Write or remove the row that says that a VM has a core, and tell the guard. Does not wait for the disk. */
void vms_alloc_put(struct vms *v, struct vms_vm *vm, bool is_given);

/* vms_inspect.c */

/** Ask a process that stands still for its registers; talk is held. */
int vms_registers_ask(struct vms_vm *vm, json_t **ret, struct errmsg *e);

/* vms_image.c */

/** What is in memory under that hash, with a user; or NULL. */
struct vms_image *vms_image_take(struct vms *v, const char *hash);
/** Put a sealed file there, with a user. @param fd closed with the last one. @return NULL: out of memory, and it is closed */
struct vms_image *vms_image_add(struct vms *v, const char *hash, int fd);
/** As vms_image_put(), and nobody takes it any more. */
void vms_image_forget(struct vms *v, struct vms_image *im);
/** The sealed image of that hash. @return 0; -ENOENT; negative errno */
int vms_image_get(struct vms *v, const char *hash, struct vms_image **ret, struct errmsg *e);
/** Give it back. NULL is allowed. */
void vms_image_put(struct vms *v, struct vms_image *im);
/** Give back all that a VM ran. */
void vms_images_put(struct vms *v, struct vms_vm *vm);
/** Forget images that nobody used for @p idle_ns. */
void vms_image_trim(struct vms *v, uint64_t idle_ns);

/* vms_define.c */

/** Whether all is there that a definition names. @return 0; -ENOENT; -EINVAL */
int vms_define_check(struct vms *v, uid_t owner, const struct vm_spec *spec, struct errmsg *e);

/* vms_code.c */

/** A digest of all that reaches the guest but disks, network and input, and of its owner. */
void vms_code_key(uid_t owner, const struct vm_spec *spec, char ret[SPEC_HASH_MAX + 1]);
/** Translations for a VM that is about to start, if there are any: vm->code. */
void vms_code_get(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec,
		  struct launch_options *o);
/** It has started: see whether it took them, and have them made if there were none. */
void vms_code_started(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec);
/** The trainer's work. */
void vms_train_one(struct vms *v, struct vms_vm *vm);

/* vms_disk.c */

/** Room that its own disks take at most. */
uint64_t vms_disks_own_bytes(const struct vm_spec *s);
/** Look up the images of a new VM's disks, and note how large they are. @return 0; -ENOENT; -EINVAL */
int vms_disks_settle(struct vms *v, uid_t owner, struct vm_spec *s, struct errmsg *e);
/** Make the disks that are its own, durable; what they held is gone. */
int vms_disks_make(struct vms *v, const char *id, const struct vm_spec *s, struct errmsg *e);
/** Remove them. */
void vms_disks_remove(const struct vms *v, const char *id);
/** All disks for a start. @param ret all -1; those that there are not stay so; all on failure */
int vms_disks_open(struct vms *v, const char *id, const struct vm_spec *s,
		   struct launch_disk ret[PROTO_DISKS_MAX], struct errmsg *e);
/** Close what vms_disks_open() has opened. */
void vms_disks_put(struct launch_disk disks[PROTO_DISKS_MAX]);
/** All disks as they are now; nobody writes them meanwhile. @param ret all -1; those that there are not stay so; all on failure */
int vms_disks_copy(struct vms *v, const char *id, const struct vm_spec *s, int ret[PROTO_DISKS_MAX],
		   struct errmsg *e);
/** Whether a disk of its own takes more than it may. */
bool vms_disks_exceed(const struct vms *v, const char *id, const struct vm_spec *s);
/** Tell images what the disks take of what was promised to them. */
void vms_disks_count(struct vms *v);
/** Make it as large again. Its process is dead. */
void vms_disks_trim(const struct vms *v, const char *id, const struct vm_spec *s);
/** Remove those of VMs that there are not. All definitions are loaded. */
void vms_disks_sweep(struct vms *v);

/* vms_record.c */

/** Path of a VM's folder, or of a file in it (@p file may be NULL). */
void vms_path(const struct vms *v, const char *id, const char *file, char ret[VMS_PATH_BYTES]);
/** Start time of a process. @return 0; -ESRCH */
int vms_start_ticks(pid_t pid, uint64_t *ret);
/** Digest of what can't change in a definition. */
uint64_t vms_spec_digest(const struct vm_spec *spec);
/** The same of spec_to_json(), which loses what may change; NULL is allowed. */
uint64_t vms_json_digest(json_t *o);
/** Write the record of a running VM. Holds talk. */
int vms_record_write(struct vms *v, struct vms_vm *vm, bool is_paused, struct errmsg *e);
/**
 * Read and check the form of a record.
 * @param dir run_dir/vms
 * @return 0; -ENOENT; -EBADMSG and a sentence
 */
int vms_record_read(const char *dir, const char *id, struct vms_record *ret, struct errmsg *e);
/** Make the folder and the listening socket. @return descriptor; negative errno */
int vms_dir_make(const struct vms *v, const char *id, struct errmsg *e);
/** Remove the folder with what is in it. */
void vms_dir_remove(const struct vms *v, const char *id);

/* vms_cgroup.c */

/** Find out whether VMs can have cgroup v2 folders; sets cgroup_base. */
void vms_cgroup_init(struct vms *v);
/** Remove what is kept. */
void vms_cgroup_done(struct vms *v);
/** The folder of a slot. @param ret path, or "" */
void vms_cgroup_path(const struct vms *v, uint32_t slot, char ret[256]);
/** Make it, or take the one that was kept. @param ret path, or "" @return O_PATH descriptor for vms_cgroup_give(), or -1 */
int vms_cgroup_make(struct vms *v, uint32_t slot, char ret[256]);
/** Keep it for the next VM, or remove it. The slot is still the VM's, and its process is dead. @param fd -1 afterwards */
void vms_cgroup_give(struct vms *v, uint32_t slot, const char *path, int *fd);
/** Remove a folder, killing what is in it. */
void vms_cgroup_remove(const char *path);
/**
 * Remove the folders of no VM.
 * @param is_start  of an earlier daemon: those that are empty are not worth a word
 * @return number
 */
uint32_t vms_cgroup_sweep(struct vms *v, bool is_start);
/** Whether a path may be a cgroup of ours. */
bool vms_cgroup_is_sane(const char *path);
/** Let a frozen or stopped process run again. */
void vms_cgroup_thaw(const char *path, int pidfd);

/* vms_guard.c; without the guard they do nothing */

/** Register the process of a VM. @return 0; -EKEYREJECTED the guard has banned its owner, and killed it */
int vms_guard_add(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** Say where it may run now. */
void vms_guard_cores(struct vms *v, struct vms_vm *vm);
/** Say that it is shared, as the guard wanted it; until then no core of its own is taken note of there. */
void vms_guard_shared(struct vms *v, struct vms_vm *vm);
/** Its process is dead. */
void vms_guard_remove(struct vms *v, struct vms_vm *vm);
/** Whether what can't be done while it is frozen may be done. @return 0; -EBUSY */
int vms_guard_refuse(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** Why a process is dead, if the guard killed it. @return a sentence; NULL: it did not */
const char *vms_guard_cause(struct vms *v, struct vms_vm *vm, pid_t pid);
/** What was done to it while no daemon was there. Nobody talks to it yet. */
void vms_guard_recall(struct vms *v, struct vms_vm *vm, pid_t pid);
/** Wait as long as it is frozen. Holds talk. @return 0; -ESRCH; -ECANCELED */
int vms_guard_await_thaw(struct vms *v, struct vms_vm *vm, int pidfd, struct errmsg *e);

/* vms_start.c */

/** Begin to watch the descriptors of a process. Holds talk. */
int vms_watch_add(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** Stop watching. Holds talk. */
void vms_watch_remove(struct vms *v, struct vms_vm *vm);
/** CPU time at which the scheduler ends a VM that does not end itself. */
ns_t vms_backstop_ns(ns_t limit_ns);
/** Tell the partition about the process of a VM, once per daemon. Holds talk. */
int vms_admit(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** Tell the dispatcher about the process of a VM. Holds talk. */
int vms_dispatch_add(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** Ask for the exclusive core that its spec wants. */
int vms_excl_request(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** What launch_vm() gets for a definition, but disks and the network; the VM holds its images. */
int vms_launch_fill(struct vms *v, struct vms_vm *vm, const struct vm_spec *spec,
		    struct launch_options *o, struct errmsg *e);
/** Pool core of a host core. @return 0; -EINVAL */
int vms_pool_core(const struct vms *v, uint16_t host_core, uint16_t *ret, struct errmsg *e);

/* vms_ops.c */

/** Lock a VM for talking to its process. */
void vms_talk_begin(struct vms_vm *vm);
/** Take what its process said meanwhile, unlock. */
void vms_talk_end(struct vms *v, struct vms_vm *vm);
/** Look up, begin to talk. @return 0; -ENOENT */
int vms_talk_open(struct vms *v, const char *id, struct vms_vm **ret, struct errmsg *e);
/** End talking, give the reference back. */
void vms_talk_close(struct vms *v, struct vms_vm *vm);
/** Take what the VM has said, and refuse unless its state is the wanted one; talk is held. */
int vms_need_state(struct vms *v, struct vms_vm *vm, enum vms_state want, const char *what,
		   struct errmsg *e);
/** Off the core first, whatever it does; then at a known place. Talk is held. */
int vms_stand_still(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** The reverse. */
int vms_run_on(struct vms *v, struct vms_vm *vm, struct errmsg *e);
/** A request without a reply; talk is held. */
int vms_ask(struct vms_vm *vm, enum proto_type type, const void *body, size_t bytes, int fd,
	    struct errmsg *e);
/** Stop waiting for answers of a VM from now on. */
void vms_cancel_locked(struct vms_vm *vm);

/* vms_watch.c */

/** Start the watcher. */
int vms_watch_start(struct vms *v, struct errmsg *e);
/** End it. */
void vms_watch_stop(struct vms *v);
/** Take all stop events that wait; talk is held. */
void vms_events_take(struct vms *v, struct vms_vm *vm);
/** A stop that a VM reported; talk is held. */
void vms_on_stop(struct vms *v, struct vms_vm *vm, const struct proto_stopped *stop);

/* vms_console.c */

/** A new run prints from offset 0. */
void vms_console_reset(struct vms_vm *vm);
/** What was printed before byte @p from is lost: says so in the output. */
void vms_console_begin(struct vms *v, struct vms_vm *vm, uint64_t from);
/** Read what there is. @return false: the end, or an error */
bool vms_console_pump(struct vms *v, struct vms_vm *vm);
/** Read what the process writes to stderr. @return as vms_console_pump() */
bool vms_words_pump(struct vms_vm *vm);
/** The descriptors go away; who waits for output learns that it is over. */
void vms_console_close(struct vms *v, struct vms_vm *vm);

/* vms_queue.c */

/** Start the thread that serves a queue. @param work is called with a reference, without locks */
int vms_queue_start(struct vms *v, enum vms_queue_kind kind,
		    void (*work)(struct vms *v, struct vms_vm *vm), const char *name,
		    struct errmsg *e);
/** End it, when what waits is done. */
void vms_queue_stop(struct vms *v, enum vms_queue_kind kind);
/** Let a VM wait in line, unless it does. */
void vms_queue_put_locked(struct vms *v, enum vms_queue_kind kind, struct vms_vm *vm);
/** Whether it waits, or is being worked on. */
bool vms_queue_has_locked(const struct vms *v, enum vms_queue_kind kind, const struct vms_vm *vm);

/* vms_end.c */

/** The reaper's work. */
void vms_reap_one(struct vms *v, struct vms_vm *vm);
/** A process is dead: bury it soon. */
void vms_reap(struct vms *v, struct vms_vm *vm);
/**
 * A VM must end; the first cause counts. Does not wait.
 * @param end     state afterwards
 * @param stop    what the VM reported, or NULL
 * @param message one sentence, or NULL
 * @return the run that ends, for vms_end_wait(); 0: there is none
 */
uint64_t vms_end_begin(struct vms *v, struct vms_vm *vm, enum vms_state end,
		       const struct proto_stopped *stop, const char *message);
/** Wait until that run of a VM has no process; it may be started again by then. @return 0; -ETIMEDOUT */
int vms_end_wait(struct vms *v, struct vms_vm *vm, uint64_t run, uint32_t timeout_ms);
/** Free everything a process had; it is dead. Holds talk. */
void vms_bury(struct vms *v, struct vms_vm *vm);
/** Note whether its user was charged for its memory; the audit adds that up. Holds talk. */
void vms_charged_set(struct vms *v, struct vms_vm *vm, bool is_charged);

/* vms_fault.c */

/** A VM stands by its own fault. @param stop may be NULL; holds talk */
void vms_fault_guest(struct vms *v, struct vms_vm *vm, const struct proto_stopped *stop);
/** The scheduler put it into the fault queue. */
void vms_fault_sched(struct vms *v, struct vms_vm *vm, enum sched_reason reason);
/** The keeper's work. */
void vms_keep_one(struct vms *v, struct vms_vm *vm);
/** Path of a saved context. */
void vms_fault_path(const struct vms *v, const char *id, char ret[VMS_PATH_BYTES]);
/** A new run begins: forget the saved context and what was written down. */
void vms_fault_forget(struct vms *v, struct vms_vm *vm);
/** It has left the fault queue: forget the saved context, and write that down. */
void vms_fault_leave(struct vms *v, struct vms_vm *vm);
/** At most o.max_faults_per_user of a user keep their processes. */
void vms_fault_trim(struct vms *v, uid_t owner);

/* vms_fault_row.c */

/** Write down how a VM faulted. Does not wait. @param registers by name, or NULL */
void vms_fault_put(struct vms *v, struct vms_vm *vm, const json_t *registers);
/** Remove the row. Does not wait. */
void vms_fault_row_forget(struct vms *v, struct vms_vm *vm);
/** A row of the store; @p arg is the struct vms. The runs are known already. */
int vms_fault_load(void *arg, const struct store_row *row);
/** The registers as they were written down. @return 0; -ENOENT */
int vms_fault_registers(struct vms *v, const struct vms_vm *vm, json_t **ret, struct errmsg *e);

/* vms_restart.c */

/** Meet again what still runs, clean up the rest. */
int vms_restart(struct vms *v, struct errmsg *e);

/* vms_audit.c */

/** End a process that nobody knows: by its folder's socket and cgroup. */
void vms_orphan_end(struct vms *v, const char *id);
/** Resident memory of a process, now; 0: its first thread has ended. @return false: it is gone, or can't be read */
bool vms_resident_bytes(pid_t pid, uint64_t *ret);

#endif
