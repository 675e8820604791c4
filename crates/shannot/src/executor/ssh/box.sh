# Runs a box on a host that has nothing of ours; begun by what sets `mark` and makes `filter` and `box`.
# The caller's side sends the command's standard input as frames, each a line with its length before it,
# 0 at its end; when that side goes, so does the box. Descriptors: 4 what is sent, 7 what is told to
# `watch`, 8 and 9 the command's output.
exec 4<&0 8>&1 9>&2 < /dev/null 2> /dev/null

self() {
  read -r stat < /proc/self/stat
  pid=${stat%% *}
}

# The command's standard input. It outlives that, to notice that nobody is there any more.
feed() {
  self
  echo "feed $pid" >&7
  while read -r size; do
    case $size in
    0) exec >&- ;;
    '' | *[!0-9]*) break ;;
    *) dd bs="$size" count=1 iflag=fullblock ;;
    esac
  done
  echo gone >&7
}

boxed() {
  (
    self
    echo "box $pid" >&7
    box 2>&9 9>&-
  )
  echo "end $?" >&7
}

# Ends the one with the other, and says how the box has ended.
watch() {
  feeder='' boxed='' gone='' end='' status=''
  while read -r what rest; do
    case $what in
    feed) feeder=$rest ;;
    box) boxed=$rest ;;
    gone) gone=1 ;;
    end) end=$rest ;;
    # bwrap's own words.
    *) status="$status$what$rest" ;;
    esac
    if [ -n "$end" ]; then
      if [ -n "$gone$feeder" ]; then
        printf '%s %s %s\n' "$mark" "$end" "$status" >&9
        [ -n "$gone" ] || kill -KILL "$feeder"
        return
      fi
    elif [ -n "$gone" ] && [ -n "$boxed" ]; then
      kill -KILL "$boxed"
    fi
  done
}

{
  filter | {
    feed <&4 4<&- 6<&- 8>&- 9>&- | boxed >&8 3<&6 4<&- 6<&- 8>&-
  } 6<&0 7>&1
} | watch 4<&- 8>&-
