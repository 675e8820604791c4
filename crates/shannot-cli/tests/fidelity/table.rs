//! The table: everyday diagnostics, area by area.

use shannot::policy::profile::Tier;

use crate::row::{Row, counts, numbers, same, steady};

const ALL: &[Tier] = &crate::row::TIERS;
const ROOT: &[Tier] = &[Tier::T1];
const USER_NS: &[Tier] = &[Tier::T2];
const USERS: &[Tier] = &[Tier::L, Tier::T2];
const LANDLOCKED: &[Tier] = &[Tier::L];
const MOUNTED: &[Tier] = &[Tier::T1, Tier::T2];

/// Every row, by area.
pub(crate) fn areas() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("Disks and file systems", disks()),
        ("Mounts", mounts()),
        ("Memory and load", memory()),
        ("Processes", processes()),
        ("Logs and text", logs()),
        ("Packages", packages()),
        ("Users and logins", users()),
        ("Hardware and kernel", hardware()),
        ("Sockets, routes and links", network()),
        ("Files and directories", files()),
        ("Checksums and programs", checksums()),
        ("Settings", settings()),
    ]
}

fn disks() -> Vec<Row> {
    vec![
        same("lsblk"),
        same("lsblk -f"),
        same("lsblk -o NAME,SIZE,TYPE,RO,ROTA,MOUNTPOINT,MODEL"),
        same("lsblk -J"),
        numbers("df -hT"),
        numbers("df -k"),
        numbers("df -i"),
        numbers("df -h /"),
        same("df --output=source,fstype,target"),
        numbers("stat -f /"),
        same("cat /proc/partitions"),
        numbers("cat /proc/diskstats"),
        numbers("cat /sys/class/net/lo/statistics/rx_bytes"),
        same("swapon --show"),
        same("cat /proc/swaps"),
        same("losetup -a").may_differ(ROOT, "devices"),
        same("blkid").may_differ(ROOT, "devices"),
        numbers("iostat"),
        numbers("iostat -x -d"),
        same("du -sx /usr/share/doc"),
        same("du -xh --max-depth=1 /usr/lib"),
        same("cat /proc/mdstat"),
    ]
}

fn mounts() -> Vec<Row> {
    vec![
        same("findmnt"),
        same("findmnt -l -o TARGET,SOURCE,FSTYPE,OPTIONS"),
        same("findmnt -T /etc"),
        same("findmnt -J /"),
        same("mount"),
        same("mount -t proc"),
        same("cat /proc/mounts"),
        same("cat /proc/self/mountinfo"),
        same("cat /proc/1/mountinfo"),
        same("mountpoint /proc"),
        same("cat /etc/fstab"),
        same("cat /proc/filesystems"),
    ]
}

fn memory() -> Vec<Row> {
    vec![
        counts("free"),
        counts("free -h -w"),
        counts("vmstat"),
        counts("vmstat -s"),
        numbers("vmstat -d"),
        counts("cat /proc/meminfo"),
        numbers("cat /proc/vmstat"),
        counts("cat /proc/buddyinfo"),
        counts("cat /proc/zoneinfo"),
        numbers("cat /proc/pressure/memory"),
        numbers("cat /proc/pressure/io"),
        numbers("uptime"),
        same("uptime -s"),
        counts("cat /proc/loadavg"),
        numbers("cat /proc/uptime"),
        numbers("cat /proc/stat"),
        numbers("mpstat"),
        numbers("mpstat -P ALL 1 1"),
        numbers("slabtop -o").differs(ROOT, "root-files"),
        same("ipcs").may_differ(USER_NS, "nobody"),
        same("ipcs -l"),
        same("lsipc"),
        counts("numastat"),
        counts("numactl -H"),
    ]
}

