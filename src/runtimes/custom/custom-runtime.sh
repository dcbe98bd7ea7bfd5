#!/bin/sh
# The first process of a container for custom runtimes (provided.al2023).
#
# It waits blank, reading lines from the agent on file descriptor 3: shell commands that set the
# function's environment, then the line `run`. It then becomes the function's `bootstrap`, which
# speaks the Lambda Runtime API over HTTP at $AWS_LAMBDA_RUNTIME_API.
#
# File descriptor 3 stays open in the bootstrap and in all that it starts: that is how the agent
# sees the container's end, as the end of this channel. Nothing is read from it any more then, and
# the agent ignores what is written to it.
#
# Exit status: 0 the agent went away, 126 the bootstrap cannot be executed, 127 there is none.

echo blank >&3

hearth_lines=
while :; do
  IFS= read -r hearth_line <&3 || exit 0
  [ "$hearth_line" = run ] && break
  # All lines together are one script: a quoted value may span several.
  hearth_lines="$hearth_lines$hearth_line
"
done
eval "$hearth_lines"
unset hearth_lines hearth_line

fail() {
  echo "Runtime.InvalidEntrypoint: $2" >&2
  exit "$1"
}

cd "$LAMBDA_TASK_ROOT" || fail 127 "Couldn't enter the folder of the code: $LAMBDA_TASK_ROOT"
for hearth_bootstrap in "$LAMBDA_TASK_ROOT/bootstrap" /opt/bootstrap; do
  [ -f "$hearth_bootstrap" ] || continue
  [ -x "$hearth_bootstrap" ] || fail 126 "$hearth_bootstrap is not executable; set its mode to 755 in the archive"
  exec "$hearth_bootstrap"
done
fail 127 "Couldn't find valid bootstrap(s): [$LAMBDA_TASK_ROOT/bootstrap /opt/bootstrap]"
