#!/usr/bin/env bash
# Runs a Ceph cluster of one node, its S3 gateway on 127.0.0.1, and nothing outside of one temporary folder. Needs no root.
#
#   start-radosgw.sh <gateway port> <monitor port> <access key> <secret key>
#
# Says `ready` once the gateway answers. Lives until its standard input ends, be it that whoever started it closed it or
# was killed, and then takes the daemons and the folder along.
set -euo pipefail
gateway_port=$1 monitor_port=$2 access_key=$3 secret_key=$4

folder=$(mktemp -d "${TMPDIR:-/tmp}/radosgw-XXXXXX")
cleanup() {
  local status=$? daemons
  [ "$status" -eq 0 ] || tail -n 5 "$folder"/*.out "$folder"/*.log >&2 || true
  # At once: an OSD that is asked to stop waits for its monitor, and everything is in memory anyway.
  daemons=$(jobs -p)
  [ -z "$daemons" ] || kill -KILL $daemons 2>/dev/null || true
  wait 2>/dev/null
  rm -rf "$folder"
}
trap cleanup EXIT
# Whoever is gone does not read `ready`: that is a reason to clean up, not to die of it.
trap '' PIPE

uuid() { cat /proc/sys/kernel/random/uuid; }

fsid=$(uuid)
export CEPH_CONF=$folder/ceph.conf
cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:$monitor_port]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
# A port that is taken stays taken.
ms bind retry count = 1
# Whoever reaches the loopback may talk to the cluster; the gateway itself verifies S3 signatures.
auth cluster required = none
auth service required = none
auth client required = none
# Without keys there is nothing to encrypt with, which a gateway would do with its monitor by default.
ms mon client mode = crc secure
keyring = $folder/keyring
admin socket =
crash dir = $folder
log file = $folder/\$name.log
pid file =
run dir = $folder
# One disk, one copy, few placement groups.
osd pool default size = 1
osd pool default min size = 1
mon allow pool size one = true
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon max pg per osd = 1000
# A monitor without peers need not wait for them.
paxos propose interval = 0.02
paxos min wait = 0.01
# However full the machine's own disk is.
mon data avail crit = 1
mon data avail warn = 1
osd objectstore = memstore
memstore device bytes = 4294967296
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$gateway_port
rgw dns name = s3.localhost
rgw run sync thread = false
rgw enable usage log = false
rgw enable ops log = false
rgw thread pool size = 64
CONF

# until_true <seconds> <command…>: fails when the command keeps failing for that long, or a daemon has died.
until_true() {
  local deadline=$((SECONDS + $1)) daemon
  shift
  until "$@" >/dev/null 2>&1; do
    for daemon in $(jobs -p); do kill -0 "$daemon" 2>/dev/null || return 1; done
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.1
  done
}
osd_is_up() { ceph --connect-timeout 2 osd stat | grep -q '1 up'; }
gateway_answers() { exec 3<>"/dev/tcp/127.0.0.1/$gateway_port" && exec 3>&-; }

mkdir "$folder/mon" "$folder/osd"
monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$monitor_port]" "$folder/monmap" >/dev/null
ceph-mon -i a --mkfs --monmap "$folder/monmap" --mon-data "$folder/mon" >"$folder/mkfs.out" 2>&1
ceph-mon -i a -f --mon-data "$folder/mon" >"$folder/mon.out" 2>&1 &
osd=$(uuid)
until_true 30 ceph --connect-timeout 2 osd new "$osd" 0
ceph-osd -i 0 --mkfs --osd-uuid "$osd" --osd-data "$folder/osd" >"$folder/mkfs.out" 2>&1
ceph-osd -i 0 -f --osd-data "$folder/osd" >"$folder/osd.out" 2>&1 &
until_true 30 osd_is_up
timeout 60 radosgw-admin -n client.rgw user create --uid=test --display-name=test \
  --access-key="$access_key" --secret="$secret_key" >"$folder/admin.out" 2>&1
radosgw -n client.rgw -f >"$folder/rgw.out" 2>&1 &
until_true 60 gateway_answers

echo ready
cat >/dev/null