fn processes() -> Vec<Row> {
    vec![
        steady("ps aux").differs(USER_NS, "nobody"),
        steady("ps -ef").differs(USER_NS, "nobody"),
        steady("ps -eLf").differs(USER_NS, "nobody"),
        steady("ps axjf").differs(USER_NS, "nobody"),
        steady("ps -eo pid,ppid,user,group,stat,lstart,comm").differs(USER_NS, "nobody"),
        steady("ps -eo pid,user,ni,pri,rss,vsz,nlwp,args --sort=-rss").differs(USER_NS, "nobody"),
        steady("ps -eo pid,cgroup,args"),
        steady("ps -eo pid,wchan:20,comm")
            .differs(ROOT, "sockets-of-processes")
            .may_differ(USERS, "sockets-of-processes"),
        same("ps -o pid,user,args -p 1").differs(USER_NS, "nobody"),
        steady("ps -o pid,user,comm --ppid 2").differs(USER_NS, "nobody"),
        numbers("top -b -n 1 -p 1").differs(USER_NS, "nobody"),
        steady("pstree -p 2"),
        same("pgrep -l kthreadd"),
        same("pgrep -u root -x kswapd0").differs(USER_NS, "nobody"),
        same("pidof kthreadd"),
        steady("pidstat").differs(USER_NS, "nobody"),
        same("cat /proc/1/cmdline"),
        same("cat /proc/1/comm"),
        same("cat /proc/1/cgroup"),
        same("cat /proc/1/limits"),
        numbers("cat /proc/1/status").differs(USER_NS, "nobody"),
        numbers("cat /proc/1/stat"),
        same("cat /proc/1/oom_score_adj"),
        // Without the time that it takes to read the clock twice.
        numbers("grep -v clock-delta /proc/2/sched"),
        same("taskset -cp 1").may_differ(MOUNTED, "process-numbers"),
        same("chrt -p 1").may_differ(MOUNTED, "process-numbers"),
        same("ionice -p 1").may_differ(MOUNTED, "process-numbers"),
        same("ls -l /proc/1/fd").differs(ROOT, "sockets-of-processes"),
        same("readlink /proc/1/exe").may_differ(ROOT, "sockets-of-processes"),
        same("lsof -p 1").differs(ROOT, "sockets-of-processes").differs(USER_NS, "nobody"),
        steady("lsof -n")
            .may_differ(MOUNTED, "sockets-of-processes")
            .may_differ(LANDLOCKED, "sockets-of-processes"),
        same("lsns -o NS,TYPE")
            .differs(MOUNTED, "sockets-of-processes")
            .may_differ(LANDLOCKED, "sockets-of-processes"),
        steady("lslocks").may_differ(ALL, "sockets-of-processes"),
        same("cat /proc/locks"),
    ]
}

fn logs() -> Vec<Row> {
    vec![
        same("tail -n 20 LOGS/app.log"),
        same("head -c 300 LOGS/app.log"),
        same("grep -n error LOGS/app.log"),
        same("grep -rc 'request 7' LOGS --include=*.log"),
        same("zcat LOGS/app.log.1.gz"),
        same("zgrep -c error LOGS/app.log.1.gz"),
        same("gzip -l LOGS/app.log.1.gz"),
        same("wc -l LOGS/app.log"),
        same("awk '/error/ {n[$1]++} END {for (d in n) print d, n[d]}' LOGS/app.log"),
        same("sed -n '10,20p' LOGS/app.log"),
        same("cut -d' ' -f5 LOGS/app.log"),
        same("sort -k 5 -n LOGS/app.log"),
        same("uniq -c -f 3 LOGS/app.log"),
        same("ls -la /var/log").differs(USER_NS, "nobody"),
        same("tail -n 50 /var/log/dpkg.log"),
        same("grep -c ' installed ' /var/log/dpkg.log"),
        same("dmesg").may_differ(ROOT, "kernel-log"),
        same("journalctl -n 20 --no-pager"),
        same("journalctl --disk-usage"),
        same("journalctl --list-boots"),
    ]
}

