//! Targets that are wished, changed, refused, and whose devices do what devices do.

use anyhow::{Context, Result, ensure};
use bedside_lab::answer::Item;
use bedside_lab::vm::Death;

use crate::ward::Ward;

const CHANGES: &str = r#"
insmod /bedside_netconsole.ko live=off 'netconsole=+@/eth0,DOCTOR;@/eth7,SECOND'; echo "load $?"
show loaded > /tmp/loaded
say "before it was live"
show loaded | diff - /tmp/loaded && echo "nothing sent"
cat /tmp/loaded
cd $parameters
echo on > live
say "live"
ip -6 addr add fec0::15/64 dev eth0
echo '+@/eth0,DOCTOR;@/eth0,SECOND;+r@/eth0,THIRD' > netconsole; echo "write $?"
say "to all three"
show three
echo '+@/eth0,DOCTOR52:55:0a:00:02:02;@/eth0,SECOND;+r@/eth0,THIRD' > netconsole
say "redirected"
show redirected
echo nonsense > netconsole; echo "nonsense $?"
cat netconsole
ip link set eth0 down
say "said while the card was down"
show down
ip link set eth0 address 52:54:00:12:34:99
ip link set eth0 up
ip -6 addr add fec0::15/64 dev eth0
wait_for carrier
say "up again"
"#;

#[test]
fn targets_change_while_it_runs_and_tell_the_truth() -> Result<()> {
    for kernel in ["6.1", "7"] {
        let ward = Ward::admit(kernel, Death::Panic, CHANGES, |_| {})?;
        let said = ward.said()?;
        for words in ["load 0", "nothing sent", "write 0", "nonsense 1"] {
            ensure!(said.contains(words), "{kernel}: no {words:?} in:\n{said}");
        }
        ensure_counted(kernel, &said).context(said)?;
        ward.heard("end Kernel panic")?;
        ward.hears_whole_deaths(2).context(kernel)?;
        let items = ward.bedside.log(&[])?;
        for port in &ward.ports {
            let texts = texts(&items, *port);
            for words in ["Linux version", "to all three", "redirected", "up again", "sysrq: "] {
                let heard = texts.iter().any(|text| text.contains(words));
                ensure!(heard, "{kernel}: port {port} has not heard {words:?}");
            }
        }
    }
    Ok(())
}

/// What `targets` has told at each time.
fn ensure_counted(kernel: &str, said: &str) -> Result<()> {
    let loaded = lines(said, "loaded")?;
    ensure!(loaded[0].starts_with("enabled +@/,"), "{kernel}: {loaded:?}");
    ensure!(on_its_way(loaded[0])? > 200, "{kernel}: the log so far was not sent: {loaded:?}");
    ensure!(loaded[1].starts_with("disabled @/eth7,"), "{kernel}: {loaded:?}");
    ensure!(loaded[1].contains(" reason=no-device "), "{kernel}: {loaded:?}");
    let (three, redirected) = (lines(said, "three")?, lines(said, "redirected")?);
    ensure!(three.len() == 3 && three.iter().all(|line| line.starts_with("enabled ")));
    ensure!(three[2].contains(" local=fec0::"), "{kernel}: {three:?}");
    for (before, after) in three.iter().zip(&redirected) {
        let sent = on_its_way(after)? - on_its_way(before)?;
        ensure!((1..20).contains(&sent), "{kernel}: {before:?}, then {after:?}");
    }
    ensure!(redirected[0].contains("/52:55:0a:00:02:02 "), "{kernel}: {redirected:?}");
    for line in lines(said, "down")? {
        ensure!(count(line, "device_down=")? >= 1, "{kernel}: {line}");
    }
    Ok(())
}

