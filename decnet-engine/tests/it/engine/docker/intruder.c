// What an intruder in a container does, without a shell: `intruder ATTEMPT [ARGUMENT …]`. An attempt prints the number of its error,
// or 0 if it succeeded. `serve PORT` is a service: it answers each visitor, and logs what the visitor said.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failure(long result) { return result < 0 ? errno : 0; }

static struct sockaddr_in address(const char *host, const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, host, &to.sin_addr);
    return to;
}

static int tcp(const char *host, const char *port) {
    struct sockaddr_in to = address(host, port);
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (connect(peer, (struct sockaddr *)&to, sizeof to) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    struct pollfd ready = {.fd = peer, .events = POLLOUT};
    if (poll(&ready, 1, 2000) == 0) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(peer, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
}

static int udp(const char *host, const char *port) {
    struct sockaddr_in to = address(host, port);
    int peer = socket(AF_INET, SOCK_DGRAM, 0);
    return failure(sendto(peer, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
}

// Sends a netlink request and returns the error of its answer.
static int netlink(int family, int type, const void *body, int size) {
    struct {
        struct nlmsghdr head;
        char body[64];
    } asked = {.head = {.nlmsg_len = NLMSG_LENGTH(size), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE}};
    memcpy(asked.body, body, size);
    int peer = socket(AF_NETLINK, SOCK_RAW, family);
    if (peer < 0 || send(peer, &asked, asked.head.nlmsg_len, 0) < 0) return errno;
    char answer[4096];
    if (recv(peer, answer, sizeof answer, 0) < 0) return errno;
    struct nlmsghdr *head = (struct nlmsghdr *)answer;
    return head->nlmsg_type == NLMSG_ERROR ? -((struct nlmsgerr *)NLMSG_DATA(head))->error : 0;
}

static int fill(const char *path) {
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    if (file < 0) return errno;
    long written = 0, result;
    while ((result = write(file, block, sizeof block)) > 0) written += result;
    int error = errno;
    printf("%ld ", written >> 20);
    return error;
}

// Starts processes until that fails, and tries again for some seconds.
static int processes(int seconds) {
    time_t end = time(NULL) + seconds;
    int error = 0, count = 0;
    setpgid(0, 0);
    do {
        int child = fork();
        if (child == 0) {
            pause();
            _exit(0);
        }
        if (child < 0) error = errno;
        else count++;
    } while (seconds ? time(NULL) < end : !error);
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(NULL) > 0) {}
    printf("%d ", count);
    return error;
}

static int memory(void) {
    for (;;) {
        char *some = malloc(1 << 20);
        if (!some) return errno;
        memset(some, 'x', 1 << 20);
    }
}

static int serve(const char *port) {
    struct sockaddr_in own = address("0.0.0.0", port);
    int yes = 1, door = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(door, (struct sockaddr *)&own, sizeof own) < 0 || listen(door, 64) < 0) return errno;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, exit);
    for (;;) {
        int visitor = accept(door, NULL, NULL);
        if (visitor < 0) continue;
        struct timeval limit = {.tv_sec = 2};
        setsockopt(visitor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        write(visitor, "hello\n", 6);
        char said[4096];
        long size = read(visitor, said, sizeof said);
        if (size > 0) write(1, said, size);
        if (size > 0) write(2, "a visitor spoke\n", 16);
        close(visitor);
    }
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "";
    const char *first = count > 2 ? words[2] : "", *second = count > 3 ? words[3] : "";
    int error = -1;
    struct rtmsg route = {.rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC,
                          .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_BLACKHOLE};
    struct ifaddrmsg own = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 1};
    // struct nfgenmsg for IPv4, and NFT_MSG_DELTABLE of the nftables subsystem.
    unsigned char table[4] = {AF_INET, 0, 0, 0};
    if (!strcmp(what, "tcp")) error = tcp(first, second);
    if (!strcmp(what, "udp")) error = udp(first, second);
    if (!strcmp(what, "raw")) error = failure(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
    if (!strcmp(what, "packet")) error = failure(socket(AF_PACKET, SOCK_RAW, 0));
    if (!strcmp(what, "route")) error = netlink(NETLINK_ROUTE, RTM_NEWROUTE, &route, sizeof route);
    if (!strcmp(what, "address")) error = netlink(NETLINK_ROUTE, RTM_NEWADDR, &own, sizeof own);
    if (!strcmp(what, "filter")) error = netlink(NETLINK_NETFILTER, (10 << 8) | 2, table, sizeof table);
    if (!strcmp(what, "mount")) error = failure(mount("none", "/tmp", "tmpfs", 0, NULL));
    if (!strcmp(what, "unshare")) error = failure(unshare(CLONE_NEWUSER));
    if (!strcmp(what, "setns")) error = failure(setns(open("/proc/1/ns/net", O_RDONLY), CLONE_NEWNET));
    if (!strcmp(what, "chroot")) error = failure(chroot("/tmp"));
    if (!strcmp(what, "mknod")) error = failure(mknod("/tmp/device", S_IFBLK | 0600, makedev(7, 0)));
    if (!strcmp(what, "root")) error = failure(setuid(0));
    if (!strcmp(what, "write")) error = failure(open(first, O_WRONLY | O_CREAT, 0600));
    if (!strcmp(what, "fill")) error = fill(first);
    if (!strcmp(what, "remove")) error = failure(unlink(first));
    if (!strcmp(what, "processes")) error = processes(atoi(first));
    if (!strcmp(what, "end")) error = failure(kill(1, SIGTERM));
    if (!strcmp(what, "memory")) error = memory();
    if (!strcmp(what, "serve")) error = serve(first);
    // For the test itself, as root of the host: makes `/tmp` of a container executable, so that this program can be put there.
    if (!strcmp(what, "open-tmp")) {
        error = failure(setns(open(first, O_RDONLY), CLONE_NEWNS));
        if (!error) error = failure(mount(NULL, "/tmp", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV, NULL));
    }
    printf("%d\n", error);
    return 0;
}