fn packages() -> Vec<Row> {
    vec![
        same("dpkg -l"),
        same("dpkg -l bash"),
        same("dpkg -s bash"),
        same("dpkg -L bash"),
        same("dpkg -S /bin/bash"),
        same("dpkg --get-selections"),
        same("dpkg --audit"),
        same("dpkg --verify bash"),
        same("dpkg --print-architecture"),
        same("dpkg-query -W"),
        same("dpkg-query -W -f '${Package} ${Version} ${Installed-Size}\\n' bash"),
        same("apt list --installed").may_differ(ALL, "temporary-files"),
        same("apt-cache policy").may_differ(ALL, "temporary-files"),
        same("apt-cache policy bash").may_differ(ALL, "temporary-files"),
        same("apt-cache stats").may_differ(ALL, "temporary-files"),
        same("apt-mark showhold").may_differ(ALL, "temporary-files"),
        same("apt-mark showmanual").may_differ(ALL, "temporary-files"),
        same("apt-config dump"),
        same("update-alternatives --display awk"),
        same("ldconfig -p"),
    ]
}

fn users() -> Vec<Row> {
    vec![
        same("id").differs(ROOT, "identity"),
        same("whoami").differs(ROOT, "identity"),
        same("groups").differs(ROOT, "identity"),
        same("id root"),
        same("id daemon"),
        same("groups daemon"),
        same("getent passwd"),
        same("getent group"),
        same("getent passwd root"),
        same("getent hosts localhost"),
        same("getent services ssh"),
        same("who"),
        numbers("who -a"),
        numbers("w"),
        same("users"),
        same("last"),
        same("lslogins -o USER,UID,GROUP,HOMEDIR,SHELL,LAST-LOGIN"),
        same("cat /etc/passwd"),
        same("cat /etc/group"),
        same("cut -d: -f1,3,7 /etc/passwd"),
        same("cat /etc/shadow").differs(ROOT, "hidden"),
    ]
}

fn hardware() -> Vec<Row> {
    vec![
        same("uname -a"),
        same("uname -srm"),
        same("arch"),
        same("nproc"),
        same("nproc --all"),
        same("lscpu"),
        same("lscpu -e"),
        same("lscpu -J"),
        same("lsmem"),
        same("lspci"),
        same("lspci -nn -v").differs(ROOT, "root-files"),
        same("lsusb -t"),
        same("lsmod"),
        same("modinfo -F description loop"),
        same("dmidecode").may_differ(ROOT, "root-files"),
        same("dmidecode -t memory").may_differ(ROOT, "root-files"),
        numbers("cat /proc/cpuinfo"),
        numbers("cat /proc/interrupts"),
        numbers("cat /proc/softirqs"),
        numbers("lsirq"),
        same("cat /proc/version"),
        same("cat /proc/cmdline"),
        same("cat /proc/modules").may_differ(ROOT, "kernel-pointers"),
        same("cat /proc/devices"),
        same("cat /proc/crypto"),
        same("cat /proc/iomem").differs(ROOT, "kernel-pointers"),
        same("cat /proc/consoles"),
        same("cat /sys/devices/system/cpu/online"),
        same("grep -r . /sys/devices/system/cpu/vulnerabilities"),
        same("ls -l /sys/class/net /sys/block").differs(USER_NS, "nobody"),
    ]
}

fn network() -> Vec<Row> {
    vec![
        same("ip addr"),
        same("ip -br addr"),
        same("ip -j addr"),
        numbers("ip -s link"),
        same("ip -d link"),
        same("ip route"),
        same("ip route show table all"),
        same("ip -6 route"),
        same("ip route get 127.0.0.1").differs(ROOT, "identity"),
        same("ip rule"),
        same("ip neigh"),
        same("ip maddr"),
        same("ip tunnel show"),
        steady("ss -tuan"),
        same("ss -tln"),
        steady("ss -tulpan").may_differ(ALL, "sockets-of-processes"),
        same("ss -tlni"),
        same("ss -tlne").may_differ(ALL, "socket-cgroups"),
        counts("ss -s"),
        steady("ss -xl"),
        steady("ss -xlp").may_differ(ALL, "sockets-of-processes"),
        numbers("cat /proc/net/dev"),
        same("cat /proc/net/route"),
        steady("cat /proc/net/udp").may_differ(USER_NS, "nobody"),
        numbers("cat /proc/net/snmp"),
        numbers("cat /proc/net/netstat"),
        counts("cat /proc/net/sockstat"),
        same("cat /proc/net/arp"),
        same("cat /etc/resolv.conf"),
        same("cat /etc/hosts"),
        same("cat /sys/class/net/lo/mtu"),
    ]
}