const REFUSED: &str = r#"
modprobe veth; ip link add v0 type veth peer name v1
modprobe wireguard; ip link add wg0 type wireguard
modprobe dummy; ip link add d0 type dummy; ip link add d1 type dummy
modprobe bridge; ip link add br0 type bridge; ip link set d0 master br0
ip link set d1 up; ip addr add 10.9.0.1/24 dev d1
insmod /bedside_netconsole.ko 'netconsole=@/v0,@10.0.2.2/;@/wg0,@10.0.2.2/;@/d0,@10.0.2.2/;@/br0,@10.0.2.2/;@/d1,@10.0.2.2/'
echo "load $?"
show refused
ip link del d1
show gone
dmesg | grep bedside_netconsole
ip addr add 10.8.0.1/24 dev br0
cat $parameters/netconsole > $parameters/netconsole
show again
rmmod bedside_netconsole; echo "unload $?"
insmod /bedside_netconsole.ko netconsole=nonsense 2> /dev/null || echo "nonsense is not loaded"
insmod /bedside_netconsole.ko && echo "loaded with nothing"
show nothing
rmmod bedside_netconsole; echo "unload $?"
"#;

/// veth forbids polling since 6.12.
#[test]
fn what_cannot_be_had_says_why_and_is_tried_again() -> Result<()> {
    let ward = Ward::admit("7", Death::PowerOff, REFUSED, |_| {})?;
    let said = ward.said()?;
    ensure_refused(&said).context(said)
}

fn ensure_refused(said: &str) -> Result<()> {
    let refused = lines(said, "refused")?;
    let reasons = ["no-polling", "not-ethernet", "slave", "no-address"];
    for (line, reason) in refused.iter().zip(reasons) {
        let told = line.contains(&format!(" reason={reason} "));
        ensure!(told, "{reason} is not the reason of {line}");
    }
    ensure!(refused[4].starts_with("enabled @/d1,"), "{refused:?}");
    ensure!(lines(said, "gone")?[4].contains(" reason=gone "), "a device went unseen");
    ensure!(lines(said, "again")?[3].starts_with("enabled @/br0,"), "it was not tried again");
    ensure!(lines(said, "nothing")?.is_empty(), "targets that nobody has wished");
    for words in [
        "load 0",
        "v0 doesn't support polling, aborting: name another device",
        "d0 is a slave device, aborting: name its bridge or bond instead",
        "network logging stopped on interface d1 as it unregistered",
        "nonsense is not loaded",
        "loaded with nothing",
    ] {
        ensure!(said.contains(words), "no {words:?}");
    }
    ensure!(said.matches("unload 0").count() == 2, "it was not unloaded");
    Ok(())
}

const WIFI: &str = "
modprobe mac80211_hwsim radios=1
wait_for [ -d /sys/class/net/wlan0 ]
insmod /bedside_netconsole.ko netconsole=@/wlan0,@10.0.2.2/
show wifi
dmesg | tail -n 3
";

#[test]
fn wifi_is_refused() -> Result<()> {
    let ward = Ward::admit("6.1-amd64", Death::PowerOff, WIFI, |_| {})?;
    let said = ward.said()?;
    let refused = lines(&said, "wifi")?.iter().any(|line| line.contains(" reason=wifi "));
    let why = "wlan0 is Wi-Fi, which can't send while the kernel dies, aborting";
    ensure!(refused && said.contains(why), "{said}");
    Ok(())
}

/// What stands below a heading of `show`.
fn lines<'s>(said: &'s str, heading: &str) -> Result<Vec<&'s str>> {
    let mut all = said.lines();
    all.find(|line| line.strip_suffix(':') == Some(heading)).with_context(|| said.to_owned())?;
    let is_target = |line: &&str| line.starts_with("enabled ") || line.starts_with("disabled ");
    Ok(all.take_while(is_target).collect())
}

/// A counter in a line.
/// What the device has, and what netpoll's worker brings it: where the host is busy that is most
/// of it.
fn on_its_way(line: &str) -> Result<u64> {
    Ok(count(line, "sent=")? + count(line, "queue_stopped=")?)
}

fn count(line: &str, name: &str) -> Result<u64> {
    let word = line.split(' ').find_map(|word| word.strip_prefix(name));
    Ok(word.with_context(|| format!("no {name} in {line}"))?.parse()?)
}

fn texts(items: &[Item], port: u16) -> Vec<&str> {
    let told = items.iter().filter_map(|item| match item {
        Item::Record(record) if record.place.port == Some(port) => Some(record.text.as_str()),
        _ => None,
    });
    told.collect()
}
