# What the scripts of all machines use.

# wait_for SECONDS COMMAND…: until it succeeds; false, if it does not.
wait_for() {
  left=$(($1 * 10)); shift
  until "$@" > /dev/null 2>&1; do
    left=$((left - 1)); [ $left -gt 0 ] || return 1
    usleep 100000
  done
}

# heard WHEN: waits until the doctor hears, and says so.
heard() {
  tries=0
  until bedside-patient test > /tmp/test; do
    tries=$((tries + 1)); [ $tries -lt 20 ] || { echo "$1: not heard"; cat /tmp/test; return; }
  done
  echo "$1: heard"
}

# look: all that `up` may change, as a shell sees it; of configfs what it holds as well.
look() {
  find /etc /var/lib | sort
  cat $(find /etc -type f) /dev/null
  cat /proc/sys/kernel/printk /proc/sys/kernel/panic*
  lsmod | cut -d' ' -f1 | sort
  mount | sort
  cut -c1-30 /proc/consoles
  find /sys/kernel/config 2> /dev/null | sort | while read -r file; do
    echo "$file"; [ ! -f "$file" ] || cat "$file"
  done
}

# left_alone COMMAND…: says how it ends, and whether it changed anything.
left_alone() {
  look > /tmp/before
  "$@"; echo "exit $?"
  look > /tmp/after
  diff /tmp/before /tmp/after && echo "nothing done"
}