fn files() -> Vec<Row> {
    vec![
        same("ls -1a /"),
        same("ls -la /etc").differs(MOUNTED, "hidden"),
        same("ls -laR /etc").differs(MOUNTED, "hidden"),
        same("ls -la /usr/bin").differs(USER_NS, "nobody"),
        same("ls -la /dev").differs(USER_NS, "nobody"),
        same("ls -la /home").differs(MOUNTED, "hidden"),
        same("ls -la /run").differs(USER_NS, "nobody"),
        same("stat /etc/passwd").differs(USER_NS, "nobody"),
        same("stat -c '%U %G %a %s %y' /etc/passwd /usr/bin/env /var/log")
            .differs(USER_NS, "nobody"),
        same("file /bin/ls /etc/passwd /dev/null /usr/bin"),
        same("find / -xdev -maxdepth 2").differs(ROOT, "root-files"),
        same("find /etc -maxdepth 1 -user root").differs(USER_NS, "nobody"),
        same("find /etc -type f -name '*.conf'").differs(ROOT, "root-files"),
        same("find /usr/bin -perm -4000 -ls").differs(USER_NS, "nobody"),
        same("find /var/log -size +1M").differs(ROOT, "root-files"),
        same("find /etc -newer /etc/hostname -type f").differs(MOUNTED, "hidden"),
        same("tree -L 2 /etc"),
        same("tree -pug -L 1 /var").differs(USER_NS, "nobody"),
        same("namei -l /etc/localtime").differs(USER_NS, "nobody"),
        same("readlink -f /etc/localtime"),
        same("realpath /bin/sh /lib"),
        same("getfacl -p /etc/passwd").differs(USER_NS, "nobody"),
        same("lsattr -d /etc /usr"),
        same("lsattr /etc").differs(ROOT, "hidden"),
        same("getcap -r /usr/bin"),
        same("test -d /etc/ssh"),
        same("which ls python3 no-such-program"),
        same("diff /etc/passwd /etc/group"),
        same("cat /etc/os-release"),
        same("cat /no/such/file"),
    ]
}

fn checksums() -> Vec<Row> {
    vec![
        same("sha256sum /etc/passwd /bin/ls"),
        same("md5sum /bin/ls"),
        same("cksum /bin/ls"),
        same("b2sum /bin/ls"),
        same("od -A x -t x1z -N 64 /bin/ls"),
        same("xxd -l 64 /bin/ls"),
        same("strings -n 8 /bin/true"),
        same("readelf -h -d /bin/ls"),
        numbers("ldd /bin/ls"),
        same("openssl x509 -in /etc/ssl/certs/ca-certificates.crt -noout -subject -dates"),
        same("openssl version -a"),
    ]
}

fn settings() -> Vec<Row> {
    vec![
        same("hostname"),
        same("hostname -I"),
        same("locale"),
        same("locale -a"),
        counts("getconf -a"),
        same("getconf OPEN_MAX").differs(ALL, "cpu-and-limits"),
        same("getconf PAGE_SIZE"),
        same("sysctl kernel.osrelease vm.swappiness"),
        same("sysctl -a --pattern '^net[.]ipv4'")
            .differs(ROOT, "root-files")
            .differs(USER_NS, "nobody"),
        same("sysctl -aN"),
        same("sysctl vm.overcommit_memory net.ipv4.ip_forward no.such.key").and_stderr(),
        same("date +%Z"),
        same("date -d @0"),
        same("cat /etc/crontab"),
        same("ls -l /etc/cron.d /etc/cron.daily").differs(USER_NS, "nobody"),
        same("cat /proc/sys/fs/file-max"),
        counts("cat /proc/sys/fs/file-nr"),
        same("ls /etc/systemd/system"),
    ]
}
