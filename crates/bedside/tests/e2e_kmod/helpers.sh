# What the scripts of all machines use.
parameters=/sys/module/bedside_netconsole/parameters

# say WORDS: in the kernel's log.
say() { echo "<6>lab: $1" > /dev/kmsg; }

# show WHEN: what the module tells of its targets.
show() {
  echo "$1:"
  cat $parameters/targets
}

# wait_for COMMAND…: until it succeeds, for at most 20 s.
wait_for() {
  tries=0
  until "$@"; do
    [ $tries -lt 200 ] || { echo "waited in vain for: $*"; return 1; }
    tries=$((tries + 1))
    usleep 100000
  done
}
# carrier [DEVICE]: whether it has one.
carrier() { [ "$(cat /sys/class/net/${1:-eth0}/carrier)" = 1 ]; }
