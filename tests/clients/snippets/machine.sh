#!/bin/sh
# The first process of a machine for snippets: loopback alone, and an /etc and a /usr/local/bin that may be written to.
#
#   unshare --net --mount --pid --fork --mount-proc machine.sh FOLDER
set -eu
folder=$1
ip link set lo up

# Copies, because a user namespace cannot change the owner's files; what it cannot read, no snippet needs.
cp -a /etc "$folder/etc" 2>/dev/null || true
mount --bind "$folder/etc" /etc

mkdir "$folder/local" "$folder/local-before"
mount --bind /usr/local/bin "$folder/local-before"
for program in /usr/local/bin/*; do
  [ -e "$program" ] || continue
  # A relative link would lead elsewhere from its new place.
  if [ -L "$program" ]; then target=$(readlink -f "$program"); else target=$folder/local-before/${program##*/}; fi
  ln -s "$target" "$folder/local/${program##*/}"
done
mount --bind "$folder/local" /usr/local/bin

touch "$folder/prepared"
exec sleep infinity
