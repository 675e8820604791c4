# Looks at a host for a box that is described elsewhere, and changes nothing. For the `sh` of dash, bash
# and busybox. It says fields that end with NUL; the first of each record names its kind.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
unset IFS
nl='
'
say() { printf '%s\0' "$@"; }

# Mount points that must not be looked at: that would mount something, or wait for another host.
distants=
mounts() {
  while read -r id parent device root point options rest; do
    type=${rest#*- }
    if [ "$point" != / ] && is_distant "${type%% *}"; then
      while :; do
        case $point in
        *'\040'*) point="${point%%'\040'*} ${point#*'\040'}" ;;
        *) break ;;
        esac
      done
      case $point in
      *'\'*) say refused "the name of a network mount or automount has a tab, line end or backslash" ;;
      esac
      distants=$distants$point$nl
    fi
  done < /proc/self/mountinfo
}

# Whether a path is one of them, or below one.
far() {
  [ -n "$distants" ] || return 1
  set -f
  IFS=$nl
  for mount in $distants; do
    case $1 in "$mount" | "$mount"/*) set +f; unset IFS; return 0 ;; esac
  done
  set +f
  unset IFS
  return 1
}

# Says where a path leads, if it leads to a directory or a file that this user can walk to.
look() {
  far "$2" && return
  if [ -d "$2" ]; then kind=dir; elif [ -f "$2" ]; then kind=file; else return 0; fi
  real=$2 part=$2
  while [ -n "$part" ]; do
    if [ -h "$part" ]; then
      # The full stop keeps the line ends that a name may have.
      real=$(readlink -f "$2" && echo .) || real=
      real=${real%??}
      break
    fi
    part=${part%/*}
  done
  # It is there, and must not be shown for want of a process.
  if [ -n "$real" ]; then say "$1" "$kind" "$2" "$real"; else say refused "where a link leads"; fi
}

own_home() {
  home=
  while IFS=: read -r name password id group about dir shell || [ -n "$name" ]; do
    if [ "$id" = "$user" ]; then home=$dir; break; fi
  done < /etc/passwd
  home=${home:-$HOME}
  while case $home in ?*/) ;; *) false ;; esac; do home=${home%/}; done
  case $home in / | [!/]*) home= ;; esac
  [ -z "$home" ] || say own "$home"
}

homes() {
  look home /root
  far /home || for dir in /home/* /home/.[!.]* /home/..?*; do
    far "$dir" || [ ! -d "$dir" ] || look home "$dir"
  done
  while IFS=: read -r name password id group about dir shell || [ -n "$name" ]; do
    while case $dir in ?*/) ;; *) false ;; esac; do dir=${dir%/}; done
    case $dir in /?*/?*) ;; *) continue ;; esac
    if [ "$id" -ge 1000 ] && [ "$id" -lt 65534 ]; then look home "$dir"; fi
  done < /etc/passwd 2> /dev/null
}

program() {
  closed=
  for path in "$@"; do
    ! far "$path" || continue
    if [ -f "$path" ] && [ -x "$path" ]; then
      look program "$path"
      return
    fi
    [ ! -e "$path" ] || closed=$path
  done
  if [ -n "$closed" ]; then say program closed "$closed" "$closed"; else say program none "$1" "$1"; fi
}

enter() {
  if ! far "$1" && [ -d "$1" ] && [ -x "$1" ]; then look cwd "$1"; else say cwd closed "$1" "$1"; fi
}

facts() {
  user=$(id -u)
  say machine "$(uname -m)"
  say user "$user"
  say bwrap "$(/usr/bin/bwrap --version 2> /dev/null)" "$(ls -ldn / /usr /usr/bin /usr/bin/bwrap 2> /dev/null)"
  say mounts "$(cat /proc/self/mountinfo)"
  mounts
  own_home
}
