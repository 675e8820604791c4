/* Objects that outlive whoever made them: the host's System V objects, queues and keys. */
#include "probe.h"
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

struct message { long type; char text[1]; };

/* The host's side: one of each that everyone may use, NAME for the queue. Says at the end what
 * became of them. */
static void ipc_make(int argc, char **argv) {
    (void)argc;
    int shm = shmget(IPC_PRIVATE, 4096, 0666), sem = semget(IPC_PRIVATE, 1, 0666);
    int msg = msgget(IPC_PRIVATE, 0666);
    struct mq_attr attributes = {.mq_maxmsg = 4, .mq_msgsize = 1};
    mode_t mask = umask(0);
    mqd_t queue = mq_open(argv[0], O_CREAT | O_RDWR | O_NONBLOCK, 0666, &attributes);
    umask(mask);
    char *memory = shmat(shm, NULL, 0);
    struct message m = {1, "x"};
    if (shm < 0 || sem < 0 || msg < 0 || memory == (void *)-1 || msgsnd(msg, &m, 1, 0))
        error("make");
    if (queue != (mqd_t)-1 && mq_send(queue, "x", 1, 0)) error("mq_send");
    strcpy(memory, "untouched");
    fact("ids", "%d %d %d", shm, sem, msg);
    wait_for_harness("ready");
    struct msqid_ds state = {0};
    struct mq_attr left = {.mq_curmsgs = 1};
    msgctl(msg, IPC_STAT, &state);
    if (queue != (mqd_t)-1) mq_getattr(queue, &left);
    fact("state", "%s %d %lu %ld", memory, semctl(sem, 0, GETVAL), state.msg_qnum, left.mq_curmsgs);
    shmctl(shm, IPC_RMID, NULL), semctl(sem, 0, IPC_RMID), msgctl(msg, IPC_RMID, NULL);
    mq_unlink(argv[0]);
}

/* SHM SEM MSG NAME. */
static void ipc_attack(int argc, char **argv) {
    (void)argc;
    int shm = atoi(argv[0]), sem = atoi(argv[1]), msg = atoi(argv[2]);
    char *memory = shmat(shm, NULL, 0);
    attempt("write to memory", memory == (void *)-1 ? -1 : 0);
    if (memory != (void *)-1) strcpy(memory, "touched");
    attempt("read memory", shmat(shm, NULL, SHM_RDONLY) == (void *)-1 ? -1 : 0);
    struct sembuf one = {0, 1, IPC_NOWAIT};
    attempt("post", semop(sem, &one, 1));
    attempt("set", semctl(sem, 0, SETVAL, 7));
    struct message m = {1, "y"};
    attempt("take a message", msgrcv(msg, &m, 1, 0, IPC_NOWAIT));
    attempt("send a message", msgsnd(msg, &m, 1, IPC_NOWAIT));
    attempt("send another", msgsnd(msg, &m, 1, IPC_NOWAIT));
    mqd_t queue = mq_open(argv[3], O_RDWR | O_NONBLOCK);
    char byte;
    attempt("open the queue", queue);
    attempt("take of the queue", mq_receive(queue, &byte, 1, NULL));
    struct sigevent none = {.sigev_notify = SIGEV_NONE};
    attempt("be told of the queue", mq_notify(queue, &none));
    attempt("remove the queue", mq_unlink(argv[3]));
    attempt("remove memory", shmctl(shm, IPC_RMID, NULL));
    attempt("remove semaphores", semctl(sem, 0, IPC_RMID));
    attempt("remove messages", msgctl(msg, IPC_RMID, NULL));
}

#define USER_KEYRING -4

/* Keyrings are the user's: what is in them is used by other processes, and stays. NAME is the key's,
 * which is there outside. */
static void keyrings(int argc, char **argv) {
    (void)argc;
    long made = syscall(SYS_add_key, "user", argv[0], "x", 1, USER_KEYRING);
    attempt("add a key", made);
    /* Without a word for /sbin/request-key, which the kernel would start as root. */
    long found = syscall(SYS_request_key, "user", argv[0], NULL, 0);
    if (found < 0 && errno == ENOKEY) found = syscall(SYS_keyctl, 10 /* SEARCH */, USER_KEYRING,
                                                      "user", argv[0], 0);
    attempt("find a key", found);
    char byte;
    attempt("read a key", syscall(SYS_keyctl, 11 /* READ */, made, &byte, 1));
    attempt("change a key", syscall(SYS_keyctl, 2 /* UPDATE */, made, "y", 1));
    attempt("take a key away", syscall(SYS_keyctl, 9 /* UNLINK */, made, USER_KEYRING));
    attempt("join a session", syscall(SYS_keyctl, 1 /* JOIN_SESSION_KEYRING */, NULL));
}

const struct probe_case ipc_cases[] = {
    {"ipc-make", ipc_make}, {"ipc-attack", ipc_attack}, {"keyrings", keyrings}, {0},
};
