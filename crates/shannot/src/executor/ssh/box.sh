# Runs a box on a host that has nothing of ours; begun by what sets `mark` and `wall`, and makes `filter`
# and `box`. The caller's side sends the command's standard input as frames, each a line with its length
# before it, the next when it hears that the last is there, and 0 at its end. When that side goes, so does
# the box.
#
# What happens is told to `watch` by lines on descriptor 7. bwrap writes there too, and each line of its in
# several pieces, so that every line of ours begins with a line end. Descriptors: 4 what is sent, 8 and 9
# the command's output.
exec 4<&0 8>&1 9>&2 < /dev/null 2> /dev/null

self() {
  read -r stat < /proc/self/stat
  pid=${stat%% *}
}

tell() { printf '\n%s\n' "$1" >&7; }

# The command's standard input. It outlives that, to notice that nobody is there any more: so it must never
# wait for the command. A frame fits into a pipe, from which another process takes it.
feed() {
  self
  tell "feed $pid"
  while read -r size; do
    case $size in
    0) exec >&- ;;
    '' | *[!0-9]*) break ;;
    *)
      dd bs="$size" count=1 iflag=fullblock | {
        exec 3<&0
        {
          cat <&3
          printf '%s fed\n' "$mark" >&9
        } &
      }
      ;;
    esac
  done
  tell left
}

boxed() {
  (box 2>&9 4<&- 9>&-)
  tell "end $?"
}

# Should the caller's side never say that it is over.
time_out() {
  sleep "$wall" > /dev/null &
  tell "sleep $!"
  wait
  tell late
}

# Ends the one with the other, and says how the box has ended. The box is ended by its first process, which
# bwrap tells before it lets it go on: until then bwrap is not tied to it, and would leave it behind.
watch() {
  feeder='' sleeper='' first='' gone='' end='' status=''
  while read -r what rest; do
    case $what in
    feed) feeder=$rest ;;
    sleep) sleeper=$rest ;;
    left) gone=1 feeder=none ;;
    late) gone=1 ;;
    end) end=$rest ;;
    # bwrap's own words.
    *) status="$status$what$rest" ;;
    esac
    case $rest in
    '"child-pid": '*)
      first=${rest#*: }
      first=${first%%[!0-9]*}
      ;;
    esac
    if [ -n "$end" ]; then
      if [ -n "$feeder" ] && [ -n "$sleeper" ]; then
        kill -KILL "$sleeper"
        [ "$feeder" = none ] || kill -KILL "$feeder"
        printf '%s %s %s\n' "$mark" "$end" "$status" >&9
        return "$end"
      fi
    elif [ -n "$gone" ] && [ -n "$first" ]; then
      kill -KILL "$first"
    fi
  done
}

{
  filter | {
    time_out 4<&- 6<&- 8>&- 9>&- &
    # What is a socket could be read from, too.
    if [ -S /proc/self/fd/8 ]; then
      feed <&4 4<&- 6<&- 8>&- | boxed 3<&6 6<&- 8>&- | cat >&8 7>&- 9>&-
    else
      feed <&4 4<&- 6<&- 8>&- | boxed >&8 3<&6 6<&- 8>&-
    fi
  } 6<&0 7>&1
} | watch 4<&- 8>&-
