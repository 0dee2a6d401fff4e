#!/bin/sh
# The life of a package on a Debian, in a tree that is thrown away: inside.sh OLDER NEWER, both fieldpost packages, of which
# the newer one brings another device.json. Says `ok` and what held, a line each; ends with 1 at the first that does not.
set -u
older=$1
newer=$2
older_version=$(dpkg-deb -f "$older" Version)
newer_version=$(dpkg-deb -f "$newer" Version)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

fail() {
    echo "FAILED $1"
    exit 1
}

step() {
    what=$1
    shift
    said=$("$@" 2>&1) || fail "$what: $said"
    echo "ok $what"
}

is() {
    [ "$1" = "$2" ] || fail "$3: must be $2, got $1"
}

apt_install() {
    # confdef: what dpkg itself proposes at its prompt, so that a changed file is kept.
    apt-get -y -q --no-install-recommends --allow-downgrades -o Dpkg::Options::=--force-confdef install "$@"
}

version() {
    dpkg-query -W -f '${Version}' fieldpost
}

ledger() {
    sha256sum /var/lib/fieldpost/ledger/witness | cut -d' ' -f1
}

step 'installs with its dependencies' apt_install "$older"
is "$(version)" "$older_version" 'the version installed'
is "$(stat -c '%a %U:%G' /etc/fieldpost)" '750 root:fieldpost' '/etc/fieldpost'
is "$(stat -c '%a %U:%G' /etc/fieldpost/tls)" '750 root:fieldpost' '/etc/fieldpost/tls'
is "$(stat -c '%a %U:%G' /etc/fieldpost/device.json)" '640 root:fieldpost' 'device.json'
is "$(id -nG fieldpost | tr ' ' '\n' | grep -c dialout)" 1 'the group dialout'
echo 'ok makes its user, in dialout, and keeps the configuration to root and that user'
[ -L /etc/systemd/system/multi-user.target.wants/fieldpost.service ] || fail 'the service is not enabled'
echo 'ok enables the service'
is "$(fieldpost --version)" "fieldpost ${older_version%-*}" 'fieldpost --version'
echo 'ok the command line runs on the Node.js that was installed'

step 'an upgrade takes over the new device.json where nobody changed the old one' apt_install "$newer"
cmp -s /etc/fieldpost/device.json /usr/share/fieldpost/device.json || fail 'device.json is not the new one'

step 'goes back by one' apt_install "$older"
is "$(version)" "$older_version" 'the version after going back'
sed -i 's/pump-42/pump-7/' /etc/fieldpost/device.json
mine=$(sha256sum < /etc/fieldpost/device.json)
mkdir -p /var/lib/fieldpost/ledger
echo 'an event that was accepted' > /var/lib/fieldpost/ledger/witness
chown -R fieldpost:fieldpost /var/lib/fieldpost
echo 'a key' > /etc/fieldpost/tls/client.key
chmod 0600 /etc/fieldpost/tls/client.key
before=$(ledger)

step 'an upgrade with another device.json gets on without an answer' apt_install "$newer"
is "$(version)" "$newer_version" 'the version after the upgrade'
is "$(sha256sum < /etc/fieldpost/device.json)" "$mine" 'device.json after the upgrade'
[ -e /etc/fieldpost/device.json.dpkg-dist ] || fail 'the new device.json is not beside it'
echo 'ok a changed device.json stays as it was, the new one lies beside it'
is "$(stat -c '%a %U:%G' /etc/fieldpost/device.json)" '640 root:fieldpost' 'device.json after the upgrade'
is "$(ledger)" "$before" 'the ledger after the upgrade'
echo 'ok the ledger outlives the upgrade'

step 'goes back by one with a changed device.json' apt_install "$older"
is "$(sha256sum < /etc/fieldpost/device.json)" "$mine" 'device.json after going back'
is "$(ledger)" "$before" 'the ledger after going back'

step 'is removed' apt-get -y -q remove fieldpost
[ ! -e /usr/lib/fieldpost ] || fail 'removed, but /usr/lib/fieldpost is there'
[ ! -e /usr/bin/fieldpost ] || fail 'removed, but /usr/bin/fieldpost is there'
is "$(sha256sum < /etc/fieldpost/device.json)" "$mine" 'device.json after the removal'
is "$(ledger)" "$before" 'the ledger after the removal'
echo 'ok configuration, key and ledger outlive the removal'

step 'is put back' apt_install "$older"
is "$(sha256sum < /etc/fieldpost/device.json)" "$mine" 'device.json of the one put back'
is "$(ledger)" "$before" 'the ledger of the one put back'
is "$(stat -c %U /var/lib/fieldpost/ledger/witness)" fieldpost 'the owner of the ledger'
echo 'ok the one put back has configuration, key and ledger of before'

step 'is purged' apt-get -y -q purge fieldpost
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /tmp -o -path /var/log -o -path /prove \) -prune -o -iname '*fieldpost*' -print)
is "$left" '' 'what the purge left'
! getent passwd fieldpost > /dev/null || fail 'the purge left the user'
! getent group fieldpost > /dev/null || fail 'the purge left the group'
echo 'ok the purge leaves neither file nor user'
