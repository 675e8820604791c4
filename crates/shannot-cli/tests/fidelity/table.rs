//! The table: everyday diagnostics, area by area.

use shannot::policy::profile::Tier;

use crate::row::{Row, counts, numbers, same, steady};

const ROOT: &[Tier] = &[Tier::T1];
const USER_NS: &[Tier] = &[Tier::T2];
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
        numbers("cat /sys/block/vda/stat"),
        same("swapon --show"),
        same("cat /proc/swaps"),
        same("losetup -a"),
        same("blkid"),
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
        numbers("free"),
        numbers("free -h -w"),
        numbers("vmstat"),
        numbers("vmstat -s"),
        numbers("vmstat -d"),
        numbers("cat /proc/meminfo"),
        numbers("cat /proc/vmstat"),
        numbers("cat /proc/buddyinfo"),
        numbers("cat /proc/zoneinfo"),
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
        same("ipcs"),
        same("ipcs -l"),
        same("lsipc"),
        numbers("numastat"),
        numbers("numactl -H"),
    ]
}

fn processes() -> Vec<Row> {
    vec![
        steady("ps aux"),
        steady("ps -ef"),
        steady("ps -eLf"),
        steady("ps axjf"),
        steady("ps -eo pid,ppid,user,group,stat,lstart,comm"),
        steady("ps -eo pid,user,ni,pri,rss,vsz,nlwp,args --sort=-rss"),
        steady("ps -eo pid,cgroup,args"),
        steady("ps -eo pid,wchan:20,comm"),
        same("ps -o pid,user,args -p 1"),
        steady("ps -o pid,user,comm --ppid 2"),
        steady("top -b -n 1"),
        steady("pstree -p"),
        same("pgrep -l kthreadd"),
        same("pgrep -u root -x kswapd0"),
        same("pidof kthreadd"),
        steady("pidstat"),
        same("cat /proc/1/cmdline"),
        same("cat /proc/1/comm"),
        same("cat /proc/1/cgroup"),
        same("cat /proc/1/limits"),
        numbers("cat /proc/1/status"),
        numbers("cat /proc/1/stat"),
        same("cat /proc/1/oom_score_adj"),
        numbers("cat /proc/2/sched"),
        same("taskset -cp 1"),
        same("chrt -p 1"),
        same("ionice -p 1"),
        same("ls -l /proc/1/fd").differs(ROOT, "sockets-of-processes"),
        same("readlink /proc/1/exe").may_differ(ROOT, "sockets-of-processes"),
        same("lsof -p 1").differs(ROOT, "sockets-of-processes"),
        steady("lsof -n").differs(ROOT, "sockets-of-processes"),
        same("lsns -o NS,TYPE").differs(ROOT, "sockets-of-processes"),
        steady("lslocks").may_differ(ROOT, "sockets-of-processes"),
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
        same("ls -la /var/log"),
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
        same("apt list --installed"),
        same("apt-cache policy"),
        same("apt-cache policy bash"),
        same("apt-cache stats"),
        same("apt-mark showhold"),
        same("apt-mark showmanual"),
        same("apt-config dump"),
        same("rpm -qa"),
        same("update-alternatives --display awk"),
        same("ldconfig -p"),
        same("pip3 list"),
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
        same("dmidecode"),
        same("dmidecode -t memory"),
        numbers("cat /proc/cpuinfo"),
        numbers("cat /proc/interrupts"),
        numbers("cat /proc/softirqs"),
        numbers("lsirq"),
        same("cat /proc/version"),
        same("cat /proc/cmdline"),
        same("cat /proc/modules"),
        same("cat /proc/devices"),
        same("cat /proc/crypto"),
        same("cat /proc/iomem").differs(ROOT, "kernel-pointers"),
        same("cat /proc/consoles"),
        same("cat /sys/devices/system/cpu/online"),
        same("grep -r . /sys/devices/system/cpu/vulnerabilities"),
        same("ls -l /sys/class/net /sys/block"),
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
        same("ip route get 127.0.0.1"),
        same("ip rule"),
        same("ip neigh"),
        same("ip maddr"),
        same("ip tunnel show"),
        steady("ss -tuan"),
        same("ss -tln"),
        steady("ss -tulpan"),
        steady("ss -tie"),
        counts("ss -s"),
        steady("ss -xl"),
        steady("ss -xlp"),
        numbers("cat /proc/net/dev"),
        same("cat /proc/net/route"),
        steady("cat /proc/net/tcp"),
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
        same("ls -la /usr/bin"),
        same("ls -la /dev"),
        same("ls -la /home").differs(MOUNTED, "hidden"),
        same("ls -la /run"),
        same("stat /etc/passwd"),
        same("stat -c '%U %G %a %s %y' /etc/passwd /usr/bin/env /var/log"),
        same("file /bin/ls /etc/passwd /dev/null /usr/bin"),
        same("find / -xdev -maxdepth 2").differs(ROOT, "root-files"),
        same("find /etc -maxdepth 1 -user root"),
        same("find /etc -type f -name '*.conf'").differs(ROOT, "root-files"),
        same("find /usr/bin -perm -4000 -ls"),
        same("find /var/log -size +1M").differs(ROOT, "root-files"),
        same("find /etc -newer /etc/hostname -type f").differs(ROOT, "root-files"),
        same("tree -L 2 /etc"),
        same("tree -pug -L 1 /var"),
        same("namei -l /etc/localtime"),
        same("readlink -f /etc/localtime"),
        same("realpath /bin/sh /lib"),
        same("getfacl -p /etc/passwd"),
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
        numbers("getconf -a"),
        same("getconf PAGE_SIZE"),
        same("sysctl kernel.osrelease vm.swappiness"),
        same("sysctl -a --pattern '^net[.]ipv4'").differs(ROOT, "root-files"),
        same("sysctl -aN"),
        same("sysctl vm.overcommit_memory net.ipv4.ip_forward no.such.key").and_stderr(),
        same("date +%Z"),
        same("date -d @0"),
        same("cat /etc/crontab"),
        same("ls -l /etc/cron.d /etc/cron.daily"),
        same("cat /proc/sys/fs/file-max"),
        counts("cat /proc/sys/fs/file-nr"),
        same("ls /etc/systemd/system"),
    ]
}
