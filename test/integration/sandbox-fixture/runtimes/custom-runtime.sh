# A runtime without Node: one line in, one line out.
echo '{"kind":"blank"}' >&3
while read -r line <&3; do
  echo "to the log: $line" >/dev/stderr
  echo "{\"id\":\"shell\",\"value\":\"$(id -un)\"}" >&3
done
